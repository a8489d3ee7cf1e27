// Package server runs a private XMPP server on loopback: Prosody for
// `pipit demo` and for tests, ejabberd for tests. Each lives in a temporary
// directory of its own with free ports, TLS from a CA made for it, and nothing
// read from or written to anywhere else. It ends with this process, also when
// this process is killed; only the directory then stays behind.
//
// As root the server runs as the user that its Debian package made for it, as
// anybody else as oneself.
package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"
)

const (
	startWait  = 60 * time.Second // from the start of the program until it answers
	startTries = 4                // ports may be taken between finding and binding them
	errTail    = 2 << 10          // bytes of the log that an error shows
)

// Options say what a server serves.
type Options struct {
	Domain   string            // "pipit.example"
	Accounts map[string]string // localpart to password
	// Publishers are the localparts that may create nodes at Prosody's PubSub
	// service. ejabberd lets every account do so.
	Publishers []string
	Debug      bool // log all that happens

	// For tests.
	Without       []string // modules and services left out, by the server's own name: "pep", "mod_pubsub"
	Extra         string   // more configuration: Lua at global level; YAML after the modules section
	TLS12         bool     // no TLS 1.3
	MaxFile       int      // bytes of an upload; 0: what the server takes by itself
	Register      bool     // everybody may make an account (XEP-0077)
	RegisterEvery int      // seconds that have to pass until the next; 0: none
	Invite        bool     // Prosody: somebody with an invitation may (XEP-0445), see Server.Invite
	MQTT          bool     // ejabberd's MQTT broker, in which the accounts are the users
	// Cert makes the server's certificate instead of ca.Issue(domain, nil).
	Cert func(ca *CA, domain string) (tls.Certificate, error)

	look func(file string) (string, error) // exec.LookPath, other in tests
}

// A MissingError says that a server is not installed and how to install it.
type MissingError struct {
	Program string // "prosody"
	Package string // its Debian package
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("%s is not installed: run: sudo apt-get install -y %s", e.Program, e.Package)
}

// A Server is a running private XMPP server. Its methods may be called from
// any goroutine; Kill, Freeze, Thaw and Restart are for tests of outages.
type Server struct {
	Name    string // "prosody" or "ejabberd"
	Domain  string
	Addr    string // host:port for STARTTLS
	TLSAddr string // host:port for direct TLS (XEP-0368)
	PubSub  string // JID of the PubSub service
	MUC     string // JID of the room service
	MQTT    string // host:port of the MQTT broker, if it is asked for
	CAFile  string // the CA as PEM, readable by everybody, until Stop

	prog     program
	argv     []string
	home     home
	httpAddr string
	pool     *x509.CertPool
	leaf     []byte // DER of the server's certificate
	log      tail

	life     sync.Mutex // held while the process is started or stopped
	mu       sync.Mutex
	proc     *process
	stopped  bool
	accounts map[string]string // all that were added
}

// StartProsody starts a private Prosody and returns when it answers. ctx bounds
// the start alone; the server runs until Stop. The error is a *MissingError
// when Prosody is not installed.
func StartProsody(ctx context.Context, opt Options) (*Server, error) {
	return start(ctx, prosody, opt)
}

// StartEjabberd does with ejabberd what StartProsody does with Prosody.
func StartEjabberd(ctx context.Context, opt Options) (*Server, error) {
	return start(ctx, ejabberd, opt)
}

var plainName = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$`)

// check makes sure that names can be put in a configuration as they are.
func (o Options) check() error {
	names := append([]string{o.Domain}, o.Publishers...)
	for local := range o.Accounts {
		names = append(names, local)
	}
	for _, n := range append(names, o.Without...) {
		if !plainName.MatchString(n) {
			return fmt.Errorf("%q cannot be a name on a private server: use a-z, 0-9, dot, dash and underscore", n)
		}
	}
	return nil
}

func start(ctx context.Context, prog program, opt Options) (*Server, error) {
	if err := opt.check(); err != nil {
		return nil, err
	}
	argv, err := prog.find(opt.look)
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		s, err := startOnce(ctx, prog, argv, opt)
		if err == nil || try == startTries || !errors.Is(err, errPortTaken) {
			return s, err
		}
	}
}

func startOnce(ctx context.Context, prog program, argv []string, opt Options) (*Server, error) {
	h, err := newHome(prog.user)
	if err != nil {
		return nil, err
	}
	s := &Server{
		Name: prog.name, Domain: opt.Domain, PubSub: "pubsub." + opt.Domain, MUC: "conference." + opt.Domain,
		CAFile: filepath.Join(h.dir, "ca.pem"), prog: prog, argv: argv, home: h,
		accounts: make(map[string]string),
	}
	err = s.setUp(opt)
	if err == nil {
		err = s.run(ctx)
	}
	if err == nil {
		err = s.addAccounts(ctx, opt.Accounts)
	}
	if err != nil {
		_ = s.Stop(ctx)
		return nil, fmt.Errorf("starting a private %s: %w", prog.name, err)
	}
	return s, nil
}

// setUp writes the files of the server.
func (s *Server) setUp(opt Options) error {
	if err := s.certify(opt); err != nil {
		return err
	}
	ports, err := freePorts(4)
	if err != nil {
		return err
	}
	s.Addr, s.TLSAddr, s.httpAddr = loopback(ports[0]), loopback(ports[1]), loopback(ports[2])
	if opt.MQTT {
		s.MQTT = loopback(ports[3])
	}
	for _, d := range s.prog.dirs {
		if err := s.home.mkdir(d); err != nil {
			return err
		}
	}
	return s.prog.configure(s.home, config{
		Options: opt, Dir: s.home.dir, Port: ports[0], TLSPort: ports[1], HTTPPort: ports[2], MQTTPort: ports[3],
	})
}

// certify makes the CA and the server's certificate.
func (s *Server) certify(opt Options) error {
	ca, err := NewCA()
	if err != nil {
		return err
	}
	issue := opt.Cert
	if issue == nil {
		issue = func(ca *CA, domain string) (tls.Certificate, error) { return ca.Issue(domain, nil) }
	}
	cert, err := issue(ca, opt.Domain)
	if err != nil {
		return err
	}
	chain, key, err := encodePEM(cert)
	if err != nil {
		return err
	}
	s.pool, s.leaf = ca.Pool(), cert.Certificate[0]
	return errors.Join(
		os.WriteFile(s.CAFile, ca.PEM(), 0o644),
		s.home.write("server.crt", chain),
		s.home.write("server.key", key),
		s.home.write("server.pem", append(chain, key...)),
	)
}

// Pool returns the CA to verify the server with.
func (s *Server) Pool() *x509.CertPool { return s.pool }

// Log returns the last lines that the server logged, at most 64 KiB.
func (s *Server) Log() string { return s.log.String() }

// AddAccount makes an account. One that exists already is an error.
func (s *Server) AddAccount(ctx context.Context, local, password string) error {
	if !plainName.MatchString(local) {
		return fmt.Errorf("%q cannot be an account on a private server: use a-z, 0-9, dot, dash and underscore", local)
	}
	if err := s.prog.addAccount(ctx, s, local, password); err != nil {
		return fmt.Errorf("adding the account %s@%s: %w", local, s.Domain, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accounts[local] = password
	return nil
}

// addAccounts makes those accounts that do not exist yet.
func (s *Server) addAccounts(ctx context.Context, accounts map[string]string) error {
	for local, password := range accounts {
		if err := s.AddAccount(ctx, local, password); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}
