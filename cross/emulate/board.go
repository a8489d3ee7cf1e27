package emulate

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// A Board is a kind of board that can be booted.
type Board struct {
	Name    string
	linux   Package
	tree    string   // file of the device tree
	append  string   // for the kernel
	args    []string // for QEMU
	modules []string
}

// PiZero is a Raspberry Pi Zero: one ARM1176 core with ARMv6, 512 MB. On its
// I²C bus 1 is the temperature sensor "chip" (a TMP105) at 0x48 and a clock, a
// DS1338, at 0x68.
func PiZero() Board {
	return Board{
		Name:  "raspi0",
		linux: linuxRPi,
		tree:  "bcm2835-rpi-zero.dtb",
		// QEMU has no power domains: the kernel's driver for them crashes.
		append: "console=ttyAMA0,115200 initcall_blacklist=bcm2835_power_driver_init",
		// Without -icount one boot in six hangs for ever. With it an instruction
		// takes 8 ns of the board's time, and idle time passes as outside.
		args: []string{
			"-M", "raspi0", "-icount", "shift=3,sleep=on",
			"-device", "tmp105,bus=i2c-bus.1,address=0x48,id=chip",
			"-device", "ds1338,bus=i2c-bus.1,address=0x68",
			"-device", "usb-net,netdev=net", "-netdev", "user,id=net",
		},
		modules: []string{"i2c-dev", "rndis_host", "cdc_ether", "rtc-ds1307", "ad7414"},
	}
}

// AST2600 is an evaluation board of a server's management controller: two
// Cortex-A7 cores with ARMv7, 1 GB. On its I²C bus 7 is the temperature sensor
// "chip" (a TMP105) at 0x49. Its GPIO lines can be driven: see Drive.
func AST2600() Board {
	return Board{
		Name:   "ast2600-evb",
		linux:  linuxARMMP,
		tree:   "aspeed-ast2600-evb.dtb",
		append: "console=ttyS4,115200",
		args: []string{
			"-M", "ast2600-evb", "-nic", "user",
			"-device", "tmp105,bus=aspeed.i2c.bus.7,address=0x49,id=chip",
		},
		modules: []string{"i2c-aspeed", "i2c-dev", "lm75", "gpio-aspeed", "mdio-aspeed", "realtek", "ftgmac100"},
	}
}

// Drive sets the level outside of an input line of an AST2600, by its number
// on the first GPIO chip, 96 to 127. It returns when the board has taken the
// interrupt of the edge: QEMU counts edges, and the interrupt of two that were
// taken as one never ends.
func (vm *VM) Drive(ctx context.Context, line int, high bool) error {
	if line < firstDriven || line >= firstDriven+32 {
		return fmt.Errorf("gpio line %d cannot be driven", line)
	}
	err := vm.Set(ctx, gpioDevice, gpioProperty(line), high)
	for err == nil {
		var status uint32
		status, err = vm.register(ctx, gpioStatus)
		if err == nil && status>>(line-firstDriven)&1 == 0 {
			break
		}
		err = errors.Join(err, ctx.Err())
	}
	return err
}

// The interrupt status of the lines M0 to P7 (Linux, gpio-aspeed.c).
const (
	firstDriven = 96
	gpioStatus  = 0x1e780000 + 0xe8 + 0x10
)

// register reads a 32-bit register of the board.
func (vm *VM) register(ctx context.Context, address uint32) (value uint32, err error) {
	var text string
	err = vm.qmp.do(ctx, "human-monitor-command", map[string]any{"command-line": fmt.Sprintf("xp /1wx %#x", address)}, &text)
	if err != nil {
		return 0, err
	}
	_, word, _ := strings.Cut(text, ": ")
	if _, err := fmt.Sscanf(word, "0x%x", &value); err != nil {
		return 0, fmt.Errorf("register %#x: %q", address, text)
	}
	return value, nil
}

// Level returns the level of a line of an AST2600, as it is outside.
func (vm *VM) Level(ctx context.Context, line int) (high bool, err error) {
	err = vm.Get(ctx, gpioDevice, gpioProperty(line), &high)
	return high, err
}

const gpioDevice = "/machine/soc/gpio"

// gpioProperty names a line as QEMU does: eight a letter, "gpioM0" is 96.
func gpioProperty(line int) string { return fmt.Sprintf("gpio%c%d", 'A'+line/8, line%8) }
