package store

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"time"

	"pipit/agent"
)

// A chunk is what one field has in one segment: a header and the readings, each
// as the difference to the one before it, mostly 3 to 5 bytes.
//
//	crc32c of the rest, 4 bytes
//	first, last position, count: uvarint; least, greatest time in ms: varint
//	readings: flags; position step unless 1; change of the time step; value;
//	quality, unit and reason unless the same
type chunk struct {
	header
	prev previous
}

// A header is a chunk as it is read; body is not copied.
type header struct {
	first, last, count uint64
	from, to           int64 // least and greatest time, ms
	crc, of            []byte
	body               []byte
}

// previous is what the next reading is the difference to.
type previous struct {
	pos        uint64
	time, step int64
	scale      uint8 // decimals
	mantissa   int64
	quality    agent.Quality
	unit       string
	reason     string
}

const (
	flagKind  = 0b11   // agent.Kind
	flagSame  = 1 << 2 // quality, unit and reason
	flagNext  = 1 << 3 // the position is the next one
	flagTrue  = 1 << 4 // of a truth value
	scaleBits = 4      // of a number: decimals, or raw
	raw       = 15     // eight bytes of float64
	maxScale  = 9
)

var (
	errDamaged = errors.New("damaged")
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	powers     = [maxScale + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}
)

// add appends an entry behind the ones the chunk has.
func (c *chunk) add(e agent.Entry) {
	ms, p := e.Time.UnixMilli(), &c.prev
	if c.count == 0 {
		c.first, c.from, c.to = e.Pos, ms, ms
	}
	c.last, c.from, c.to, c.count = e.Pos, min(c.from, ms), max(c.to, ms), c.count+1

	f, _ := e.Value.Float()
	scale, mantissa := p.decimal(f)
	flags, same := flagsOf(e, scale), p.quality == e.Quality && p.unit == e.Unit && p.reason == e.Reason
	if same {
		flags |= flagSame
	}
	if e.Pos == p.pos+1 {
		flags |= flagNext
	}
	b := append(c.body, flags)
	if e.Pos != p.pos+1 {
		b = binary.AppendUvarint(b, e.Pos-p.pos)
	}
	step := ms - p.time
	b = binary.AppendVarint(b, step-p.step)
	p.pos, p.time, p.step = e.Pos, ms, step
	switch {
	case e.Value.Kind() == agent.IsText:
		b = appendString(b, e.Value.String())
	case e.Value.Kind() == agent.IsNumber && scale == raw:
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(f))
	case e.Value.Kind() == agent.IsNumber:
		b = binary.AppendVarint(b, p.advance(scale, mantissa))
	}
	if !same {
		b = append(b, byte(e.Quality))
		b = appendString(appendString(b, e.Unit), e.Reason)
		p.quality, p.unit, p.reason = e.Quality, e.Unit, e.Reason
	}
	c.body = b
}

func flagsOf(e agent.Entry, scale uint8) byte {
	flags := byte(e.Value.Kind())
	if b, ok := e.Value.Bool(); ok && b {
		flags |= flagTrue
	}
	if e.Value.Kind() == agent.IsNumber {
		flags |= scale << scaleBits
	}
	return flags
}

// decimal returns f as mantissa and decimals if that gives back the very same
// float64, the decimals of the reading before if they will do.
func (p *previous) decimal(f float64) (scale uint8, mantissa int64) {
	for i := -1; i <= maxScale; i++ {
		scale = p.scale
		if i >= 0 {
			scale = uint8(i)
		}
		if m := math.Round(f * powers[scale]); math.Abs(m) < 1<<53 && m/powers[scale] == f {
			return scale, int64(m)
		}
	}
	return raw, 0
}

// advance takes a mantissa over and returns its difference to the one before.
func (p *previous) advance(scale uint8, mantissa int64) int64 {
	if scale != p.scale {
		p.mantissa = 0
	}
	d := mantissa - p.mantissa
	p.scale, p.mantissa = scale, mantissa
	return d
}

// encode returns the chunk as it is stored.
func (c *chunk) encode() []byte {
	b := make([]byte, 4, 4+5*binary.MaxVarintLen64+len(c.body))
	b = binary.AppendUvarint(b, c.first)
	b = binary.AppendUvarint(b, c.last)
	b = binary.AppendUvarint(b, c.count)
	b = binary.AppendVarint(b, c.from)
	b = binary.AppendVarint(b, c.to)
	b = append(b, c.body...)
	binary.LittleEndian.PutUint32(b, crc32.Checksum(b[4:], castagnoli))
	return b
}

// parse reads the header of a stored chunk. The checksum is left to each: to
// pass a chunk over, its first page is enough.
func parse(v []byte) (header, error) {
	if len(v) < 4 {
		return header{}, errDamaged
	}
	d := decoder{b: v[4:]}
	h := header{first: d.uvarint(), last: d.uvarint(), count: d.uvarint(), from: d.varint(), to: d.varint()}
	h.crc, h.of, h.body = v[:4], v[4:], d.b
	if d.failed {
		return header{}, errDamaged
	}
	return h, nil
}

// each calls fn with the entries of a chunk, oldest first, until it returns
// false. more is false then.
func (h header) each(name string, fn func(agent.Entry) bool) (more bool, err error) {
	if binary.LittleEndian.Uint32(h.crc) != crc32.Checksum(h.of, castagnoli) {
		return false, errDamaged
	}
	d := decoder{b: h.body}
	for len(d.b) > 0 {
		e := d.entry()
		if d.failed {
			return false, errDamaged
		}
		e.Name = name
		if !fn(e) {
			return false, nil
		}
	}
	return true, nil
}

// A decoder reads what chunk.add wrote. After a failure its results are void.
type decoder struct {
	b      []byte
	prev   previous
	failed bool
}

func (d *decoder) entry() (e agent.Entry) {
	p, flags := &d.prev, d.take(1)[0]
	p.pos++
	if flags&flagNext == 0 {
		p.pos += d.uvarint() - 1
	}
	p.step += d.varint()
	p.time += p.step
	switch agent.Kind(flags & flagKind) {
	case agent.IsText:
		e.Value = agent.Text(d.string())
	case agent.IsBool:
		e.Value = agent.Bool(flags&flagTrue != 0)
	case agent.IsNumber:
		e.Value = agent.Number(d.number(flags >> scaleBits))
	}
	if flags&flagSame == 0 {
		p.quality, p.unit, p.reason = agent.Quality(d.take(1)[0]), d.string(), d.string()
	}
	e.Pos, e.Time = p.pos, time.UnixMilli(p.time).UTC()
	e.Quality, e.Unit, e.Reason = p.quality, p.unit, p.reason
	return e
}

func (d *decoder) number(scale uint8) float64 {
	if scale == raw {
		return math.Float64frombits(binary.LittleEndian.Uint64(d.take(8)))
	}
	if scale > maxScale {
		d.failed = true
		return 0
	}
	p := &d.prev
	if scale != p.scale {
		p.scale, p.mantissa = scale, 0
	}
	p.mantissa += d.varint()
	return float64(p.mantissa) / powers[scale]
}

var zeros [8]byte

// take returns the next n bytes, at most 8 where they are missing.
func (d *decoder) take(n int) []byte {
	if n > len(d.b) {
		d.failed, d.b = true, nil
		return zeros[:min(n, len(zeros))]
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.failed, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) varint() int64 {
	v := d.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (d *decoder) string() string {
	n := d.uvarint()
	return string(d.take(int(min(n, math.MaxInt32))))
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
