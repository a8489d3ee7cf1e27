package stream

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"hash"
	"runtime"
	"strings"
)

// A scramServer is the server's side of SCRAM (RFC 5802), with faults that can be set.
type scramServer struct {
	first     func(nonce string) string // in place of the right first message
	final     string                    // in place of the right last message
	rounds    int
	inSuccess bool // the last message comes with the success, as most servers do; else as a challenge
	got       *string
}

// scram authenticates the client, which must know testPassword.
func (p *peer) scram(s scramServer) {
	auth := p.expect("<auth", "mechanism='SCRAM-SHA-")
	mechanism := between(auth, "mechanism='", "'")
	if s.got != nil {
		*s.got = mechanism
	}
	hash := sha1.New
	if strings.Contains(mechanism, "256") {
		hash = sha256.New
	}
	clientFirst := decode64(between(auth, ">", "<"))
	gs2 := clientFirst[:strings.Index(clientFirst, "n=")]
	bare := clientFirst[len(gs2):]
	if s.rounds == 0 {
		s.rounds = minRounds
	}
	nonce := between(bare, "r=", ",")
	serverFirst := fmt.Sprintf("r=%sserver,s=%s,i=%d", nonce, base64.StdEncoding.EncodeToString([]byte("salt")), s.rounds)
	if s.first != nil {
		serverFirst = s.first(nonce)
	}
	p.send("<challenge xmlns='%s'>%s</challenge>", nsSASL, base64.StdEncoding.EncodeToString([]byte(serverFirst)))
	clientFinal := decode64(between(p.expect("<response"), ">", "<"))
	without, proof, _ := strings.Cut(clientFinal, ",p=")
	message := bare + "," + serverFirst + "," + without

	salted, _ := pbkdf2.Key(hash, testPassword, []byte("salt"), s.rounds, hash().Size())
	clientKey := mac(hash, salted, "Client Key")
	stored := hash()
	stored.Write(clientKey)
	want := mac(hash, stored.Sum(nil), message)
	for i := range want {
		want[i] ^= clientKey[i]
	}
	binding := decode64(between(without, "c=", ","))
	if proof != base64.StdEncoding.EncodeToString(want) || binding != gs2+p.binding(gs2) {
		p.send("<failure xmlns='%s'><not-authorized/><text>wrong</text></failure>", nsSASL)
		runtime.Goexit()
	}
	final := "v=" + base64.StdEncoding.EncodeToString(mac(hash, mac(hash, salted, "Server Key"), message))
	if s.final != "" {
		final = s.final
	}
	final = base64.StdEncoding.EncodeToString([]byte(final))
	defer p.in.restart()
	if s.inSuccess {
		p.send("<success xmlns='%s'>%s</success>", nsSASL, final)
		return
	}
	p.send("<challenge xmlns='%s'>%s</challenge>", nsSASL, final)
	p.expect("<response")
	p.send("<success xmlns='%s'/>", nsSASL)
}

// binding returns the channel binding data that the header names.
func (p *peer) binding(gs2 string) string {
	state := p.conn.(*tls.Conn).ConnectionState()
	switch {
	case strings.HasPrefix(gs2, "p=tls-exporter,"):
		data, _ := state.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
		return string(data)
	case strings.HasPrefix(gs2, "p=tls-unique,"):
		return string(state.TLSUnique)
	}
	return ""
}

func mac(h func() hash.Hash, key []byte, text string) []byte {
	m := hmac.New(h, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// between returns what stands between the first start and the next end, or the rest.
func between(s, start, end string) string {
	_, s, _ = strings.Cut(s, start)
	s, _, _ = strings.Cut(s, end)
	return s
}

func decode64(s string) string {
	b, _ := base64.StdEncoding.DecodeString(s)
	return string(b)
}
