package entity

import (
	"context"
	"fmt"
	"strings"
	"time"

	"pipit/agent/xmpp/stanza"
)

// ServerTime asks an entity, as a rule the own server by its domain, for its
// time (XEP-0202), and returns what its clock shows now: half the round trip is
// made up for. It waits as long as the Requester does. The time has no
// monotonic part. The error is a *stanza.Error when the entity has no answer.
func ServerTime(ctx context.Context, r stanza.Requester, domain string) (time.Time, error) {
	asked := time.Now()
	reply, err := r.Request(ctx, domain, "get", []byte("<time xmlns='"+NSTime+"'/>"))
	if err != nil {
		return time.Time{}, fmt.Errorf("entity time of %q: %w", domain, err)
	}
	took := time.Since(asked)
	t, err := parseTime(reply)
	if err != nil {
		return time.Time{}, fmt.Errorf("entity time of %q: %w", domain, err)
	}
	return t.Add(took / 2), nil
}

// parseTime reads the answer. Its utc is a time of XEP-0082, which has to end in Z.
func parseTime(reply *stanza.Stanza) (time.Time, error) {
	var v struct {
		Time struct {
			UTC string `xml:"utc"`
		} `xml:"urn:xmpp:time time"`
	}
	if err := reply.Decode(&v); err != nil {
		return time.Time{}, err
	}
	utc := strings.TrimSpace(v.Time.UTC)
	t, err := time.Parse(time.RFC3339, utc)
	second, _, _ := strings.Cut(strings.TrimSuffix(utc, "Z"), ".")
	if err != nil || second != t.Format("2006-01-02T15:04:05") || !strings.HasSuffix(utc, "Z") {
		const enough = 40 // bytes
		return time.Time{}, fmt.Errorf("utc is %.*q, which is no time such as 2026-03-04T05:06:07Z", enough, utc)
	}
	return t, nil
}
