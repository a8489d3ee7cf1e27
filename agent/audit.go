package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	// MaxAudit is how many requests an Audit remembers.
	MaxAudit     = 1000
	auditChunk   = 8 // entries that are kept under one key
	auditChunks  = MaxAudit / auditChunk
	auditFlush   = 10 * time.Second
	auditSpace   = "audit"
	maxAuditText = 160 // bytes of what was asked, and of what came of it
	maxAuditWho  = 256
)

// An AuditEntry is a request and what came of it.
type AuditEntry struct {
	Time   time.Time `json:"time"`
	From   string    `json:"from,omitempty"` // bare JID; "" for this board, a rule, or somebody whom a room hides
	Via    Via       `json:"via"`
	Where  string    `json:"where,omitempty"` // the room, or the rule
	What   string    `json:"what"`            // the command and its arguments
	Result string    `json:"result"`          // "ok", or why not
}

// An Audit remembers who asked for what: the last MaxAudit requests, over a
// restart. Its methods may be called from any goroutine; Add never waits for a
// disk. nil remembers nothing.
type Audit struct {
	state PeopleState
	log   *slog.Logger

	mu      sync.Mutex
	chunks  [auditChunks][]AuditEntry // a ring; that of entry n is n / auditChunk
	next    uint64                    // number of the next entry
	dirty   [auditChunks]bool
	changed chan struct{} // holds one
}

// keptAudit is a chunk as the state has it.
type keptAudit struct {
	First   uint64       `json:"first"` // number of its first entry
	Entries []AuditEntry `json:"entries"`
}

// NewAudit goes on where the state ends.
func NewAudit(state PeopleState, log *slog.Logger) *Audit {
	a := &Audit{state: state, log: log, changed: make(chan struct{}, 1)}
	var firsts [auditChunks]uint64
	for _, key := range state.List(auditSpace) {
		value, _ := state.Get(auditSpace, key)
		var k keptAudit
		if err := json.Unmarshal(value, &k); err != nil || len(k.Entries) > auditChunk || k.First%auditChunk != 0 || k.First > 1<<60 {
			log.Warn("a part of the audit log is lost", "part", key, "error", err)
			continue
		}
		i := k.First / auditChunk % auditChunks
		a.chunks[i], firsts[i] = k.Entries, k.First
		a.next = max(a.next, k.First+uint64(len(k.Entries)))
	}
	if a.next%auditChunk != 0 && len(a.chunks[a.next/auditChunk%auditChunks]) != int(a.next%auditChunk) {
		a.next += auditChunk - a.next%auditChunk // never in the middle of what is lost
	}
	for i, first := range firsts { // what a lost part left behind is older than the ring
		if first+MaxAudit < a.next {
			a.chunks[i] = nil
		}
	}
	return a
}

// Add remembers a request. err is what Do returned.
func (a *Audit) Add(req Request, err error) {
	if a == nil {
		return
	}
	e := AuditEntry{
		Time: time.Now().UTC().Truncate(time.Second), From: cut(req.From, maxAuditWho), Via: req.Via,
		Where: cut(req.Room+req.Rule, maxAuditWho), What: req.line(), Result: "ok",
	}
	if err != nil {
		e.Result = auditText(err.Error())
	}
	a.mu.Lock()
	i := a.next / auditChunk % auditChunks
	if a.next%auditChunk == 0 {
		a.chunks[i] = nil
	}
	a.chunks[i] = append(a.chunks[i], e)
	a.dirty[i] = true
	a.next++
	a.mu.Unlock()
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

// line writes a request without what confirms it.
func (r Request) line() string {
	words := []string{cut(r.Name, MaxName)}
	for _, name := range sortedKeys(r.Args) {
		if v := r.Args[name]; v != "" && len(words) <= 16 {
			words = append(words, cut(name, MaxName)+"="+cut(v, maxAuditText))
		}
	}
	return auditText(strings.Join(words, " "))
}

func auditText(s string) string { return cut(strings.Join(strings.Fields(s), " "), maxAuditText) }

// Last returns at most n of the newest entries, the oldest of them first.
func (a *Audit) Last(n int) (list []AuditEntry) {
	if a == nil {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	oldest := (a.next + auditChunk - 1) / auditChunk // the chunk behind the newest
	for c := range uint64(auditChunks) {
		list = append(list, a.chunks[(oldest+c)%auditChunks]...)
	}
	return list[max(0, len(list)-n):]
}

// Run keeps what was added until ctx ends, at most once in 10 s, and at last.
func (a *Audit) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			a.save()
			return nil
		case <-a.changed:
		}
		select {
		case <-ctx.Done():
		case <-time.After(auditFlush):
		}
		a.save()
	}
}

// save keeps what is dirty. What a disk does not take stays so until the next time.
func (a *Audit) save() {
	for i, value := range a.takeDirty() {
		if err := a.state.Set(auditSpace, fmt.Sprintf("%03d", i), value); err != nil {
			a.log.Warn("a part of the audit log is in memory only", "error", err)
			a.mu.Lock()
			a.dirty[i] = true
			a.mu.Unlock()
		}
	}
}

// takeDirty encodes the chunks that are not kept.
func (a *Audit) takeDirty() map[uint64][]byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	values := make(map[uint64][]byte)
	for i := range uint64(auditChunks) {
		if !a.dirty[i] {
			continue
		}
		a.dirty[i] = false
		first := (a.next - 1) / auditChunk * auditChunk // of the newest chunk
		first -= (first/auditChunk + auditChunks - i) % auditChunks * auditChunk
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false) // six bytes for a "<" would be more than a state takes
		if err := e.Encode(keptAudit{first, a.chunks[i]}); err == nil {
			values[i] = b.Bytes()
		}
	}
	return values
}
