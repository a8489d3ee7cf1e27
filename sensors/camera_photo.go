package sensors

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// maxPicture bounds one picture in bytes.
const maxPicture = 8 << 20

var (
	jpegHead, jpegTail = []byte("\xff\xd8\xff"), []byte("\xff\xd9")
	pngHead, pngTail   = []byte("\x89PNG\r\n\x1a\n"), []byte("IEND\xaeB\x60\x82")
)

// tailRoom is how far from its end the last mark of a picture is looked for:
// some cameras pad their pictures.
const tailRoom = 4 << 10

// Photo implements Camera.
func (s *camera) Photo(ctx context.Context) (Picture, error) {
	ctx, cancel := context.WithTimeout(ctx, maxPhotoTime)
	defer cancel()
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return Picture{}, context.Cause(ctx)
	}
	data, err := s.take(ctx)
	if err == nil {
		var p Picture
		if p, err = picture(data); err == nil {
			s.note(nil)
			return p, nil
		}
	}
	if !errors.Is(err, context.Canceled) {
		s.note(err)
	}
	return Picture{}, err
}

func (s *camera) note(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = err
}

func (s *camera) take(ctx context.Context) ([]byte, error) {
	if s.cfg.Command == "file" {
		data, err := s.host.head(s.cfg.Path, nil, maxPicture)
		if err == nil && len(data) > maxPicture {
			err = fmt.Errorf("%s is larger than %d KiB", s.cfg.Path, maxPicture>>10)
		}
		return data, err
	}
	if err := s.there(); err != nil {
		return nil, err
	}
	program, err := s.program()
	if err != nil {
		return nil, err
	}
	return s.host.Run(ctx, append([]string{program}, s.cfg.args()...), []string{"LIBCAMERA_LOG_LEVELS=*:ERROR"}, maxPicture)
}

// program returns the path of the first program that is installed.
func (s *camera) program() (string, error) {
	programs := []string{"/usr/bin/rpicam-still", "/usr/bin/libcamera-still"}
	if s.cfg.Command == "fswebcam" {
		programs = []string{"/usr/bin/fswebcam"}
	}
	for _, p := range programs {
		if s.host.exists(p) {
			return p, nil
		}
	}
	return "", missing("there is no %s: install it", strings.Join(programs, " and no "))
}

// args returns the arguments that make the program take one picture and write
// it to standard output.
func (c *cameraConfig) args() []string {
	if c.Command == "fswebcam" {
		return c.fswebcamArgs()
	}
	args := []string{"-n", "--immediate", "-t", "1", "-e", "jpg", "-q", strconv.Itoa(c.Quality)}
	if c.Device != "" {
		args = append(args, "--camera", c.Device)
	}
	if c.Width > 0 {
		args = append(args, "--width", strconv.Itoa(c.Width), "--height", strconv.Itoa(c.Height))
	}
	if c.Rotate != 0 {
		args = append(args, "--rotation", strconv.Itoa(c.Rotate))
	}
	return append(args, "-o", "-")
}

func (c *cameraConfig) fswebcamArgs() []string {
	args := []string{"--quiet", "--no-banner", "--device", c.Device, "--jpeg", strconv.Itoa(c.Quality)}
	if c.Width > 0 {
		args = append(args, "--resolution", fmt.Sprintf("%dx%d", c.Width, c.Height))
	}
	if c.Rotate != 0 {
		args = append(args, "--rotate", strconv.Itoa(c.Rotate))
	}
	return append(args, "-")
}

// picture checks that data is a whole JPEG or PNG by its first and last marks.
func picture(data []byte) (Picture, error) {
	tail := data[max(0, len(data)-tailRoom):]
	switch {
	case len(data) == 0:
		return Picture{}, errors.New("the picture is empty")
	case bytes.HasPrefix(data, jpegHead) && bytes.Contains(tail, jpegTail):
		return Picture{data, "image/jpeg"}, nil
	case bytes.HasPrefix(data, pngHead) && bytes.Contains(tail, pngTail):
		return Picture{data, "image/png"}, nil
	case bytes.HasPrefix(data, jpegHead), bytes.HasPrefix(data, pngHead):
		return Picture{}, errors.New("the picture is not complete: it may be being written, ask again")
	}
	return Picture{}, fmt.Errorf("this is neither JPEG nor PNG: %s", quote(string(data[:min(len(data), 2*maxQuote)])))
}

// fileInfo returns the size of a regular file and when it was written.
func (h *Host) fileInfo(name string) (size int64, modified time.Time, err error) {
	info, err := os.Stat(h.path(name))
	switch {
	case errors.Is(err, os.ErrNotExist):
		return 0, modified, missing("there is no %s", name)
	case err != nil:
		return 0, modified, fmt.Errorf("look at %s: %w", name, errors.Unwrap(err))
	case !info.Mode().IsRegular():
		return 0, modified, fmt.Errorf("%s is not a regular file", name)
	}
	return info.Size(), info.ModTime(), nil
}
