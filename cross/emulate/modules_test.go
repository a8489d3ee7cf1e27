package emulate

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestModules(t *testing.T) {
	dir := t.TempDir()
	for file, info := range map[string]string{
		"kernel/i2c/i2c-dev.ko":    "license=GPL\x00depends=\x00",
		"kernel/net/usbnet.ko":     "depends=mii,i2c-core\x00",
		"kernel/net/mii.ko":        "name=mii\x00",
		"kernel/net/cdc_ether.ko":  "author=x\x00depends=usbnet,mii\x00license=GPL\x00",
		"kernel/net/rndis_host.ko": "depends=cdc_ether,usbnet\x00",
		"kernel/bad/needs-lost.ko": "depends=lost\x00",
		"kernel/bad/ring-a.ko":     "depends=ring-b\x00",
		"kernel/bad/ring-b.ko":     "depends=ring-a\x00",
	} {
		write(t, filepath.Join(dir, file), string(moduleFile(info)), 0o644)
	}
	write(t, filepath.Join(dir, "kernel/bad/text.ko"), strings.Repeat("no ELF ", 20), 0o644)
	write(t, filepath.Join(dir, "modules.builtin"), "kernel/drivers/i2c/i2c-core.ko\nkernel/drivers/i2c/i2c-bcm2835.ko\n", 0o644)
	tests := []struct{ names, want, err string }{
		{"i2c-dev", "i2c_dev", ""},
		{"i2c-bcm2835 i2c_dev i2c-dev", "i2c_dev", ""},
		{"rndis_host", "mii usbnet cdc_ether rndis_host", ""},
		{"mii rndis-host", "mii usbnet cdc_ether rndis_host", ""},
		{"ring-a", "ring_b ring_a", ""},
		{"lm75", "", "this kernel has no module lm75"},
		{"needs-lost", "", "module needs_lost: this kernel has no module lost"},
		{"text", "", "module text: bad magic number"},
	}
	found, err := findModules(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range tests {
		list, err := found.load(strings.Fields(test.names)...)
		var got []string
		for _, m := range list {
			got = append(got, m.name)
		}
		if diff := cmp.Diff(test.want, strings.Join(got, " ")); diff != "" || (test.err == "") != (err == nil) {
			t.Errorf("%s: %v (-want +got):\n%s", test.names, err, diff)
		} else if err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %v, want %q", test.names, err, test.err)
		}
	}
}
