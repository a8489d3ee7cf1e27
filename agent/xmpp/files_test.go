package xmpp

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/upload"
)

func TestNoUpload(t *testing.T) {
	picture := &agent.File{Name: "plot.png", Type: "image/png", Data: []byte{1}}
	table := &agent.File{Name: "x.csv", Type: "text/csv", Data: []byte("time,value\r\n" + strings.Repeat("2026,1\r\n", 1000))}
	at := time.Date(2026, 11, 23, 17, 18, 0, 0, time.Local)
	for _, tt := range []struct {
		file *agent.File
		err  error
		want string
	}{
		{picture, fmt.Errorf("x has %w", upload.ErrNoService), "The server of this device takes no files (XEP-0363)."},
		{picture, &upload.TooLargeError{Size: 9e6, Max: 8e6}, "plot.png has 9000 kB, and the server takes 8000 kB at most: ask for less."},
		{picture, &upload.TooLargeError{Size: 9e6}, "plot.png has 9000 kB, which is too much for the server: ask for less."},
		{picture, &upload.RetryError{At: at}, "The server takes no more files for now; try again after 17:18."},
		{picture, errors.New("no route"), "The upload to the server failed: no route."},
		{table, upload.ErrNoService, "The server of this device takes no files (XEP-0363).\n```\ntime,value\n2026,1"},
	} {
		got := noUpload(tt.file, tt.err)
		if tt.file == table {
			if !strings.HasPrefix(got, tt.want) || !strings.HasSuffix(got, " more lines\n```") || len(got) > maxInline+200 {
				t.Errorf("%d bytes: %s", len(got), got)
			}
		} else if got != tt.want {
			t.Errorf("%v: %q, want %q", tt.err, got, tt.want)
		}
	}
}

// Files that wait are bounded, and whoever asks is told.
func TestFilesAreBounded(t *testing.T) {
	l := New(Config{JID: "pi@example.org"}, &agent.Agent{}, slog.New(slog.DiscardHandler))
	for i := range 2 * maxFiles {
		if ok := l.chat.File("anna@example.org", &agent.File{Name: "x"}); ok != (i < maxFiles) {
			t.Errorf("file %d: taken %v", i, ok)
		}
	}
}
