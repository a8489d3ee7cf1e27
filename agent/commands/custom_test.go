package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pipit/agent"
)

// A stage runs Programs whose programs are functions of the test.
type stage struct {
	*Programs
	agent *agent.Agent
	stop  func()

	mu   sync.Mutex
	told []string // "to: text"
}

type play func(ctx context.Context, argv, env []string) (out string, more bool, err error)

// newStage starts Programs with the commands of names, each with an argument.
func newStage(t *testing.T, p play, names ...string) *stage {
	s := &stage{}
	s.Programs = &Programs{
		Capture: func(ctx context.Context, argv, env []string, most int) ([]byte, bool, error) {
			out, more, err := p(ctx, argv, env)
			return []byte(out), more, err
		},
		Tell: func(to, text string) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.told = append(s.told, to+": "+text)
		},
		Log: slog.New(slog.DiscardHandler),
	}
	for _, name := range names {
		s.Custom = append(s.Custom, agent.Custom{
			Command: agent.Command{Name: name, Needs: agent.Operator, Params: []agent.Param{{Name: "to"}}},
			Argv:    []string{"/bin/" + name, "{to}"}, Timeout: time.Minute, Output: 1000,
		})
	}
	s.agent = &agent.Agent{Name: "Bench", People: map[string]agent.Role{
		"ben@example.org": agent.Operator, "olga@example.org": agent.Operator, "vera@example.org": agent.Viewer}}
	s.agent.Commands = All(&Device{Agent: s.agent, Custom: s.Programs, FullJID: func() string { return "" }})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	}()
	s.stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(s.stop)
	synctest.Wait()
	return s
}

// ask returns the answer, or "error: ...".
func (s *stage) ask(ctx context.Context, from, name, to string) string {
	args := map[string]string{}
	if to != "" {
		args["to"] = to
	}
	via := agent.ViaChat
	if from == "" {
		via = agent.ViaLocal
	}
	ans, err := s.agent.Do(ctx, agent.Request{From: from, Via: via, Name: name, Args: args})
	if err != nil {
		return "error: " + err.Error()
	}
	return ans.String()
}

func (s *stage) heard() []string {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.told = nil }()
	return s.told
}

// sleeps is a program that takes so long, unless it is stopped.
func sleeps(d time.Duration) play {
	return func(ctx context.Context, argv, _ []string) (string, bool, error) {
		select {
		case <-time.After(d):
			return argv[0] + " slept\n", false, nil
		case <-ctx.Done():
			return "half", false, context.Cause(ctx)
		}
	}
}

// exited is an error as sensors.Host.Capture returns it: exec needs a real program for one.
func exited(t *testing.T, stderr string) error {
	t.Helper()
	err := exec.Command("/bin/sh", "-c", "exit 3").Run()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		t.Fatal(err)
	}
	exit.Stderr = []byte(stderr)
	return exit
}

func TestCustomAnswers(t *testing.T) {
	failed, quiet := exited(t, "first\nno \x1broute.\n\n"), exited(t, "")
	synctest.Test(t, func(t *testing.T) {
		for name, tt := range map[string]struct {
			play play
			want string
		}{
			"lines": {func(context.Context, []string, []string) (string, bool, error) { return "one\r\n two\n\n", false, nil }, "one\n two"},
			"controls": {func(context.Context, []string, []string) (string, bool, error) {
				return "a\x00b\x1b[31mc\xff\td\n", false, nil
			}, "ab[31mc\uFFFD\td"},
			"silent": {func(context.Context, []string, []string) (string, bool, error) { return "\n", false, nil }, "Done."},
			"much":   {func(context.Context, []string, []string) (string, bool, error) { return "xxxü"[:4], true, nil }, "xxx\n… cut: it wrote more than 1000 bytes"},
			"failed": {func(context.Context, []string, []string) (string, bool, error) { return "some\n", false, failed }, "error: exit status 3: no route"},
			"quiet":  {func(context.Context, []string, []string) (string, bool, error) { return "some\n\n", false, quiet }, "error: exit status 3: some"},
			"mute":   {func(context.Context, []string, []string) (string, bool, error) { return "", false, quiet }, "error: exit status 3"},
			"gone": {func(context.Context, []string, []string) (string, bool, error) {
				return "", false, &agent.MissingError{Reason: "there is no /bin/x"}
			}, "error: there is no /bin/x"},
			"argv": {func(_ context.Context, argv, _ []string) (string, bool, error) {
				return fmt.Sprintf("%q", argv), false, nil
			},
				`["/bin/x" "$(a) b"]`},
			"env": {func(_ context.Context, _, env []string) (string, bool, error) {
				return strings.Join(slices.DeleteFunc(env, func(e string) bool { return strings.HasPrefix(e, "TZ=") }), " "), false, nil
			}, "PIPIT_COMMAND=x PIPIT_FROM=ben@example.org PIPIT_VIA=chat"},
		} {
			s := newStage(t, tt.play, "x")
			if got := s.ask(t.Context(), "ben@example.org", "x", "$(a) b"); got != tt.want {
				t.Errorf("%s: got %q, want %q", name, got, tt.want)
			}
			if told := s.heard(); len(told) > 0 {
				t.Errorf("%s: told %q", name, told)
			}
			s.stop()
		}
	})
}

func TestCustomRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ran := false
		s := newStage(t, func(context.Context, []string, []string) (string, bool, error) {
			ran = true
			return "", false, nil
		}, "x")
		for _, tt := range []struct{ from, to, want string }{
			{"vera@example.org", "a", "error: unknown command"},
			{"eve@example.org", "a", "error: unknown command"},
			{"ben@example.org", "-rf", `error: to: "-rf" begins with -, which a program takes for an option`},
			{"ben@example.org", "a\x01", "error: to: control characters are not allowed"},
		} {
			if got := s.ask(t.Context(), tt.from, "x", tt.to); got != tt.want || ran {
				t.Errorf("%s with %q: %s (ran: %v)", tt.from, tt.to, got, ran)
			}
		}
		s.stop()
		if got := s.ask(t.Context(), "ben@example.org", "x", ""); !strings.Contains(got, "starting or stopping") || ran {
			t.Errorf("after the end: %s", got)
		}
	})
}

// A program that takes longer than a person waits is reported later.
func TestCustomLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, sleeps(12*time.Second), "backup")
		began := time.Now()
		if got := s.ask(t.Context(), "ben@example.org", "backup", "usb"); got != "backup was started. I report when it is done." || time.Since(began) != askerWaits {
			t.Errorf("after %s: %s", time.Since(began), got)
		}
		time.Sleep(6 * time.Second)
		if told := s.heard(); len(told) > 0 {
			t.Errorf("told %q", told)
		}
		time.Sleep(2 * time.Second)
		want := []string{"ben@example.org: backup, started 12 s ago, is done:\n/bin/backup slept"}
		if told := s.heard(); !slices.Equal(told, want) {
			t.Errorf("told %q", told)
		}
		began = time.Now()
		if got := s.ask(t.Context(), "", "backup", ""); got != "/bin/backup slept" || time.Since(began) != 12*time.Second {
			t.Errorf("a local asker after %s: %s", time.Since(began), got)
		}
	})
}

// The link that a question came by may break while it waits: the answer is told.
func TestCustomAskerLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, sleeps(3*time.Second), "x")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		s.ask(ctx, "ben@example.org", "x", "")
		time.Sleep(3 * time.Second)
		if want, told := []string{"ben@example.org: x, started 3 s ago, is done:\n/bin/x slept"}, s.heard(); !slices.Equal(told, want) {
			t.Errorf("told %q", told)
		}
	})
}

func TestCustomTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, sleeps(time.Hour), "x", "y")
		s.Custom[1].Timeout = 2 * time.Second
		if got := s.ask(t.Context(), "ben@example.org", "y", ""); got != "error: stopped after 2s, which is its timeout: half" {
			t.Errorf("got %s", got)
		}
		s.ask(t.Context(), "ben@example.org", "x", "")
		time.Sleep(time.Minute)
		if want, told := []string{"ben@example.org: x, started 1 min ago, failed: stopped after 1m, which is its timeout: half"}, s.heard(); !slices.Equal(told, want) {
			t.Errorf("told %q", told)
		}
	})
}

func TestCustomBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t, sleeps(30*time.Second), "a", "b", "c", "d", "e")
		start := func(from, name string) {
			go s.ask(t.Context(), from, name, "")
			synctest.Wait()
		}
		start("ben@example.org", "a")
		if got, want := s.ask(t.Context(), "olga@example.org", "a", ""), "error: busy, a was started 1 s ago by ben@example.org"; got != want {
			t.Errorf("at once: %s", got)
		}
		time.Sleep(3 * time.Second)
		if got, want := s.ask(t.Context(), "olga@example.org", "a", ""), "error: busy, a was started 3 s ago by ben@example.org"; got != want {
			t.Errorf("got %s", got)
		}
		start("", "b")
		start("olga@example.org", "c")
		start("olga@example.org", "d")
		if got, want := s.ask(t.Context(), "olga@example.org", "b", ""), "error: busy, b was started 1 s ago by this device"; got != want {
			t.Errorf("got %s", got)
		}
		if got, want := s.ask(t.Context(), "olga@example.org", "e", ""), "error: busy with 4 commands, a was started 3 s ago by ben@example.org: try again later"; got != want {
			t.Errorf("got %s", got)
		}
		time.Sleep(28 * time.Second) // a is done
		if got := s.ask(t.Context(), "olga@example.org", "e", ""); !strings.HasPrefix(got, "e was started") {
			t.Errorf("got %s", got)
		}
		time.Sleep(time.Minute)
		told := s.heard()
		slices.Sort(told)
		if want := "ben@example.org: a,|olga@example.org: c,|olga@example.org: d,|olga@example.org: e,"; firstWords(told) != want {
			t.Errorf("told %q", told)
		}
	})
}

func firstWords(lines []string) string {
	var short []string
	for _, l := range lines {
		words := strings.Fields(l)
		short = append(short, strings.Join(words[:min(2, len(words))], " "))
	}
	return strings.Join(short, "|")
}

// The end of the agent stops programs, waits for them and answers who waits.
func TestCustomStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended atomic.Int32
		s := newStage(t, func(ctx context.Context, _, _ []string) (string, bool, error) {
			<-ctx.Done()
			time.Sleep(time.Second) // SIGTERM and SIGKILL take a while
			ended.Add(1)
			return "", false, context.Cause(ctx)
		}, "x", "y")
		s.ask(t.Context(), "ben@example.org", "x", "")
		got := make(chan string, 1)
		go func() { got <- s.ask(t.Context(), "ben@example.org", "y", "") }()
		synctest.Wait()
		s.stop()
		if n := ended.Load(); n != 2 {
			t.Errorf("%d programs had ended", n)
		}
		if text := <-got; text != "error: stopped, because this device stops" {
			t.Errorf("got %s", text)
		}
		if told := s.heard(); len(told) > 0 {
			t.Errorf("told %q", told)
		}
	})
}

// What a config may not name is all that people may ask of any device.
func TestNames(t *testing.T) {
	names := Names()
	for _, want := range []string{"help", "status", "set", "pulse", "version"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not in %q", want, names)
		}
	}
	if slices.SortFunc(names, cmp.Compare); len(slices.Compact(names)) != len(Names()) {
		t.Errorf("a name stands twice in %q", names)
	}
}
