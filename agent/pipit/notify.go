package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// notifyTime bounds one message to a service manager that does not read.
const notifyTime = time.Second

// A notifier speaks to the service manager (sd_notify(3)). Without one it is nil
// and says nothing.
type notifier struct {
	socket   string        // a path, or "@" and an abstract name
	watchdog time.Duration // within which the service manager wants to hear of us; 0: it does not
}

// newNotifier takes what the service manager says out of the environment: it is
// not for the programs that we run. An error means that it cannot be understood.
func newNotifier() (*notifier, error) {
	socket, usec, pid := os.Getenv("NOTIFY_SOCKET"), os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID")
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		_ = os.Unsetenv(name) // fails for bad names only
	}
	if socket == "" {
		return nil, nil
	}
	if !strings.HasPrefix(socket, "/") && !strings.HasPrefix(socket, "@") {
		return nil, fmt.Errorf("NOTIFY_SOCKET is %q, which is neither a path nor an abstract socket", socket)
	}
	n := &notifier{socket: socket}
	if usec == "" || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return n, nil
	}
	v, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || v <= 0 || v > int64(24*time.Hour/time.Microsecond) {
		return n, fmt.Errorf("WATCHDOG_USEC is %q, which is no time of up to a day in µs", usec)
	}
	n.watchdog = time.Duration(v) * time.Microsecond
	return n, nil
}

// tell sends assignments such as READY=1, each without a line break. It blocks
// for a second at most.
func (n *notifier) tell(assignments ...string) error {
	if n == nil {
		return nil
	}
	// A connection of its own for each message outlives the service manager's restart.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("the service manager cannot be told: %w", err)
	}
	_ = conn.SetWriteDeadline(time.Now().Add(notifyTime)) // what fails here fails in Write
	_, err = conn.Write([]byte(strings.Join(assignments, "\n")))
	return errors.Join(err, conn.Close())
}
