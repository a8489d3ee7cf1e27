package stream

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// The reader turns on an idle stream, and does not while a handler hangs.
func TestTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, f := managedPair(t)
		var turns atomic.Int32
		m.conn.turn = func() { turns.Add(1) }
		hang := make(chan struct{})
		served := serveManaged(m, func(string, []byte) { <-hang })
		for range 10 {
			before := turns.Load()
			time.Sleep(m.timing.idle + m.timing.reply/2)
			f.expect(askElement)
			if turns.Load() == before {
				t.Error("an idle stream does not turn")
			}
			f.send(ackOf(0))
		}
		f.send(message(1))
		synctest.Wait()
		before := turns.Load()
		time.Sleep(10 * time.Minute)
		if turns.Load() != before {
			t.Error("it turns though a handler hangs")
		}
		close(hang)
		f.conn.Close()
		<-served
	})
}
