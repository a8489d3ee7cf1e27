package sensors

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"strings"
	"testing"
	"time"

	"pipit/agent"

	"github.com/google/go-cmp/cmp"
)

// still is a real JPEG or PNG.
func still(t *testing.T, kind string) string {
	t.Helper()
	var b bytes.Buffer
	m := image.NewGray(image.Rect(0, 0, 64, 48))
	for i := range m.Pix {
		m.Pix[i] = byte(i * 7)
	}
	err := jpeg.Encode(&b, m, nil)
	if kind == "png" {
		b.Reset()
		err = png.Encode(&b, m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func buildCamera(t *testing.T, h *Host, keys string) *camera {
	t.Helper()
	return build(t, cameraKind(), h, keys).Sensor.(*camera)
}

// photo takes a picture and returns its type, or the error as lines does.
func photo(t *testing.T, c Camera, want string) string {
	t.Helper()
	p, err := c.Photo(t.Context())
	if err != nil {
		return strings.Join(lines(nil, err), "")
	}
	if string(p.Data) != want {
		t.Errorf("the picture has %d bytes that are not those of the camera", len(p.Data))
	}
	return p.Type
}

const takesPhoto = `printf '%s\n' "$*" > "$0.words"; echo 'some chatter' >&2; cat /dev/null "${0%/bin/*}/still"`

func TestCamera(t *testing.T) {
	const found = "/sys/class/video4linux/v4l-subdev0/name"
	tests := []struct {
		keys, program, device string
		words                 string
	}{
		{``, "/usr/bin/rpicam-still", found, "-n --immediate -t 1 -e jpg -q 85 -o -"},
		{``, "/usr/bin/libcamera-still", found, "-n --immediate -t 1 -e jpg -q 85 -o -"},
		{"device = \"1\"\nwidth = 640\nheight = 480\nquality = 50\nrotate = 180", "/usr/bin/rpicam-still", found,
			"-n --immediate -t 1 -e jpg -q 50 --camera 1 --width 640 --height 480 --rotation 180 -o -"},
		{`command = "fswebcam"`, "/usr/bin/fswebcam", "/dev/video0", "--quiet --no-banner --device /dev/video0 --jpeg 85 -"},
		{"command = \"fswebcam\"\ndevice = \"/dev/v4l/by-id/cam\"\nwidth = 640\nheight = 480\nrotate = 180", "/usr/bin/fswebcam", "/dev/v4l/by-id/cam",
			"--quiet --no-banner --device /dev/v4l/by-id/cam --jpeg 85 --resolution 640x480 --rotate 180 -"},
	}
	for _, tt := range tests {
		h := programs(t, map[string]string{tt.program: takesPhoto})
		picture := still(t, "jpeg")
		put(t, h, "/usr/still", picture)
		c := buildCamera(t, h, tt.keys)
		if got := photo(t, c, ""); !strings.HasPrefix(got, "missing: ") {
			t.Errorf("%s %s without a camera: %q", tt.program, tt.keys, got)
		}
		put(t, h, tt.device, "")
		if diff := cmp.Diff("image/jpeg", photo(t, c, picture)); diff != "" {
			t.Errorf("%s %s: %s", tt.program, tt.keys, diff)
		}
		if words, _ := h.line(tt.program + ".words"); words != tt.words {
			t.Errorf("%s was given %q, want %q", tt.program, words, tt.words)
		}
		remove(h, tt.program+".words")
		if diff := cmp.Diff([]string{"ok: true"}, read(t, c)); diff != "" || h.exists(tt.program+".words") {
			t.Errorf("a reading takes a picture, or %s", diff)
		}
	}
}

func TestCameraFails(t *testing.T) {
	picture := still(t, "jpeg")
	h := programs(t, map[string]string{"/usr/bin/fswebcam": takesPhoto})
	put(t, h, "/dev/video0", "")
	c := buildCamera(t, h, `command = "fswebcam"`)
	for content, want := range map[string]string{
		"":                         "error: the picture is empty",
		"GIF89a":                   `error: this is neither JPEG nor PNG: "GIF89a"`,
		picture[:len(picture)-2]:   "error: the picture is not complete: it may be being written, ask again",
		picture + "\x00\x00\x00":   "image/jpeg",
		still(t, "png"):            "image/png",
		still(t, "png")[:30]:       "error: the picture is not complete: it may be being written, ask again",
		strings.Repeat("x", 1<<20): `error: this is neither JPEG nor PNG: "xxxxxxxxxxxxxxxxxxxx"...`,
		picture[:200] + strings.Repeat("x", maxPicture-202) + "\xff\xd9":  "image/jpeg",
		picture[:200] + strings.Repeat("x", maxPicture-202) + "\xff\xd9x": "error: /usr/bin/fswebcam wrote more than 8192 KiB",
	} {
		put(t, h, "/usr/still", content)
		if got := photo(t, c, content); got != want {
			t.Errorf("%.20q (%d bytes): %q, want %q", content, len(content), got, want)
		}
		state := []string{"ok: true"}
		if why, failed := strings.CutPrefix(want, "error: "); failed {
			state = []string{"ok: false (uncertain: the last photo failed: " + why + ")"}
		}
		if diff := cmp.Diff(state, read(t, c)); diff != "" {
			t.Errorf("%.20q: %s", content, diff)
		}
	}
	script(t, h, "/usr/bin/fswebcam", "echo 'Error opening device: /dev/video0' >&2; exit 1")
	if got, want := photo(t, c, ""), "error: /usr/bin/fswebcam: exit status 1: Error opening device: /dev/video0"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestCameraIsNotThere(t *testing.T) {
	for _, tt := range []struct{ keys, put, want string }{
		{``, "", "missing: the kernel has found no camera: check its cable, and camera_auto_detect or its dtoverlay in config.txt"},
		{``, "/sys/class/video4linux/video0/name", "missing: the kernel has found no camera: check its cable, and camera_auto_detect or its dtoverlay in config.txt"},
		{``, "/sys/class/video4linux/v4l-subdev0/name", "missing: there is no /usr/bin/rpicam-still and no /usr/bin/libcamera-still: install it"},
		{`command = "fswebcam"`, "", "missing: there is no /dev/video0: is the camera plugged in?"},
		{`command = "fswebcam"`, "/dev/video0", "missing: there is no /usr/bin/fswebcam: install it"},
		{"command = \"file\"\npath = \"/still\"", "", "missing: there is no /still"},
		{"command = \"file\"\npath = \"/still\"", "/still/x", "error: /still is not a regular file"},
	} {
		h := NewHost(t.TempDir())
		if tt.put != "" {
			put(t, h, tt.put, "")
		}
		c := buildCamera(t, h, tt.keys)
		if got := strings.Join(read(t, c), ""); got != tt.want {
			t.Errorf("%s with %s: %q, want %q", tt.keys, tt.put, got, tt.want)
		}
		if got := photo(t, c, ""); got != tt.want && got != "error: read /still: not a regular file" {
			t.Errorf("%s with %s: photo %q, want %q", tt.keys, tt.put, got, tt.want)
		}
	}
}

func TestCameraFile(t *testing.T) {
	h := NewHost(t.TempDir())
	picture := still(t, "png")
	put(t, h, "/still", picture)
	c := buildCamera(t, h, "command = \"file\"\npath = \"/still\"")
	if got := photo(t, c, picture); got != "image/png" {
		t.Error(got)
	}
	readings, err := c.Read(t.Context())
	if err != nil || len(readings) != 2 || readings[0].Name != "age" || readings[0].Unit != "s" || readings[0].Quality != agent.Good ||
		readings[1].Name != "size" || readings[1].Value != agent.Number(float64(len(picture))) || readings[1].Unit != "B" {
		t.Errorf("%+v, %v", readings, err)
	}
	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(h.path("/still"), old, old); err != nil {
		t.Fatal(err)
	}
	readings, _ = c.Read(t.Context())
	if age, _ := readings[0].Value.Float(); age < 3600 || age > 7200 {
		t.Errorf("age %v s", age)
	}
	ahead := time.Now().Add(time.Hour)
	if err := os.Chtimes(h.path("/still"), ahead, ahead); err != nil {
		t.Fatal(err)
	}
	if got := read(t, c); got[0] != "age: fault: /still is from the future: was the clock set?" {
		t.Errorf("%q", got)
	}
	put(t, h, "/still", strings.Repeat("x", maxPicture+1))
	if got := photo(t, c, ""); got != "error: /still is larger than 8192 KiB" {
		t.Error(got)
	}
}

// Two photos at once are taken one after the other, and who does not want to
// wait any longer goes.
func TestCameraTakesTurns(t *testing.T) {
	picture := still(t, "jpeg")
	h := programs(t, map[string]string{"/usr/bin/fswebcam": `mkdir "$0.busy" || exit 1; cat "${0%/bin/*}/still"; rmdir "$0.busy"`})
	put(t, h, "/usr/still", picture)
	put(t, h, "/dev/video0", "")
	c := buildCamera(t, h, `command = "fswebcam"`)
	done := make(chan string)
	for range 4 {
		go func() { done <- photo(t, c, picture) }()
	}
	for range 4 {
		if got := <-done; got != "image/jpeg" {
			t.Error(got)
		}
	}
	c.turn <- struct{}{} // somebody takes a picture
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := c.Photo(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Photo = %v", err)
	}
}
