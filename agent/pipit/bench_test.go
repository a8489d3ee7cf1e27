package main

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"pipit/agent/xmpp/adhoc"
	"pipit/agent/xmpp/remote"
	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/stream"
	"pipit/agent/xmpp/xmpptest"
)

// BenchmarkAdHoc is the round trip of an ad-hoc command through a real server,
// beside that of a ping answered by the server itself in the same run.
func BenchmarkAdHoc(b *testing.B) {
	for name, start := range map[string]func(testing.TB, ...func(*server.Options)) *server.Server{
		"prosody": xmpptest.Prosody, "ejabberd": xmpptest.Ejabberd,
	} {
		b.Run(name, func(b *testing.B) {
			s := start(b)
			startDevice(b, s, "")
			login := stream.Config{
				JID: xmpptest.JID("owner"), Server: s.Addr, RootCAs: s.Pool(),
				Password: func() (string, error) { return xmpptest.Password("owner"), nil },
			}
			client, err := remote.Open(b.Context(), login, xmpptest.JID("device"))
			if err != nil {
				b.Fatal(err)
			}
			defer client.Close()
			ping := pinger(b, login)
			call := func() error {
				_, err := client.Call(b.Context(), "version", nil, adhoc.Consent{})
				return err
			}
			if err := call(); err != nil { // and wait for the device
				b.Fatal(err)
			}
			var commands, pings []time.Duration
			for b.Loop() {
				commands = append(commands, timed(b, call))
				pings = append(pings, timed(b, ping))
			}
			slices.Sort(commands)
			slices.Sort(pings)
			at := func(list []time.Duration, share int) time.Duration { return list[len(list)*share/100] }
			b.ReportMetric(float64(at(commands, 50).Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(at(commands, 99).Microseconds())/1000, "p99-ms")
			b.ReportMetric(float64(at(commands, 50))/float64(at(pings, 50)), "p50/ping")
		})
	}
}

// pinger returns a ping of the server on a connection of its own.
func pinger(b *testing.B, login stream.Config) func() error {
	conn, err := stream.Dial(b.Context(), login)
	if err != nil {
		b.Fatal(err)
	}
	router := stanza.NewRouter(conn, conn.JID(), func(string) bool { return false }, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { router.Run(ctx) })
	wg.Go(func() { conn.Serve(ctx, router.Receive) })
	b.Cleanup(func() { cancel(); wg.Wait(); conn.Close(ctx) })
	return func() error {
		_, err := router.Request(ctx, xmpptest.Domain, "get", []byte("<ping xmlns='urn:xmpp:ping'/>"))
		return err
	}
}

func timed(b *testing.B, f func() error) time.Duration {
	start := time.Now()
	if err := f(); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}
