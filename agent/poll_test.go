package agent

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

type readFunc func(ctx context.Context) ([]Reading, error)

func (f readFunc) Read(ctx context.Context) ([]Reading, error) { return f(ctx) }

// always returns the same fields.
func always(rs ...Reading) readFunc {
	return func(context.Context) ([]Reading, error) { return rs, nil }
}

// A tape writes down what a Poller says, as "0s name display".
type tape struct {
	mu    sync.Mutex
	start time.Time
	lines []string
	last  map[string]Reading
	logs  logs
}

func (p *tape) add(name, text string) {
	p.lines = append(p.lines, fmt.Sprintf("%v %s %s", time.Since(p.start), name, text))
}

func (p *tape) put(r Reading) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last[r.Name] = r
	p.add(r.Name, r.Display())
}

func (p *tape) remove(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.last, name)
	p.add(name, "removed")
}

func (p *tape) get(name string) (Reading, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r, ok := p.last[name]
	return r, ok
}

func (p *tape) names() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.last)
}

// take returns the lines since the last call.
func (p *tape) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer func() { p.lines = nil }()
	return p.lines
}

// poll starts a Poller in a synctest bubble. stop ends it and returns Run's error.
func poll(t *testing.T, tasks ...Task) (p *tape, stop func() error) {
	p = &tape{start: time.Now(), last: map[string]Reading{}}
	ctx, cancel := context.WithCancel(t.Context())
	poller := &Poller{Tasks: tasks, Seed: "pi@example.org", Put: p.put, Remove: p.remove, Log: p.logs.logger(slog.LevelInfo)}
	end := make(chan error, 1)
	go func() { end <- poller.Run(ctx) }()
	return p, func() error {
		cancel()
		return <-end
	}
}

func wantLines(t *testing.T, p *tape, want ...string) {
	t.Helper()
	synctest.Wait()
	if diff := cmp.Diff(want, p.take()); diff != "" {
		t.Errorf("at %v (-want +got):\n%s", time.Since(p.start), diff)
	}
}

func ph(name string, every time.Duration) time.Duration { return phase("pi@example.org", name, every) }

func TestPhase(t *testing.T) {
	if got, want := phase("pi@example.org", "outside", 10*time.Second), 470527415*time.Nanosecond; got != want {
		t.Errorf("the phase of a sensor has changed: %d, want %d", got, want)
	}
	const every = 100 * time.Millisecond
	var deciles [10]int
	for i := range 1000 {
		d := phase(fmt.Sprintf("pi%d@example.org", i), "outside", every)
		if d < 0 || d >= every/10 {
			t.Fatalf("phase %v", d)
		}
		deciles[d/(every/100)]++
	}
	if slices.Min(deciles[:]) < 50 || slices.Max(deciles[:]) > 200 {
		t.Errorf("1000 devices fall into tenths as %v", deciles)
	}
	if phase("ab", "c", time.Hour) == phase("a", "bc", time.Hour) {
		t.Error("seed and name run into each other")
	}
}

func TestPollGrid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, stop := poll(t,
			Task{Name: "a", Every: 10 * time.Second, Bus: "x", Sensor: always(Reading{Name: "f", Value: Number(1)})},
			Task{Name: "b", Every: 25 * time.Second, Bus: "x", Sensor: always(Reading{Value: Bool(true)})},
		)
		wantLines(t, p, "0s a.f 1", "0s b true")
		time.Sleep(32 * time.Second)
		a, b := ph("a", 10*time.Second), ph("b", 25*time.Second)
		wantLines(t, p,
			fmt.Sprint(10*time.Second+a, " a.f 1"), fmt.Sprint(20*time.Second+a, " a.f 1"),
			fmt.Sprint(25*time.Second+b, " b true"), fmt.Sprint(30*time.Second+a, " a.f 1"))
		if err := stop(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Hour)
		wantLines(t, p)
	})
}

func TestPollShortInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, stop := poll(t, Task{Name: "a", Sensor: always(Reading{Value: Number(1)})})
		defer stop()
		time.Sleep(time.Second)
		synctest.Wait()
		if n := len(p.take()); n != 10 {
			t.Errorf("%d reads in a second without an interval", n)
		}
	})
}

func TestPollNoTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start := time.Now()
		if err := (&Poller{}).Run(ctx); err != nil || time.Since(start) != time.Hour {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

// A sensor that takes long but heeds its deadline delays its bus; after it
// every sensor is read once and then on its grid.
func TestPollNoBurst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reads := 0
		slow := readFunc(func(context.Context) ([]Reading, error) {
			if reads++; reads == 3 {
				time.Sleep(10 * time.Second)
			}
			return []Reading{{Value: Number(float64(reads))}}, nil
		})
		p, stop := poll(t,
			Task{Name: "slow", Every: time.Second, Timeout: 30 * time.Second, Bus: "x", Sensor: slow},
			Task{Name: "b", Every: time.Second, Bus: "x", Sensor: always(Reading{Value: Number(7)})},
		)
		defer stop()
		s, b := ph("slow", time.Second), ph("b", time.Second)
		time.Sleep(2200 * time.Millisecond) // the slow read has begun
		synctest.Wait()
		p.take()
		time.Sleep(11700 * time.Millisecond)
		wantLines(t, p,
			fmt.Sprint(12*time.Second+s, " slow 3"), fmt.Sprint(12*time.Second+s, " b 7"),
			fmt.Sprint(13*time.Second+b, " b 7"), fmt.Sprint(13*time.Second+s, " slow 4"))
	})
}

func TestPollDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heeds := readFunc(func(ctx context.Context) ([]Reading, error) {
			<-ctx.Done()
			return nil, fmt.Errorf("reading register 3: %w", ctx.Err())
		})
		p, stop := poll(t,
			Task{Name: "a", Every: time.Hour, Bus: "x", Fields: []string{"f", "g"}, Sensor: heeds},
			Task{Name: "b", Every: time.Hour, Bus: "y", Timeout: time.Hour, Sensor: heeds},
			Task{Name: "c", Every: time.Hour, Bus: "x", Sensor: always(Reading{Value: Number(1)})},
			Task{Name: "d", Every: time.Hour, Bus: "z", Timeout: time.Second, Sensor: readFunc(func(ctx context.Context) ([]Reading, error) {
				<-ctx.Done()
				return nil, os.ErrDeadlineExceeded
			})},
			Task{Name: "e", Every: time.Hour, Bus: "own", Sensor: readFunc(func(ctx context.Context) ([]Reading, error) {
				return nil, os.ErrDeadlineExceeded // of the driver's own, shorter deadline
			})},
		)
		time.Sleep(5 * time.Second)
		wantLines(t, p, "0s e fault: i/o timeout", "1s d fault: no answer within 1s", "5s a.f fault: no answer within 5s", "5s a.g fault: no answer within 5s", "5s c 1")
		time.Sleep(55 * time.Second)
		wantLines(t, p, "1m0s b fault: no answer within 1m0s")
		if err := stop(); err != nil || p.logs.count("bus held") != 0 {
			t.Errorf("%v, log:\n%s", err, p.logs.String())
		}
	})
}
