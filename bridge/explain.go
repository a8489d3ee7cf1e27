package bridge

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// A loginError is a refused login: to try again soon changes nothing.
type loginError struct{ text string }

func (e *loginError) Error() string { return e.text }

// RetryAfter is heard by agent.Keep.
func (e *loginError) RetryAfter() time.Duration { return 2 * time.Minute }

// explain says which step of connecting to a broker failed, and what to do.
// dialed is the error of the steps below MQTT, nil when they worked.
func explain(broker Broker, dialed, err error) error {
	if dialed != nil {
		return fmt.Errorf("connecting to %s: %w", broker.URL, explainDial(dialed))
	}
	login := func(text string) error { return &loginError{fmt.Sprintf("login at %s: %s", broker.URL, text)} }
	who := "as " + broker.User
	if broker.User == "" {
		who = "without a user"
	}
	switch {
	case errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword), errors.Is(err, packets.ErrorRefusedNotAuthorised):
		return login("the broker refuses it " + who + ": check user and password in [mqtt]")
	case errors.Is(err, packets.ErrorRefusedIDRejected):
		return login("the broker refuses the client id " + broker.ClientID + ": set another client_id in [mqtt]")
	case errors.Is(err, packets.ErrorRefusedServerUnavailable):
		return fmt.Errorf("login at %s: the broker says that it is not available", broker.URL)
	case errors.Is(err, packets.ErrorRefusedBadProtocolVersion):
		return login("the broker does not speak MQTT 3.1.1")
	}
	if hungUp(err) {
		return fmt.Errorf("login at %s: the broker closed the connection (%w): it may want TLS, or cert_file and key_file", broker.URL, err)
	}
	return fmt.Errorf("login at %s: %w", broker.URL, lostError(err))
}

// hungUp tells whether an error is the other side's end of a connection.
func hungUp(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// explainDial says what failed below MQTT: DNS, TCP, TLS or a certificate.
func explainDial(err error) error {
	var (
		dns       *net.DNSError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
		alert     tls.AlertError
	)
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Errorf("the name %s is not known: check broker in [mqtt]", dns.Name)
	case errors.As(err, &dns):
		return fmt.Errorf("looking up %s failed: %w", dns.Name, err)
	case errors.As(err, &authority):
		return errors.New("the broker's certificate is from nobody who is trusted: ca_file in [mqtt] names who is")
	case errors.As(err, &host):
		return fmt.Errorf("the broker's certificate is for another name: %w", err)
	case errors.As(err, &invalid):
		return fmt.Errorf("the broker's certificate is not valid: %w; check it, and this device's clock", err)
	case errors.As(err, &record):
		return errors.New("the broker does not speak TLS on this port: mqtt:// is without it")
	case errors.As(err, &alert):
		return fmt.Errorf("the broker ended the TLS handshake: %w; it may want cert_file and key_file", err)
	case hungUp(err):
		return fmt.Errorf("the broker closed the connection (%w): perhaps this port is without TLS, which is mqtt://", err)
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("connection refused: check that the broker runs, and broker in [mqtt]")
	case errors.Is(err, context.DeadlineExceeded):
		return errors.New("no answer within 20 s: check broker in [mqtt], and firewalls on the way")
	}
	return err
}

// lostError says what a connection that ended under MQTT means.
func lostError(err error) error {
	var alert *net.OpError
	switch {
	case hungUp(err):
		return fmt.Errorf("the broker closed the connection (%w): its log says why, such as a client id that is used twice", err)
	case errors.As(err, &alert) && alert.Op == "remote error":
		return fmt.Errorf("the broker ended TLS: %w; it may want cert_file and key_file", err)
	}
	return err
}
