package sensors

import "encoding/binary"

// A bmxCal is the calibration of a BMP280 or BME280, as floating point numbers
// for the formulas of the datasheet (BST-BME280-DS002, section 8.1).
type bmxCal struct {
	t1, t2, t3                         float64
	p1, p2, p3, p4, p5, p6, p7, p8, p9 float64
	h1, h2, h3, h4, h5, h6             float64
}

// parseBMxCal reads the registers from 0x88 and those from 0xE1.
func parseBMxCal(b [26]byte, h [7]byte) bmxCal {
	unsigned := func(at int) float64 { return float64(binary.LittleEndian.Uint16(b[at:])) }
	signed := func(at int) float64 { return float64(int16(binary.LittleEndian.Uint16(b[at:]))) }
	return bmxCal{
		t1: unsigned(0), t2: signed(2), t3: signed(4),
		p1: unsigned(6), p2: signed(8), p3: signed(10), p4: signed(12), p5: signed(14),
		p6: signed(16), p7: signed(18), p8: signed(20), p9: signed(22),
		h1: float64(b[25]),
		h2: float64(int16(binary.LittleEndian.Uint16(h[0:]))),
		h3: float64(h[2]),
		h4: float64(int16(int8(h[3]))<<4 | int16(h[4]&0x0F)), // 12 bits with sign, as H5
		h5: float64(int16(int8(h[5]))<<4 | int16(h[4]>>4)),
		h6: float64(int8(h[6])),
	}
}

// temperature returns °C and t_fine, which the other formulas need.
func (c *bmxCal) temperature(raw int32) (t, fine float64) {
	x := (float64(raw)/16384 - c.t1/1024) * c.t2
	y := float64(raw)/131072 - c.t1/8192
	fine = x + y*y*c.t3
	return fine / 5120, fine
}

// pressure returns Pa, or no number where the calibration makes no sense.
func (c *bmxCal) pressure(raw int32, fine float64) float64 {
	x := fine/2 - 64000
	y := x*x*c.p6/32768 + x*c.p5*2
	y = y/4 + c.p4*65536
	x = (c.p3*x*x/524288 + c.p2*x) / 524288
	x = (1 + x/32768) * c.p1
	p := (1048576 - float64(raw) - y/4096) * 6250 / x
	return p + (c.p9*p*p/2147483648+p*c.p8/32768+c.p7)/16
}

// humidity returns % from 0 to 100: the formula may leave it a little.
func (c *bmxCal) humidity(raw int32, fine float64) float64 {
	x := fine - 76800
	x = (float64(raw) - (c.h4*64 + c.h5/16384*x)) *
		(c.h2 / 65536 * (1 + c.h6/67108864*x*(1+c.h3/67108864*x)))
	x *= 1 - c.h1*x/524288
	return min(max(x, 0), 100)
}
