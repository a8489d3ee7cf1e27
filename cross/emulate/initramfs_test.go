package emulate

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestInitramfs(t *testing.T) {
	var b bytes.Buffer
	err := writeInitramfs(&b, map[string]File{
		"init":             {[]byte("#!/bin/sh\n"), 0o755},
		"etc/pipit/secret": {[]byte("1234"), 0o600},
		"etc/empty":        {nil, 0o644},
		"a":                {[]byte("12345"), 0o444},
		"v/w/x/y/z":        {nil, 0o644},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`040755 etc ""`, `040755 etc/pipit ""`, `040755 v ""`, `040755 v/w ""`, `040755 v/w/x ""`, `040755 v/w/x/y ""`, `100444 a "12345"`, `100644 etc/empty ""`,
		`100600 etc/pipit/secret "1234"`, `100755 init "#!/bin/sh\n"`, `100644 v/w/x/y/z ""`,
	}
	if diff := cmp.Diff(want, unpackCPIO(t, &b)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// unpackCPIO reads an archive as the kernel's init/initramfs.c does: 110 bytes
// of header, then name and content, each filled up to four bytes.
func unpackCPIO(t *testing.T, r io.Reader) (list []string) {
	t.Helper()
	zip, err := gzip.NewReader(r)
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	inodes := make(map[uint64]bool)
	for at := 0; ; {
		if at%4 != 0 || len(all) < at+110 || string(all[at:at+6]) != "070701" {
			t.Fatalf("no header at %d of %d", at, len(all))
		}
		var field [13]uint64
		for i := range field {
			if field[i], err = strconv.ParseUint(string(all[at+6+8*i:at+14+8*i]), 16, 32); err != nil {
				t.Fatal(err)
			}
		}
		inode, mode, links, size, nameSize := field[0], field[1], field[4], int(field[6]), int(field[11])
		name := string(all[at+110 : at+110+nameSize-1])
		data := (at + 110 + nameSize + 3) &^ 3
		if name == "TRAILER!!!" {
			return list
		}
		if inodes[inode] || links != 1 || all[at+110+nameSize-1] != 0 {
			t.Errorf("%s: inode %d seen before or %d links or no NUL behind the name", name, inode, links)
		}
		inodes[inode] = true
		list = append(list, fmt.Sprintf("%06o %s %q", mode, name, all[data:data+size]))
		at = (data + size + 3) &^ 3
	}
}

// moduleFile makes an ELF file for ARM that has nothing but a section .modinfo.
func moduleFile(info string) []byte {
	const header, entry = 52, 40
	names := "\x00.modinfo\x00.shstrtab\x00"
	offset := uint32(header + len(info) + len(names))
	b := []byte("\x7fELF\x01\x01\x01")
	b = append(b, make([]byte, 9)...)
	for _, v := range []any{
		[]uint16{1, 40}, []uint32{1, 0, 0, offset, 0}, []uint16{header, 0, 0, entry, 3, 2},
		[]byte(info), []byte(names),
		make([]uint32, 10),
		[]uint32{1, 1, 0, 0, header, uint32(len(info)), 0, 0, 1, 0},
		[]uint32{10, 3, 0, 0, header + uint32(len(info)), uint32(len(names)), 0, 0, 1, 0},
	} {
		b, _ = binary.Append(b, binary.LittleEndian, v)
	}
	return b
}
