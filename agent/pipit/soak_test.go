package main

import (
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/xmpptest"
)

// The soak runs for two minutes, or for PIPIT_SOAK ("10m"), and is random from
// the seed that it prints, or from PIPIT_SOAK_SEED.
const (
	soakTime = 2 * time.Minute
	calm     = 3 * time.Minute // the most that everything may take to arrive afterwards
)

// A soak is a device, a server and what happens to them.
type soak struct {
	t        *testing.T
	s        *server.Server
	proxy    *xmpptest.Proxy
	device   *device
	gauge    *gauge
	follower *follower
	random   *rand.Rand
	longest  time.Duration // of a fault
	spared   []span
	first    footprint
}

// A fault is something that happens to a device or its server. do returns when
// it is over, which is not when the device has got over it.
type fault struct {
	name string
	do   func(k *soak, lasts time.Duration)
}

var faults = []fault{
	{"server killed", (*soak).killServer},
	{"server stopped and started again", (*soak).stopServer},
	{"server frozen", (*soak).freezeServer},
	{"connection cut", (*soak).cut},
	{"black hole", (*soak).blackHole},
	{"link refused", (*soak).refuse},
	{"agent killed", (*soak).killAgent},
}

// TestSoak makes a device and its server suffer at random. Afterwards every
// reading has arrived that was older than the flush interval when the agent was
// killed: once, with its own time, in order, and the device is as it was.
func TestSoak(t *testing.T) {
	t.Parallel()
	length, seed := soakTime, rand.Uint64()
	var err error
	if v := os.Getenv("PIPIT_SOAK"); v != "" {
		if length, err = time.ParseDuration(v); err != nil {
			t.Fatal(err)
		}
	}
	if v := os.Getenv("PIPIT_SOAK_SEED"); v != "" {
		if seed, err = strconv.ParseUint(v, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%v; again with PIPIT_SOAK_SEED=%d", length, seed)
	xmpptest.BothAtOnce(t, func(t *testing.T, s *server.Server) {
		k := newSoak(t, s, rand.New(rand.NewPCG(seed, 0)), length)
		first := k.warmUp()
		k.suffer(length)
		k.swallow(5*time.Second, time.Sleep) // nobody ends this connection but the device
		k.follower.settle(k.gauge, time.Second, k.spared, calm)
		works(t, k.follower)
		k.compare()
		last := k.device.goroutines()
		t.Logf("%d goroutines, at first %d", last.sum(), first.sum())
		if err := last.outgrow(first); err != nil {
			t.Error(err)
		}
	})
}

func newSoak(t *testing.T, s *server.Server, random *rand.Rand, length time.Duration) *soak {
	t.Helper()
	k := &soak{t: t, s: s, proxy: xmpptest.NewProxy(t, s.Addr), random: random, longest: min(length/8, 75*time.Second)}
	fields := []string{"level", "flow"}
	k.gauge = newGauge(t, t.TempDir(), fields...)
	k.device = newDevice(t, s, k.proxy.Addr, k.gauge, time.Second)
	k.follower = follow(t, s, fields...)
	return k
}

// warmUp runs a first device, for the number of its goroutines, and then the
// one that the soak begins with.
func (k *soak) warmUp() goroutines {
	k.t.Helper()
	k.device.meet(k.follower)
	k.rest(2 * lost)
	k.power(time.Now())
	first := k.device.goroutines()
	k.device.meet(k.follower)
	k.rest(2 * lost)
	k.first = k.device.footprint()
	k.t.Logf("%d goroutines, %v", first.sum(), k.first)
	return first
}

// power notes a power cut of the device.
func (k *soak) power(at time.Time) {
	k.spared = append(k.spared, span{at.Add(-unsure), at})
}

// suffer makes things happen: each fault once, in a random order, then again in
// another. Inside of some the power of the device is cut, too.
func (k *soak) suffer(length time.Duration) {
	k.t.Helper()
	for start := time.Now(); time.Since(start) < length; {
		for _, i := range k.random.Perm(len(faults)) {
			lasts, pause := k.between(100*time.Millisecond, k.longest), k.between(500*time.Millisecond, 8*time.Second)
			k.t.Logf("%v: %s for %v, then %v", time.Since(start).Round(time.Millisecond), faults[i].name, lasts, pause)
			faults[i].do(k, lasts)
			k.rest(pause)
			if time.Since(start) >= length {
				break
			}
		}
	}
}

// between returns a random time, often a short one.
func (k *soak) between(least, most time.Duration) time.Duration {
	d := float64(least) * math.Pow(float64(most)/float64(least), k.random.Float64())
	return time.Duration(d).Round(time.Millisecond)
}

// rest lets a time pass in which the server is there.
func (k *soak) rest(d time.Duration) {
	k.t.Helper()
	for end := time.Now().Add(d); ; time.Sleep(time.Second) {
		if k.follower.fetch(); time.Until(end) < time.Second {
			break
		}
	}
	time.Sleep(time.Second)
	k.follower.look()
}

// last lets a fault last. One in four has a power cut inside, so late that there
// are readings which only the store has.
func (k *soak) last(d time.Duration) {
	k.t.Helper()
	if k.random.IntN(4) > 0 {
		time.Sleep(d)
		return
	}
	time.Sleep(max(d/2, 2*unsure))
	k.t.Log("agent killed meanwhile")
	k.killAgent(d / 2)
}

func (k *soak) killAgent(lasts time.Duration) {
	k.t.Helper()
	k.compare()
	k.power(time.Now())
	k.device.end(syscall.SIGKILL)
	time.Sleep(lasts)
	k.device.start()
}

// killServer kills it as it is. ejabberd loses what it has written in the last
// seconds, though it has told the device that all is well: there the link ends
// first, and the follower looks at what the server has.
func (k *soak) killServer(lasts time.Duration) {
	k.t.Helper()
	if k.s.Name == "ejabberd" {
		k.proxy.Refuse(true)
		k.proxy.Cut()
		time.Sleep(time.Second)
		k.follower.fetch()
		defer k.proxy.Refuse(false)
	}
	if err := k.s.Kill(); err != nil {
		k.t.Fatal(err)
	}
	k.last(lasts)
	k.startServer()
}

func (k *soak) stopServer(time.Duration) {
	k.t.Helper()
	k.startServer()
}

// startServer starts the server, and first ends it as it should be ended if it runs.
func (k *soak) startServer() {
	k.t.Helper()
	if err := k.s.Restart(k.t.Context()); err != nil {
		k.t.Fatal(err)
	}
	k.follower.connect()
}

func (k *soak) freezeServer(lasts time.Duration) {
	k.t.Helper()
	if err := k.s.Freeze(); err != nil {
		k.t.Fatal(err)
	}
	k.last(lasts)
	if err := k.s.Thaw(); err != nil {
		k.t.Fatal(err)
	}
}

// cut resets the connection, again and again.
func (k *soak) cut(lasts time.Duration) {
	for end := time.Now().Add(lasts); time.Now().Before(end); time.Sleep(min(lasts/3, 3*time.Second)) {
		k.proxy.Cut()
	}
}

// blackHole leaves the device with a connection that stays silent after it.
func (k *soak) blackHole(lasts time.Duration) {
	k.t.Helper()
	k.swallow(lasts, k.last)
}

func (k *soak) swallow(lasts time.Duration, pass func(time.Duration)) {
	k.t.Helper()
	k.proxy.Blackhole(true)
	defer k.proxy.Blackhole(false)
	pass(lasts)
}

func (k *soak) refuse(lasts time.Duration) {
	k.t.Helper()
	k.proxy.Refuse(true)
	defer k.proxy.Refuse(false)
	k.proxy.Cut()
	k.last(lasts)
}

// compare looks for leaks.
func (k *soak) compare() {
	k.t.Helper()
	now := k.device.footprint()
	k.t.Logf("%v", now)
	if err := now.outgrows(k.first); err != nil {
		k.t.Error(err)
	}
}
