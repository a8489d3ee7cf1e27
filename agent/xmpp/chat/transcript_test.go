package chat

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestTranscripts runs the conversations in testdata. A line there is
//
//	> text          anna writes; with a JID before the mark, somebody else does
//	< text          the device answers
//	| text          the message above goes on
//	+ 10m           time goes by
//	# text          a remark
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.chat")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, f := range files {
		t.Run(filepath.Base(f), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				want, err := os.ReadFile(f)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(want), replay(t, string(want))); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			})
		})
	}
}

// replay plays what people say in a transcript and writes it anew with the
// answers that come.
func replay(t *testing.T, transcript string) string {
	d := newDevice()
	var out strings.Builder
	var pending []string // from, text of the message being read
	n, answer := 0, false
	flush := func() {
		if pending == nil {
			return
		}
		n++
		sent := d.receive(t, messageFrom(pending[0], "chat", fmt.Sprintf("m%d", n), pending[1], ""))
		for _, s := range said(t, sent) {
			out.WriteString("< " + strings.ReplaceAll(s, "\n", "\n| ") + "\n")
		}
		pending = nil
	}
	lines := bufio.NewScanner(strings.NewReader(transcript))
	for lines.Scan() {
		line := lines.Text()
		mark, text, _ := strings.Cut(line, " ")
		from, speaks := strings.CutSuffix(mark, ">")
		switch {
		case mark == "|" && !answer:
			pending[1] += "\n" + text
		case mark == "<" || mark == "|":
			answer = true
			continue // the device's part is written by flush
		default:
			flush()
			answer = false
		}
		out.WriteString(line + "\n")
		switch {
		case mark == "+":
			d, err := time.ParseDuration(text)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(d)
		case speaks && from == "":
			pending = []string{phone, text}
		case speaks:
			pending = []string{from, text}
		}
	}
	flush()
	return out.String()
}
