// Package xmpptest is for tests of XMPP clients: private servers (Prosody and
// ejabberd), an independent client (slixmpp), a proxy that breaks connections,
// and a server that misbehaves. What a test starts ends with the test.
package xmpptest

import (
	"context"
	"sync"
	"testing"

	"pipit/agent/xmpp/server"
)

// Domain is the domain of all servers here.
const Domain = "pipit.example"

// The accounts of all servers here. Device may create nodes at the PubSub
// service, on ejabberd all others may too.
const (
	Device   = "device"
	Owner    = "owner"
	Operator = "operator"
	Viewer   = "viewer"
	Stranger = "stranger"
)

// Password returns the password of an account.
func Password(local string) string { return local + "-test-password" }

// JID returns the bare JID of an account.
func JID(local string) string { return local + "@" + Domain }

// Prosody starts a private Prosody with the accounts above. Each opt may change
// its options.
func Prosody(t testing.TB, opts ...func(*server.Options)) *server.Server {
	t.Helper()
	return start(t, server.StartProsody, opts)
}

// Ejabberd does with ejabberd what Prosody does with Prosody.
func Ejabberd(t testing.TB, opts ...func(*server.Options)) *server.Server {
	t.Helper()
	return start(t, server.StartEjabberd, opts)
}

// Both runs a test against each server. f may call t.Parallel.
func Both(t *testing.T, f func(t *testing.T, s *server.Server), opts ...func(*server.Options)) {
	t.Helper()
	t.Run("prosody", func(t *testing.T) { f(t, Prosody(t, opts...)) })
	t.Run("ejabberd", func(t *testing.T) { f(t, Ejabberd(t, opts...)) })
}

// BothAtOnce runs a test against both servers at the same time, however few
// tests may run in parallel: for tests that mostly wait.
func BothAtOnce(t *testing.T, f func(t *testing.T, s *server.Server), opts ...func(*server.Options)) {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(func() { t.Run("prosody", func(t *testing.T) { f(t, Prosody(t, opts...)) }) })
	wg.Go(func() { t.Run("ejabberd", func(t *testing.T) { f(t, Ejabberd(t, opts...)) }) })
	wg.Wait()
}

func start(t testing.TB, start func(context.Context, server.Options) (*server.Server, error), opts []func(*server.Options)) *server.Server {
	t.Helper()
	o := server.Options{Domain: Domain, Publishers: []string{Device}, Accounts: make(map[string]string)}
	for _, local := range []string{Device, Owner, Operator, Viewer, Stranger} {
		o.Accounts[local] = Password(local)
	}
	for _, change := range opts {
		change(&o)
	}
	s, err := start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The context of the test has ended.
		if err := s.Stop(context.Background()); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("%s logged:\n%s", s.Name, s.Log())
		}
	})
	return s
}
