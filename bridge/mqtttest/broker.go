// Package mqtttest starts private Mosquitto brokers for tests, with an
// independent client. A broker is on loopback ports of its own, in a directory of
// its own, and ends by its own process handle.
package mqtttest

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"pipit/agent/xmpp/server"
	"pipit/agent/xmpp/xmpptest"
)

const (
	install = "install it with: apt-get install mosquitto mosquitto-clients"
	program = "/usr/sbin/mosquitto"

	// Tester is a user who may do everything.
	Tester         = "tester"
	TesterPassword = "tester-test-password"

	startTime = 20 * time.Second
	running   = " running\n" // at the end of a line of the log
)

// Options say what a broker is like.
type Options struct {
	Users  map[string]string // passwords by user, beside Tester
	ACL    string            // lines of an acl_file; "": everybody may do everything
	Forget bool              // nothing survives the end of the process
	Cert   xmpptest.CertFunc // of the broker, nil: a good one
	Quiet  bool              // what goes on is not logged
}

// A Broker is a running Mosquitto.
type Broker struct {
	Addr, TLSAddr, WSAddr, WSSAddr, MTLSAddr string // host:port; the last wants a client certificate, whose CN is the user
	CAFile                                   string

	t    testing.TB
	ca   *server.CA
	dir  string
	cmd  *exec.Cmd
	gone chan struct{}
}

// Start starts a broker that ends with the test.
func Start(t testing.TB, change ...func(*Options)) *Broker {
	t.Helper()
	o := Options{Users: make(map[string]string)}
	for _, c := range change {
		c(&o)
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("there is no %s: %s", program, install)
	}
	ca, err := server.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	b := &Broker{t: t, ca: ca, dir: t.TempDir()}
	b.CAFile = filepath.Join(b.dir, "ca.pem")
	b.write("ca.pem", ca.PEM())
	b.certify(o.Cert)
	b.passwords(o.Users)
	for try := 1; ; try++ {
		b.configure(o)
		if err = b.run(); err == nil {
			break
		}
		if try == 5 || !portTaken(err) { // somebody else may take a port before it does
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		b.Stop()
		if log := b.Log(); t.Failed() && log != "" {
			t.Logf("mosquitto logged:\n%s", log)
		}
	})
	return b
}

// portTaken knows both ways in which Mosquitto says so: libwebsockets has its own.
func portTaken(err error) bool {
	return strings.Contains(err.Error(), "already in use") || strings.Contains(err.Error(), "Unable to create websockets listener")
}

func (b *Broker) write(name string, data []byte) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.dir, name), data, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *Broker) certify(make xmpptest.CertFunc) {
	b.t.Helper()
	if make == nil {
		make = func(ca *server.CA, domain string) (tls.Certificate, error) { return ca.Issue(domain, nil) }
	}
	cert, err := make(b.ca, "localhost")
	if err != nil {
		b.t.Fatal(err)
	}
	b.writeCert("server", cert)
}

func (b *Broker) writeCert(name string, cert tls.Certificate) {
	b.t.Helper()
	var chain []byte
	for _, der := range cert.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		b.t.Fatal(err)
	}
	b.write(name+".crt", chain)
	b.write(name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
}

// ClientCert makes a certificate that MTLSAddr takes, and returns its files.
func (b *Broker) ClientCert(user string) (certFile, keyFile string) {
	b.t.Helper()
	cert, err := b.ca.Issue(user, func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	if err != nil {
		b.t.Fatal(err)
	}
	b.writeCert(user, cert)
	return filepath.Join(b.dir, user+".crt"), filepath.Join(b.dir, user+".key")
}

// Pool trusts the broker's certificate.
func (b *Broker) Pool() *x509.CertPool { return b.ca.Pool() }

func (b *Broker) passwords(users map[string]string) {
	b.t.Helper()
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s:%s\n", Tester, TesterPassword)
	for user, password := range users {
		fmt.Fprintf(&text, "%s:%s\n", user, password)
	}
	b.write("passwd", text.Bytes())
	if out, err := exec.Command("/usr/bin/mosquitto_passwd", "-U", filepath.Join(b.dir, "passwd")).CombinedOutput(); err != nil {
		b.t.Fatalf("mosquitto_passwd: %v, %s", err, out)
	}
}

func (b *Broker) configure(o Options) {
	b.t.Helper()
	ports, err := freePorts(5)
	if err != nil {
		b.t.Fatal(err)
	}
	b.Addr, b.TLSAddr, b.WSAddr, b.MTLSAddr, b.WSSAddr = "127.0.0.1:"+ports[0], "localhost:"+ports[1], "127.0.0.1:"+ports[2], "localhost:"+ports[3], "localhost:"+ports[4]
	acl := cmp.Or(o.ACL, "pattern readwrite #\n")
	b.write("acl", []byte("user "+Tester+"\ntopic readwrite #\n\n"+acl))
	user := ""
	if os.Geteuid() == 0 {
		user = "user root\n" // else Mosquitto becomes a user who cannot read this directory
	}
	b.write("mosquitto.conf", fmt.Appendf(nil, `%sper_listener_settings false
allow_anonymous false
password_file %[2]s/passwd
acl_file %[2]s/acl
persistence %[3]t
persistence_location %[2]s/
autosave_interval 1
log_dest file %[2]s/log
log_type %[4]s
listener %[5]s 127.0.0.1
listener %[6]s 127.0.0.1
certfile %[2]s/server.crt
keyfile %[2]s/server.key
listener %[7]s 127.0.0.1
protocol websockets
listener %[9]s 127.0.0.1
protocol websockets
certfile %[2]s/server.crt
keyfile %[2]s/server.key
listener %[8]s 127.0.0.1
certfile %[2]s/server.crt
keyfile %[2]s/server.key
cafile %[2]s/ca.pem
require_certificate true
use_identity_as_username true
`, user, b.dir, !o.Forget, map[bool]string{true: "information", false: "all"}[o.Quiet], ports[0], ports[1], ports[2], ports[3], ports[4]))
}

// freePorts finds loopback ports that nobody listens on.
func freePorts(n int) (ports []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		ports = append(ports, strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	}
	return ports, nil
}

// run starts the process and waits until it says that it runs: with all its
// listeners.
func (b *Broker) run() error {
	before := len(b.log())
	cmd, gone, started := exec.Command(program, "-c", filepath.Join(b.dir, "mosquitto.conf")), make(chan struct{}), make(chan error)
	cmd.Env = []string{"PATH=/usr/sbin:/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	b.cmd, b.gone = cmd, gone
	go func() { // the death signal comes when the thread ends that started it
		runtime.LockOSThread()
		defer close(gone)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	for deadline := time.Now().Add(startTime); !strings.Contains(b.log()[before:], running); {
		select {
		case <-gone:
			return fmt.Errorf("mosquitto has ended: %s", b.Log())
		case <-time.After(10 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			b.Kill()
			return fmt.Errorf("mosquitto does not start: %s", b.Log())
		}
	}
	return nil
}

// Kill ends the process with SIGKILL.
func (b *Broker) Kill() { b.signal(syscall.SIGKILL) }

// Stop ends the process with SIGTERM.
func (b *Broker) Stop() { b.signal(syscall.SIGTERM) }

func (b *Broker) signal(s syscall.Signal) {
	select {
	case <-b.gone:
		return
	default:
		_ = b.cmd.Process.Signal(s)
		<-b.gone
	}
}

// Restart starts it again, on the same ports, after Kill or Stop.
func (b *Broker) Restart() {
	b.t.Helper()
	if err := b.run(); err != nil {
		b.t.Fatal(err)
	}
}

// Forget removes what a broker that does not run had kept.
func (b *Broker) Forget() {
	b.t.Helper()
	if err := os.Remove(filepath.Join(b.dir, "mosquitto.db")); err != nil && !os.IsNotExist(err) {
		b.t.Fatal(err)
	}
}

// Log returns what the broker logged last.
func (b *Broker) Log() string {
	log := b.log()
	return log[max(0, len(log)-64<<10):]
}

func (b *Broker) log() string {
	log, _ := os.ReadFile(filepath.Join(b.dir, "log"))
	return string(log)
}

// host and port of the plain listener.
func (b *Broker) hostPort() []string {
	host, port, _ := strings.Cut(b.Addr, ":")
	return []string{"-h", host, "-p", port, "-u", Tester, "-P", TesterPassword}
}

// BadCerts are the certificates that a client must refuse, by what is wrong.
func BadCerts() map[string]xmpptest.CertFunc { return xmpptest.BadCerts() }
