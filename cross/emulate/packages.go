package emulate

import (
	"fmt"
	"path"
)

// A Package is a Debian package that a board is made of.
type Package struct {
	Name, Version, Arch string
	Path                string // below the address of a mirror
	Size                int64  // bytes
	SHA256              string // hexadecimal
}

func (p Package) String() string { return fmt.Sprintf("%s %s (%s)", p.Name, p.Version, p.Arch) }

func (p Package) file() string { return path.Base(p.Path) }

// The packages. They are of suites that Debian changes no more, bookworm and
// its backports, so that the pool keeps them. When one is gone: `apt-cache show
// NAME`, with a source of its architecture, prints the lines for a newer one.
var (
	// The QEMU of bookworm itself, 7.2, has no I²C on Raspberry Pi boards.
	qemu = Package{
		"qemu-system-arm", "1:10.0.2+ds-2+deb13u1~bpo12+1", "amd64",
		"pool/main/q/qemu/qemu-system-arm_10.0.2+ds-2+deb13u1~bpo12+1_amd64.deb",
		9788540, "edebbab09db3882c48ef9c00049c7c6a2d76d195cb88d830baadd1fb705bbc66",
	}
	busybox = Package{
		"busybox-static", "1:1.35.0-4+deb12u1+b1", "armel",
		"pool/main/b/busybox/busybox-static_1.35.0-4+deb12u1+b1_armel.deb",
		812140, "061813bf602fdec8f81f07afd196a0e1b8ab0223fbbe9d7b4e003ee44130a60f",
	}
	linuxRPi = Package{
		"linux-image-6.12.95+deb12-rpi", "6.12.95-1~bpo12+1", "armel",
		"pool/main/l/linux/linux-image-6.12.95+deb12-rpi_6.12.95-1~bpo12+1_armel.deb",
		33414596, "0a4413b819ab9e37ab81b83a33142d908748cc0bcdc78295b2fe9226ad0c652b",
	}
	linuxARMMP = Package{
		"linux-image-6.1.0-50-armmp", "6.1.176-1", "armhf",
		"pool/main/l/linux/linux-image-6.1.0-50-armmp_6.1.176-1_armhf.deb",
		43302144, "ddd1d8dd0c6beabb9eb96bcfab26549eb30c63331bae31de481ffae4af0e982a",
	}
)
