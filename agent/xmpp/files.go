package xmpp

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"pipit/agent"
	"pipit/agent/xmpp/jid"
	"pipit/agent/xmpp/muc"
	"pipit/agent/xmpp/upload"
	"pipit/agent/xmpp/wire"
)

const (
	maxFiles   = 4                 // that wait to be uploaded
	maxWaiting = 2 * agent.MaxFile // bytes of them, and of the one that is being uploaded
	maxTries   = 3                 // streams that may end over a file
	maxInline  = 1500              // bytes of a text that is sent where there is no upload
)

// A parcel is a file for somebody, or for who said a line in a room.
type parcel struct {
	to    string // a JID of one of the people
	room  *room  // nil: none
	line  muc.Line
	file  *agent.File
	tries int // streams that have ended over it
}

// sendFile uploads a file and sends its link, or what can be said of it where
// that does not work. It never blocks; it reports false when too much waits.
func (l *Link) sendFile(p parcel) bool {
	size := int64(len(p.file.Data))
	if l.waiting.Add(size) <= maxWaiting {
		select {
		case l.files <- p:
			return true
		default:
		}
	}
	l.waiting.Add(-size)
	l.log.Warn("a file was dropped: too many wait", "to", p.to, "file", p.file.Name)
	return false
}

// sendFiles uploads files, one after the other, until ctx ends. One that cannot
// be sent is told of; the session goes on.
func (s *session) sendFiles(ctx context.Context) error {
	var service upload.Service
	for {
		select {
		case <-ctx.Done():
			return nil
		case p := <-s.link.files:
			err := s.sendParcel(ctx, &service, p)
			s.link.waiting.Add(-int64(len(p.file.Data)))
			if err == nil && ctx.Err() == nil {
				continue
			}
			if p.tries++; p.tries < maxTries {
				s.link.sendFile(p) // for the next session
			}
			return err
		}
	}
}

// sendParcel uploads one file and sends its link. The error is of the stream.
func (s *session) sendParcel(ctx context.Context, service *upload.Service, p parcel) error {
	if p.room == nil && !s.link.isPerson(jid.Bare(p.to)) {
		s.link.log.Info("a file was dropped", "to", p.to, "reason", "not one of the people any more")
		return nil
	}
	url, err := s.upload(ctx, service, p.file)
	if ctx.Err() != nil {
		return nil
	}
	if err != nil {
		s.link.log.Warn("a file was not uploaded", "to", p.to, "file", p.file.Name, "error", err)
	}
	return s.post(p, url, err)
}

// upload puts a file on the server's upload service, which is looked for once in
// a session, and anew after it has failed.
func (s *session) upload(ctx context.Context, service *upload.Service, f *agent.File) (url string, err error) {
	if service.JID == "" {
		if *service, err = upload.Find(ctx, s.router, jid.Domain(s.link.cfg.JID)); err != nil {
			return "", err
		}
	}
	url, err = upload.Put(ctx, s.router, *service, s.link.cfg.RootCAs, upload.File{Name: f.Name, Type: f.Type, Data: f.Data})
	if err != nil {
		*service = upload.Service{}
	}
	return url, err
}

// post sends the link of a file, or says why there is none.
func (s *session) post(p parcel, url string, failed error) error {
	if p.room == nil {
		return s.stream.Send(s.fileMessage(p, url, failed))
	}
	text := ""
	if failed != nil {
		text = noUpload(p.file, failed)
	}
	if err := p.room.post(p.line, url, text); err != nil {
		s.link.log.Warn("a file was not sent", "room", p.room.cfg.JID, "error", err)
	}
	return nil
}

// fileMessage posts the link of a file (XEP-0066), or says why there is none.
func (s *session) fileMessage(p parcel, url string, failed error) []byte {
	id := rand.Text()
	b := wire.Attr([]byte("<message type='chat'"), "to", p.to)
	b = append(wire.Attr(b, "id", id), '>')
	if failed == nil {
		b = upload.AppendMessage(b, url)
	} else {
		b = wire.Escape(append(b, "<body>"...), noUpload(p.file, failed))
		b = append(b, "</body>"...)
	}
	b = append(wire.Attr(append(b, "<origin-id xmlns='urn:xmpp:sid:0'"...), "id", id), "/><store xmlns='urn:xmpp:hints'/>"+
		"<headers xmlns='http://jabber.org/protocol/shim'><header name='Auto-Submitted'>auto-replied</header></headers></message>"...)
	s.link.chat.Sent(jid.Bare(p.to), id, time.Now())
	return b
}

// noUpload says why there is no link, what to do, and what is in a text all the same.
func noUpload(f *agent.File, err error) string {
	why := whyNoUpload(f, err)
	if !isText(f) {
		return why
	}
	return why + "\n```\n" + firstLines(string(f.Data)) + "\n```"
}

func isText(f *agent.File) bool { return strings.HasPrefix(f.Type, "text/") }

func whyNoUpload(f *agent.File, err error) string {
	var large *upload.TooLargeError
	var retry *upload.RetryError
	var untrusted *tls.CertificateVerificationError
	less := "ask for less"
	if !isText(f) {
		less = "make the picture smaller"
	}
	switch {
	case errors.Is(err, upload.ErrNoService):
		return "The server of this device takes no files (XEP-0363)."
	case errors.As(err, &large) && large.Max > 0:
		return fmt.Sprintf("%s has %d kB, and the server takes %d kB at most: %s.", f.Name, large.Size/1000, large.Max/1000, less)
	case errors.As(err, &large):
		return fmt.Sprintf("%s has %d kB, which is too much for the server: %s.", f.Name, large.Size/1000, less)
	case errors.As(err, &retry):
		return "The server takes no more files for now; ask again after " + retry.At.Local().Format("15:04 on 2 January") + "."
	case errors.As(err, &untrusted):
		return "The upload to the server failed: " + err.Error() + ". ca_file in [xmpp] says whom this device trusts."
	}
	return "The upload to the server failed: " + err.Error() + ". Ask again in a while."
}

// firstLines returns the lines of a text that fit into maxInline bytes, and says
// how many are left.
func firstLines(text string) string {
	lines := strings.Split(strings.TrimRight(strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\r\n", "\n"), "\n"), "\n")
	size := 0
	for i, l := range lines {
		if size += len(l) + 1; size > maxInline {
			return strings.Join(append(lines[:i:i], fmt.Sprintf("… %d more lines", len(lines)-i)), "\n")
		}
	}
	return strings.Join(lines, "\n")
}
