package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
)

// checkFile walks all pages of a bbolt file (format 2) and returns the first
// fault. bbolt itself trusts a file: pages that point in a circle overflow its
// stack, a wrong list of free pages makes it write over data, and neither can be
// recovered from. A sound file is only entered by what passes here; what goes
// bad later is a panic or a memory fault, which guard turns into an error.
func checkFile(r io.ReaderAt, size int64) error {
	w := walker{r: r, size: size}
	m, err := w.meta()
	if err != nil {
		return err
	}
	w.pages = m.pages
	w.used = make([]bool, m.pages)
	w.used[0], w.used[1] = true, true
	if err := w.freelist(m.freelist); err != nil {
		return err
	}
	return w.tree(m.root, 0)
}

const (
	pageSize   = 4096
	pageHeader = 16 // id 8, flags 2, count 2, overflow 4
	element    = 16
	maxDepth   = 32

	isBranch   = 0x01
	isLeaf     = 0x02
	isFreelist = 0x10
)

var order = binary.NativeEndian // bbolt writes its structures as they are in memory

type meta struct{ root, freelist, pages, tx uint64 }

type walker struct {
	r     io.ReaderAt
	size  int64
	pages uint64 // the file has page 0 to pages-1
	used  []bool
	bufs  [maxDepth + 2][]byte // of page, by depth

	visit func(bucket, key, value []byte) // may be nil; value of a bucket itself: its root and sequence
	in    []byte                          // the bucket, nil: that of buckets
}

func broken(page uint64, what string) error {
	return fmt.Errorf("%w: page %d: %s", errDamaged, page, what)
}

// meta returns the newer one of the two sound meta pages.
func (w *walker) meta() (best meta, err error) {
	err = fmt.Errorf("%w: it is no store", errDamaged)
	for i := range int64(2) {
		var b [pageHeader + 64]byte
		if _, e := w.r.ReadAt(b[:], i*pageSize); e != nil {
			continue
		}
		d := b[pageHeader:]
		sum := fnv.New64a()
		sum.Write(d[:56])
		if order.Uint32(d) != 0xED0CDAED || order.Uint32(d[4:]) != 2 || order.Uint64(d[56:]) != sum.Sum64() {
			continue
		}
		m := meta{order.Uint64(d[16:]), order.Uint64(d[32:]), order.Uint64(d[40:]), order.Uint64(d[48:])}
		if order.Uint32(d[8:]) == pageSize && (err != nil || m.tx > best.tx) {
			best, err = m, nil
		}
	}
	if err == nil && (best.pages < 4 || best.pages > uint64(w.size)/pageSize) {
		err = fmt.Errorf("%w: it is cut off: %d bytes of %d", errDamaged, w.size, best.pages*pageSize)
	}
	return best, err
}

// page reads a page with its overflow and marks it as used. What it returns is
// valid until the next call with that depth.
func (w *walker) page(id uint64, depth int) (b []byte, flags uint16, count int, err error) {
	head := slices.Grow(w.bufs[depth][:0], pageSize)[:pageSize]
	w.bufs[depth] = head
	if id < 2 || id >= w.pages {
		return nil, 0, 0, broken(id, "is outside")
	}
	if _, err := w.r.ReadAt(head, int64(id)*pageSize); err != nil {
		return nil, 0, 0, broken(id, err.Error())
	}
	n := uint64(order.Uint32(head[12:])) + 1
	if order.Uint64(head) != id || n > w.pages-id {
		return nil, 0, 0, broken(id, "has a bad header")
	}
	for i := id; i < id+n; i++ {
		if w.used[i] {
			return nil, 0, 0, broken(i, "is used twice")
		}
		w.used[i] = true
	}
	if n > 1 {
		head = slices.Grow(head, int(n-1)*pageSize)[:n*pageSize]
		w.bufs[depth] = head
		if _, err := w.r.ReadAt(head[pageSize:], int64(id+1)*pageSize); err != nil {
			return nil, 0, 0, broken(id, err.Error())
		}
	}
	return head, order.Uint16(head[8:]), int(order.Uint16(head[10:])), nil
}

func (w *walker) freelist(id uint64) error {
	b, flags, count, err := w.page(id, 0)
	if err != nil {
		return err
	}
	ids, n := b[pageHeader:], uint64(count)
	if count == 0xFFFF {
		n, ids = order.Uint64(ids), ids[8:]
	}
	if flags != isFreelist || n > uint64(len(ids)/8) {
		return broken(id, "is no list of free pages")
	}
	for i := range n {
		free := order.Uint64(ids[i*8:])
		if free < 2 || free >= w.pages || w.used[free] {
			return broken(id, "lists a used page as free")
		}
		w.used[free] = true
	}
	return nil
}

// tree walks a bucket from its root.
func (w *walker) tree(id uint64, depth int) error {
	if depth > maxDepth {
		return broken(id, "is too deep")
	}
	b, flags, count, err := w.page(id, depth)
	if err != nil {
		return err
	}
	switch {
	case flags == isLeaf:
		return w.leaf(id, b, count, depth)
	case flags != isBranch || count == 0:
		return broken(id, "is no page of a tree")
	}
	var last []byte
	for i := range count {
		e, err := elementAt(b, i, count)
		if err != nil {
			return broken(id, err.Error())
		}
		key, err := slice(b, i, order.Uint32(e), uint64(order.Uint32(e[4:])))
		if err != nil || i > 0 && bytes.Compare(last, key) >= 0 {
			return broken(id, "has bad keys")
		}
		if err := w.tree(order.Uint64(e[8:]), depth+1); err != nil {
			return err
		}
		last = key
	}
	return nil
}

// leaf walks the elements of a leaf page, also of one inside a value.
func (w *walker) leaf(id uint64, b []byte, count, depth int) error {
	var last []byte
	for i := range count {
		e, err := elementAt(b, i, count)
		if err != nil {
			return broken(id, err.Error())
		}
		n := uint64(order.Uint32(e[8:]))
		pair, err := slice(b, i, order.Uint32(e[4:]), n+uint64(order.Uint32(e[12:])))
		if err != nil || i > 0 && bytes.Compare(last, pair[:n]) >= 0 {
			return broken(id, "has bad keys")
		}
		last = pair[:n]
		if w.visit != nil {
			w.visit(w.in, last, pair[n:])
		}
		switch flags := order.Uint32(e); {
		case flags == 0:
			continue
		case flags != 1 || depth > maxDepth:
			return broken(id, "has bad flags")
		}
		was := w.in
		w.in = last
		if err := w.bucket(id, pair[n:], depth+1); err != nil {
			return err
		}
		w.in = was
	}
	return nil
}

// bucket walks a bucket in a value: the page of its root, or its only page inline.
func (w *walker) bucket(id uint64, v []byte, depth int) error {
	if len(v) < 16 {
		return broken(id, "has a short bucket")
	}
	if root := order.Uint64(v); root != 0 {
		return w.tree(root, depth)
	}
	page := v[16:]
	if len(page) < pageHeader || order.Uint16(page[8:]) != isLeaf {
		return broken(id, "has a bad inline bucket")
	}
	return w.leaf(id, page, int(order.Uint16(page[10:])), depth)
}

func elementAt(b []byte, i, count int) ([]byte, error) {
	if pageHeader+count*element > len(b) {
		return nil, fmt.Errorf("has %d elements", count)
	}
	return b[pageHeader+i*element:][:element], nil
}

// slice returns n bytes at an offset that counts from element i.
func slice(b []byte, i int, offset uint32, n uint64) ([]byte, error) {
	at := uint64(pageHeader+i*element) + uint64(offset)
	if at+n > uint64(len(b)) {
		return nil, fmt.Errorf("ends too early")
	}
	return b[at : at+n], nil
}
