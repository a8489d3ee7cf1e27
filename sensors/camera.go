package sensors

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"pipit/agent"
)

// A Picture is one still.
type Picture struct {
	Data []byte // at most 8 MiB
	Type string // "image/jpeg" or "image/png"
}

// A Camera takes stills. The sensor of kind camera is one.
type Camera interface {
	// Photo takes a picture, or reads the one that another program has taken.
	// It waits for the camera while that takes another one, and returns when
	// ctx ends, 30 s at the latest. A camera that is not there is an
	// *agent.MissingError. Any goroutine may call it.
	Photo(ctx context.Context) (Picture, error)
}

const maxPhotoTime = 30 * time.Second

func cameraKind() Kind {
	return Kind{
		Name: "camera",
		Doc: "A camera for the photo command. Its reading says whether it is there, or how old and how large the picture " +
			"in a file is; no picture is taken for that.",
		Example: `[sensor.door]
kind = "camera"
command = "rpicam"  # rpicam-still or libcamera-still; or "fswebcam" for USB; or "file"
device = ""         # of rpicam the number of the camera, "0"; of fswebcam "/dev/video0"
path = ""           # of "file": a JPEG or PNG that another program writes
width = 1280        # pixels; 0: what the camera likes; not for "file"
height = 720
quality = 85        # of the JPEG, 1 to 100
rotate = 0          # or 180
`,
		New: newCamera,
	}
}

type cameraConfig struct {
	Command string `toml:"command"`
	Device  string `toml:"device"`
	Path    string `toml:"path"`
	Width   int    `toml:"width"`
	Height  int    `toml:"height"`
	Quality int    `toml:"quality"`
	Rotate  int    `toml:"rotate"`
}

// camera implements agent.Sensor and Camera.
type camera struct {
	host *Host
	cfg  cameraConfig
	turn chan struct{} // holds one, for whoever uses the camera

	mu     sync.Mutex
	failed error // the last photo
}

func newCamera(h *Host, decode func(any) error) (Built, error) {
	s := &camera{host: h, cfg: cameraConfig{Command: "rpicam", Quality: 85}, turn: make(chan struct{}, 1)}
	if err := decode(&s.cfg); err != nil {
		return Built{}, err
	}
	if err := s.cfg.check(); err != nil {
		return Built{}, err
	}
	if s.cfg.Command == "file" {
		return Built{Sensor: s, Fields: []string{"age", "size"}}, nil
	}
	return Built{Sensor: s, Fields: []string{"ok"}}, nil
}

func (c *cameraConfig) check() error {
	var bad checker
	bad.oneOf("command", c.Command, "rpicam", "fswebcam", "file")
	switch c.Command {
	case "rpicam":
		if n, err := strconv.ParseUint(c.Device, 10, 8); c.Device != "" && (err != nil || n > 9) {
			bad.fail("device", "%q is no number of a camera, such as \"0\": \"rpicam-still --list-cameras\" lists them", c.Device)
		}
	case "fswebcam":
		if c.Device == "" {
			c.Device = "/dev/video0"
		}
		bad.whole("device", c.Device)
	case "file":
		if c.Path == "" {
			bad.fail("path", "the path of a picture is needed")
		}
		bad.whole("path", c.Path)
	}
	c.checkPicture(&bad)
	return bad.err()
}

func (c *cameraConfig) checkPicture(bad *checker) {
	const most = 8192
	if c.Command == "file" {
		if c.Device != "" || c.Width+c.Height+c.Rotate != 0 {
			bad.fail("command", "device, width, height and rotate are not for \"file\"")
		}
		return
	}
	if c.Path != "" {
		bad.fail("path", "a path is for command = \"file\"")
	}
	if c.Width < 0 || c.Height < 0 || max(c.Width, c.Height) > most || (c.Width == 0) != (c.Height == 0) {
		bad.fail("width", "%d x %d: both from 1 to %d, or both 0", c.Width, c.Height, most)
	}
	if c.Quality < 1 || c.Quality > 100 {
		bad.fail("quality", "%d is not from 1 to 100", c.Quality)
	}
	if c.Rotate != 0 && c.Rotate != 180 {
		bad.fail("rotate", "%d is neither 0 nor 180", c.Rotate)
	}
}

// Read implements agent.Sensor.
func (s *camera) Read(context.Context) ([]agent.Reading, error) {
	if s.cfg.Command == "file" {
		return s.readFile()
	}
	if err := s.there(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ok := agent.Reading{Name: "ok", Value: agent.Bool(s.failed == nil)}
	if s.failed != nil {
		ok.Quality, ok.Reason = agent.Uncertain, "the last photo failed: "+s.failed.Error()
	}
	return []agent.Reading{ok}, nil
}

// readFile tells the age and the size of the picture in a file.
func (s *camera) readFile() ([]agent.Reading, error) {
	size, modified, err := s.host.fileInfo(s.cfg.Path)
	if err != nil {
		return nil, err
	}
	l := new(fieldList)
	if age := time.Since(modified); age < -time.Second {
		l.fail(fmt.Errorf("%s is from the future: was the clock set?", s.cfg.Path), "age")
	} else {
		l.add(agent.Reading{Name: "age", Value: agent.Number(max(age, 0).Seconds()).Round(0), Unit: "s"})
	}
	l.add(agent.Reading{Name: "size", Value: agent.Number(float64(size)), Unit: "B"})
	return l.readings, nil
}

// there looks for the camera and its program, as far as that is possible
// without switching it on.
func (s *camera) there() error {
	if s.cfg.Command == "fswebcam" {
		if !s.host.exists(s.cfg.Device) {
			return missing("there is no %s: is the camera plugged in?", s.cfg.Device)
		}
	} else if err := s.sensorFound(); err != nil {
		return err
	}
	_, err := s.program()
	return err
}

// sensorFound looks for the subdevice that the kernel makes for an image
// sensor that has answered on the camera's cable.
func (s *camera) sensorFound() error {
	const class = "/sys/class/video4linux"
	names, err := s.host.list(class)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, "v4l-subdev") }) {
		return missing("the kernel has found no camera: check its cable, and camera_auto_detect or its dtoverlay in config.txt")
	}
	return nil
}
