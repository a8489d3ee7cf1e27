package register

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/stream"
	"pipit/agent/xmpp/xmpptest"
)

const password = "a long pass-phrase <&> 'of' tests"

// at returns how to log in at s as an account that may not exist yet.
func at(s *server.Server, local, password string) stream.Config {
	return stream.Config{
		JID: xmpptest.JID(local), Server: s.Addr, RootCAs: s.Pool(), Password: func() (string, error) { return password, nil },
	}
}

func logsIn(t *testing.T, cfg stream.Config) {
	t.Helper()
	c, err := stream.Dial(t.Context(), cfg)
	if err != nil {
		t.Fatalf("login with the new account: %v", err)
	}
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// refusedWith fails when err is for another reason, or tells the password.
func refusedWith(t *testing.T, err, why error) {
	t.Helper()
	if !errors.Is(err, why) {
		t.Errorf("got %v, want %v", err, why)
	}
	if err != nil && strings.Contains(err.Error(), password) {
		t.Errorf("the password is in %q", err)
	}
}

func TestAccount(t *testing.T) {
	t.Parallel()
	xmpptest.BothAtOnce(t, func(t *testing.T, s *server.Server) {
		cfg := at(s, "newcomer", password)
		if err := Account(t.Context(), cfg, ""); err != nil {
			t.Fatal(err)
		}
		logsIn(t, cfg)
		refusedWith(t, Account(t.Context(), cfg, ""), ErrConflict)
		refusedWith(t, Account(t.Context(), at(s, xmpptest.Owner, password), ""), ErrConflict)
		refusedWith(t, Account(t.Context(), at(s, "invited", password), "TOKEN"), ErrUnsupported)
		if s.Name == "ejabberd" {
			refusedWith(t, Account(t.Context(), at(s, "weak", "1"), ""), ErrPassword)
		}
		direct := at(s, "direct", password)
		direct.Server, direct.DirectTLS = s.TLSAddr, true
		if err := Account(t.Context(), direct, ""); err != nil {
			t.Error(err)
		}
		logsIn(t, direct)
	}, func(o *server.Options) { o.Register = true })
}

func TestRegistrationOff(t *testing.T) {
	t.Parallel()
	xmpptest.BothAtOnce(t, func(t *testing.T, s *server.Server) {
		err := Account(t.Context(), at(s, "newcomer", password), "")
		refusedWith(t, err, ErrUnsupported)
		if !strings.HasPrefix(fmt.Sprint(err), "making the account newcomer@"+xmpptest.Domain+": ") {
			t.Errorf("got %v", err)
		}
		c := at(s, "newcomer", password)
		c.RootCAs = nil
		var e *stream.Error
		if err := Account(t.Context(), c, ""); !errors.As(err, &e) || e.Kind != stream.KindCertificate {
			t.Errorf("got %v, want a refused certificate", err)
		}
	})
}

// A server makes one account in a time for each address.
func TestRegistrationTooOften(t *testing.T) {
	t.Parallel()
	xmpptest.BothAtOnce(t, func(t *testing.T, s *server.Server) {
		if err := Account(t.Context(), at(s, "first", password), ""); err != nil {
			t.Fatal(err)
		}
		refusedWith(t, Account(t.Context(), at(s, "second", password), ""), ErrWait)
	}, func(o *server.Options) { o.Register, o.RegisterEvery = true, 600 })
}

func TestInvited(t *testing.T) {
	t.Parallel()
	s := xmpptest.Prosody(t, func(o *server.Options) { o.Invite = true })
	link, err := s.Invite(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	in, err := ParseInvite(link)
	if err != nil || in.Domain != s.Domain || in.Token == "" {
		t.Fatalf("%q: %+v, %v", link, in, err)
	}
	refusedWith(t, Account(t.Context(), at(s, "stowaway", password), ""), ErrToken)
	refusedWith(t, Account(t.Context(), at(s, "stowaway", password), "wrong"), ErrToken)
	refusedWith(t, Account(t.Context(), at(s, xmpptest.Owner, password), in.Token), ErrConflict) // the token is not used up
	cfg := at(s, "newcomer", password)
	if err := Account(t.Context(), cfg, in.Token); err != nil {
		t.Fatal(err)
	}
	logsIn(t, cfg)
	refusedWith(t, Account(t.Context(), at(s, "another", password), in.Token), ErrToken)
}

// A server that does not answer, answers too much, or hangs up, holds nobody up.
func TestAccountAtAHostileServer(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]xmpptest.Behaviour{
		"endless": {Instead: map[xmpptest.Stage]string{xmpptest.AtLogin: header + "<stream:features><register xmlns='" + nsFeature + "'>"}, Flood: "<a/>", FloodSize: 1 << 20},
		"gone":    {Instead: map[xmpptest.Stage]string{xmpptest.AtLogin: ""}, HangUp: true},
		"plain":   {Instead: map[xmpptest.Stage]string{xmpptest.AtHeader: header + offer}}, // no TLS
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := xmpptest.NewHostile(t, b)
			err := Account(t.Context(), stream.Config{JID: xmpptest.JID("x"), Server: h.Addr, RootCAs: h.Pool, Password: func() (string, error) { return password, nil }}, "")
			var e *stream.Error
			if !errors.As(err, &e) {
				t.Errorf("got %v, want a *stream.Error", err)
			}
		})
	}
	t.Run("silent", func(t *testing.T) {
		t.Parallel()
		h := xmpptest.NewHostile(t, xmpptest.Behaviour{Instead: map[xmpptest.Stage]string{xmpptest.AtLogin: header + offer}})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		err := Account(ctx, stream.Config{JID: xmpptest.JID("x"), Server: h.Addr, RootCAs: h.Pool, Password: func() (string, error) { return password, nil }}, "")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

const (
	header = "<?xml version='1.0'?><stream:stream from='" + xmpptest.Domain + "' id='hostile' version='1.0'" +
		" xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
	offer = "<stream:features><register xmlns='" + nsFeature + "'/><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" +
		"<mechanism>SCRAM-SHA-1</mechanism></mechanisms></stream:features>"
)
