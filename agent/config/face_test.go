package config

import (
	"bytes"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func picture(t *testing.T, side int) string {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, side, 1))); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestFace(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"good": picture(t, 64), "wide": picture(t, 513), "text": "GIF89a", "large": strings.Repeat("x", maxAvatar+1),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct{ text, want string }{
		{`avatar = "good"`, ""},
		{`avatar = "wide"`, "device.avatar: wide has 513 × 1 pixels, at most 512 × 512 are possible"},
		{`avatar = "text"`, "device.avatar: text is not a PNG"},
		{`avatar = "large"`, "device.avatar: cannot read large"},
		{`avatar = "none"`, "device.avatar: cannot read none"},
		{`position = "52.5, -13.25"`, ""},
		{`position = " -90,180 , 34.5"`, ""},
		{`position = "91, 0"`, "the latitude is -90 to 90"},
		{`position = "0, 180.1"`, "the latitude is -90 to 90"},
		{`position = "0, 0, 1e6"`, "the altitude is at most"},
		{`position = "NaN, 0"`, "the latitude is -90 to 90"},
		{`position = "here"`, "wants latitude and longitude"},
		{`position = "1"`, "wants latitude and longitude"},
		{`position = "1, 2, 3, 4"`, "wants latitude and longitude"},
	} {
		path := filepath.Join(dir, "config.toml")
		if err := os.WriteFile(path, []byte("[device]\n"+tt.text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(path, fakeEnv(built{}))
		switch {
		case tt.want == "" && err != nil, tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %v, want %q", tt.text, err, tt.want)
		case err == nil && len(c.Device.Avatar) == 0 && c.Device.Position == nil:
			t.Errorf("%s: nothing", tt.text)
		}
	}
}
