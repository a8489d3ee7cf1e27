package sensors

import (
	"context"
	"fmt"
	"strings"
)

// detectGPIO tells the chips and who uses their lines. What is wired to the
// free ones cannot be seen.
func (h *Host) detectGPIO(context.Context) ([]Finding, error) {
	chips, err := h.GPIOChips()
	var found []Finding
	for _, c := range chips {
		notes := append([]string{fmt.Sprintf("%d lines", len(c.Lines))}, lineUses(c.Lines)...)
		found = append(found, Finding{Name: c.Label, Where: c.Name, Notes: notes})
	}
	return found, err
}

// lineUses says who uses which lines. Neighbours without names that have the
// same use are told together: a chip may have a hundred of them.
func lineUses(lines []GPIOLine) (uses []string) {
	for i := 0; i < len(lines); {
		first, next := lines[i], i+1
		for first.Name == "" && next < len(lines) && alike(first, lines[next]) {
			next++
		}
		if first.Used {
			uses = append(uses, lineUse(first, lines[next-1]))
		}
		i = next
	}
	return uses
}

func alike(a, b GPIOLine) bool {
	a.Offset = b.Offset
	return a == b
}

// lineUse says who uses the lines from first to last: "line 17 (GPIO17)
// output, used by onewire@0", "lines 0 to 7 input, used by the kernel".
func lineUse(first, last GPIOLine) string {
	l, s := first, fmt.Sprint("line ", first.Offset)
	switch {
	case last.Offset > first.Offset:
		s = fmt.Sprintf("lines %d to %d", first.Offset, last.Offset)
	case l.Name != "":
		s += " (" + l.Name + ")"
	}
	if l.Output {
		s += " output"
	} else {
		s += " input"
	}
	if l.Consumer == "" {
		return s + ", used by the kernel"
	}
	return s + ", used by " + l.Consumer
}

// codecs begin the names of the video nodes of a Raspberry Pi that are no
// camera: the encoders and the image processor.
var codecs = []string{"bcm2835-codec", "bcm2835-isp", "pispbe", "rpivid", "rpi-hevc"}

// detectCameras tells the cameras and the programs that take pictures.
func (h *Host) detectCameras(context.Context) ([]Finding, error) {
	const class = "/sys/class/video4linux"
	entries, err := h.list(class)
	var found []Finding
	for _, entry := range entries {
		name, _ := h.line(class + "/" + entry + "/name")
		index, _ := h.line(class + "/" + entry + "/index")
		if strings.HasPrefix(entry, "video") && name != "" && (index == "" || index == "0") && !hasPrefix(name, codecs) {
			found = append(found, Finding{Name: name, Where: "/dev/" + entry})
		}
	}
	for _, program := range []string{"rpicam-still", "libcamera-still", "fswebcam"} {
		for _, dir := range []string{"/usr/bin/", "/usr/local/bin/", "/bin/"} {
			if h.exists(dir + program) {
				found = append(found, Finding{Name: program, Where: dir + program, Notes: []string{"takes pictures"}})
				break
			}
		}
	}
	return found, err
}

func hasPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

// detectSerial tells the serial ports that have hardware. One on USB is told
// by the name that stays when others are plugged.
func (h *Host) detectSerial(context.Context) ([]Finding, error) {
	const byID, class = "/dev/serial/by-id", "/sys/class/tty"
	var found []Finding
	byName := make(map[string]bool)
	links, err := h.list(byID)
	for _, link := range links {
		port := h.target(byID + "/" + link)
		byName[port] = true
		found = append(found, Finding{Name: link, Where: byID + "/" + link, Notes: []string{"now /dev/" + port}})
	}
	console, _ := h.line(class + "/console/active")
	ports, listErr := h.list(class)
	if err == nil {
		err = listErr
	}
	for _, port := range ports {
		if byName[port] || !hasPrefix(port, []string{"ttyUSB", "ttyACM", "ttyAMA", "ttyS"}) || !h.realPort(class+"/"+port) {
			continue
		}
		f := Finding{Name: port, Where: "/dev/" + port}
		for _, used := range strings.Fields(console) {
			if used == port {
				f.Notes = append(f.Notes, "is the kernel's console: take console="+port+" out of cmdline.txt before you use it")
			}
		}
		found = append(found, f)
	}
	return found, err
}

// realPort tells whether there is hardware behind a port: the 8250 driver
// makes ports of type 0 (PORT_UNKNOWN) for what might be there.
func (h *Host) realPort(dir string) bool {
	kind, err := h.line(dir + "/type")
	return h.exists(dir+"/device") && (err != nil || kind != "0")
}

func (h *Host) detectLEDs(context.Context) ([]Finding, error) {
	const class = "/sys/class/leds"
	leds, err := h.list(class)
	var found []Finding
	for _, led := range leds {
		f := Finding{Name: led, Where: class + "/" + led}
		triggers, _ := h.line(f.Where + "/trigger")
		if _, rest, ok := strings.Cut(triggers, "["); ok {
			now, _, _ := strings.Cut(rest, "]")
			f.Notes = []string{"trigger " + now}
		}
		found = append(found, f)
	}
	return found, err
}

func (h *Host) detectPWM(context.Context) ([]Finding, error) {
	const class = "/sys/class/pwm"
	chips, err := h.list(class)
	var found []Finding
	for _, chip := range chips {
		f := Finding{Name: h.target(class + "/" + chip + "/device"), Where: class + "/" + chip}
		if n, err := h.line(f.Where + "/npwm"); err == nil {
			f.Notes = []string{n + " channels"}
		}
		found = append(found, f)
	}
	return found, err
}
