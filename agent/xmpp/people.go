package xmpp

import (
	"context"
	"errors"
	"slices"
	"strings"

	"pipit/agent/xmpp/disco"
	"pipit/agent/xmpp/face"
	"pipit/agent/xmpp/jid"
	"pipit/agent/xmpp/pubsub"
	"pipit/agent/xmpp/stanza"
)

// followPeople makes the subscriptions fit each time when somebody was granted a
// role, or has lost it. What the first reconcile left behind comes before that.
func (s *session) followPeople(ctx context.Context, changed <-chan struct{}) error {
	for {
		s.endSubscriptions(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
		changed = s.link.agent.PeopleChanged()
		if err := s.reconcile(ctx); err != nil {
			return err
		}
	}
}

// endSubscriptions ends those subscriptions to the device's nodes whose owners do
// not see its presence any more. Who only shows an interest (XEP-0163) needs none.
func (s *session) endSubscriptions(ctx context.Context) {
	if s.link.cfg.Access != "presence" || s.link.cfg.PubSub != "" { // there, access does not follow from presence
		return
	}
	viewers, err := s.roster.Viewers(ctx)
	if err == nil {
		err = s.keepSubscriptions(ctx, func(j string) bool { return viewers[jid.Bare(j)] })
	}
	if err != nil && ctx.Err() == nil {
		s.link.log.Warn("who may see the device no more may have a subscription left", "error", err)
	}
}

// keepSubscriptions ends the subscriptions to the device's nodes of those who may
// not stay.
func (s *session) keepSubscriptions(ctx context.Context, stays func(jid string) bool) error {
	nodes, err := disco.Items(ctx, s.router, "", "")
	if err != nil {
		return err
	}
	var errs []error
	for _, i := range nodes {
		if !s.link.publishes(i.Node) {
			continue
		}
		n, err := pubsub.EndSubscriptions(ctx, s.router, "", i.Node, stays)
		if e := (*stanza.Error)(nil); errors.As(err, &e) && e.Condition == "feature-not-implemented" {
			return nil // ejabberd 23.01, which ends them with the presence subscription
		}
		errs = append(errs, err)
		if n > 0 {
			s.link.log.Info("subscriptions ended of who does not see the device any more", "node", i.Node, "count", n)
		}
	}
	return errors.Join(errs...)
}

// publishes tells whether a node of the own account is one that the device writes.
func (l *Link) publishes(node string) bool {
	faces := []string{face.NSNick, face.NSAvatarData, face.NSAvatarMetadata, face.NSGeoloc}
	return node == l.snapshotNode() || strings.HasPrefix(node, nodePrefix) || slices.Contains(faces, node)
}
