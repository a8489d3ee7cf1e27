package stream

import (
	"testing"
	"testing/synctest"
	"time"
)

// Bytes alone are no sign of life for ever: they may all lie inside of a stanza
// that never ends, and every reply with them.
func TestDeaf(t *testing.T) {
	for _, trickle := range []string{" ", "x"} {
		synctest.Test(t, func(t *testing.T) {
			c, f := pair(t)
			served := serveInto(c, ignore)
			go func() {
				for f.read() != "" { // pings that are not answered
				}
			}()
			start := time.Now()
			f.send("<message><body>")
			for range 20 {
				time.Sleep(26 * time.Second)
				if _, err := f.conn.Write([]byte(trickle)); err != nil {
					break
				}
			}
			select {
			case err := <-served:
				if kindOf(err) != KindSilent {
					t.Errorf("%v after %v", err, time.Since(start))
				}
			default:
				t.Errorf("still deaf after %v", time.Since(start))
				f.conn.Close()
				<-served
			}
		})
	}
}
