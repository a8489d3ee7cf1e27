package emulate

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// A File is a file in the initramfs.
type File struct {
	Data []byte
	Mode fs.FileMode // permission bits
}

// writeInitramfs writes files, by path without a slash before it, as a
// compressed cpio archive that the kernel unpacks into its first file system.
// The folders are made as needed, for everybody to enter.
func writeInitramfs(w io.Writer, files map[string]File) error {
	zip, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return err
	}
	c := &cpio{w: zip}
	for _, dir := range folders(files) {
		c.add(dir, 0o040755, nil)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		c.add(name, 0o100000|uint32(files[name].Mode.Perm()), files[name].Data)
	}
	c.add("TRAILER!!!", 0, nil)
	if c.err != nil {
		return c.err
	}
	return zip.Close()
}

// folders returns the folders that files are in, parents first.
func folders(files map[string]File) []string {
	found := make(map[string]bool)
	for name := range files {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			found[dir] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// cpio writes an archive in the format "newc" (initramfs-buffer-format in the
// kernel's documentation).
type cpio struct {
	w     io.Writer
	inode int
	err   error
}

func (c *cpio) add(name string, mode uint32, data []byte) {
	if c.err != nil {
		return
	}
	c.inode++
	var b bytes.Buffer
	b.WriteString("070701")
	for _, field := range []uint32{
		uint32(c.inode), mode, 0, 0, 1, 0, uint32(len(data)), // inode, mode, uid, gid, links, mtime, size
		0, 0, 0, 0, uint32(len(name) + 1), 0, // devices, length of the name, checksum
	} {
		fmt.Fprintf(&b, "%08x", field)
	}
	b.WriteString(name + "\x00")
	b.WriteString(pad(b.Len()))
	b.Write(data)
	b.WriteString(pad(b.Len()))
	_, c.err = c.w.Write(b.Bytes())
}

// pad fills up to a multiple of four bytes.
func pad(n int) string { return strings.Repeat("\x00", -n&3) }
