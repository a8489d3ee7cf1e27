// Package face writes what contacts see of the device beside its name and
// presence: a nickname (XEP-0172), a picture (XEP-0084) and, if the config has
// one, its position (XEP-0080). All of it stands on nodes of the own account
// (XEP-0163).
//
// Each is written once, and again when the config has changed: what somebody
// changed by hand, with another client, stays.
package face

import (
	"bytes"
	"context"
	"crypto/sha1"
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"image/png"
	"log/slog"
	"strconv"

	"pipit/agent/xmpp/pubsub"
	"pipit/agent/xmpp/stanza"
	"pipit/agent/xmpp/wire"
)

// Namespaces, which are also the names of the nodes.
const (
	NSNick           = "http://jabber.org/protocol/nick"
	NSAvatarData     = "urn:xmpp:avatar:data"
	NSAvatarMetadata = "urn:xmpp:avatar:metadata"
	NSGeoloc         = "http://jabber.org/protocol/geoloc"
)

const space = "face" // of the state: what was written last of each part

// Bird is the picture of a device whose config has none: a PNG.
//
//go:embed avatar.png
var Bird []byte

// State keeps what was written over a restart. Set may wait for a disk.
type State interface {
	Set(space, key string, value []byte) error
	Get(space, key string) (value []byte, ok bool)
}

// A Position is where the device is (WGS 84).
type Position struct {
	Lat, Lon float64  // degrees, -90 to 90 and -180 to 180
	Alt      *float64 // metres, nil: not known
	Text     string   // for people, may be ""
}

// A Face is what contacts see.
type Face struct {
	Nick     string
	Avatar   []byte    // PNG; nil: Bird
	Position *Position // nil: none
}

// A part is one of the things that a Face has.
type part struct {
	key  string // in the state
	mark string // of what is to be there, "" for nothing
	node string // that tells whether somebody has put something there
	put  func(ctx context.Context, w *writer) error
}

type writer struct {
	conn   stanza.Requester
	access string
	log    *slog.Logger
}

// Write brings what contacts see up to date. access is the access model of the
// nodes. A server that refuses costs that part alone: the log says so, once for
// each call. The error is that of the connection or of ctx.
func Write(ctx context.Context, conn stanza.Requester, access string, f Face, state State, log *slog.Logger) error {
	w := &writer{conn, access, log}
	for _, p := range parts(f) {
		err := w.bring(ctx, p, state)
		var refused *stanza.Error
		switch {
		case err == nil:
		case !errors.As(err, &refused):
			return err
		default:
			log.Info("contacts do not see all of the device", "part", p.key, "error", err)
		}
	}
	return nil
}

func parts(f Face) []part {
	picture := f.Avatar
	if picture == nil {
		picture = Bird
	}
	position := ""
	if f.Position != nil {
		position = string(f.Position.append(nil))
	}
	return []part{
		{"nick", f.Nick, NSNick, func(ctx context.Context, w *writer) error {
			b := wire.Escape([]byte("<nick xmlns='"+NSNick+"'>"), f.Nick)
			return w.publish(ctx, NSNick, "current", append(b, "</nick>"...))
		}},
		{"avatar", hash(picture), NSAvatarMetadata, func(ctx context.Context, w *writer) error { return w.avatar(ctx, picture) }},
		{"position", hash([]byte(position)), NSGeoloc, func(ctx context.Context, w *writer) error {
			if position == "" {
				position = "<geoloc xmlns='" + NSGeoloc + "'/>"
			}
			return w.publish(ctx, NSGeoloc, "current", []byte(position))
		}},
	}
}

// bring writes a part unless it is what was written last, or somebody put
// something there before the device ever did.
func (w *writer) bring(ctx context.Context, p part, state State) error {
	if p.key == "position" && p.mark == hash(nil) {
		p.mark = ""
	}
	before, known := state.Get(space, p.key)
	switch {
	case known && string(before) == p.mark, !known && p.mark == "":
		return nil
	case !known && p.key != "position" && w.taken(ctx, p.node):
		w.log.Info("somebody chose this by hand, and it stays", "part", p.key)
	default:
		if err := p.put(ctx, w); err != nil {
			return err
		}
	}
	if err := state.Set(space, p.key, []byte(p.mark)); err != nil {
		w.log.Debug("this will be written again after a restart", "part", p.key, "error", err)
	}
	return nil
}

// taken tells whether a node has an item.
func (w *writer) taken(ctx context.Context, node string) bool {
	items, err := pubsub.Items(ctx, w.conn, "", node, 1)
	return err == nil && len(items) > 0
}

func (w *writer) publish(ctx context.Context, node, id string, payload []byte) error {
	n := &pubsub.Node{Conn: w.conn, Name: node, Access: w.access, MaxItems: 1, Log: w.log}
	return n.Publish(ctx, id, payload)
}

// avatar writes the picture and then what clients read first (XEP-0084 section 3).
func (w *writer) avatar(ctx context.Context, picture []byte) error {
	size, err := png.DecodeConfig(bytes.NewReader(picture))
	if err != nil {
		return fmt.Errorf("avatar: %w", err) // the config has checked it
	}
	id := hash(picture)
	data := append([]byte("<data xmlns='"+NSAvatarData+"'>"), base64.StdEncoding.EncodeToString(picture)...)
	if err := w.publish(ctx, NSAvatarData, id, append(data, "</data>"...)); err != nil {
		return err
	}
	info := fmt.Sprintf("<metadata xmlns='%s'><info bytes='%d' id='%s' type='image/png' width='%d' height='%d'/></metadata>",
		NSAvatarMetadata, len(picture), id, size.Width, size.Height)
	return w.publish(ctx, NSAvatarMetadata, id, []byte(info))
}

// append writes the position (XEP-0080 section 2).
func (p *Position) append(b []byte) []byte {
	number := func(name string, f float64) {
		b = append(b, "<"+name+">"+strconv.FormatFloat(f, 'f', -1, 64)+"</"+name+">"...)
	}
	b = append(b, "<geoloc xmlns='"+NSGeoloc+"'>"...)
	if p.Alt != nil {
		number("alt", *p.Alt)
	}
	if p.Text != "" {
		b = append(wire.Escape(append(b, "<description>"...), p.Text), "</description>"...)
	}
	number("lat", p.Lat)
	number("lon", p.Lon)
	return append(b, "</geoloc>"...)
}

// hash is the id that XEP-0084 gives a picture.
func hash(b []byte) string {
	sum := sha1.Sum(b)
	return hex.EncodeToString(sum[:])
}
