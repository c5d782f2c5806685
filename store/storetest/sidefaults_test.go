package storetest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// deaf does something without waking anybody.
func deaf(m *model, do func()) {
	unlock := m.hold()
	watchers := m.watchers
	m.watchers = nil
	unlock()
	do()
	defer m.hold()()
	m.watchers = watchers
}

// sideFaults are those of notices, seen ids, watching and ownership.
func sideFaults() []fault {
	// begun changes what BeginSeen answers.
	begun := func(change func(b store.SeenBegin, a *store.SeenAnswer)) faulty {
		return faulty{begin: func(m *model, scope, id string, b store.SeenBegin) (store.SeenAnswer, error) {
			a, err := m.BeginSeen(background, scope, id, b)
			change(b, &a)
			return a, err
		}}
	}
	// beginning begins something else.
	beginning := func(change func(scope *string, b *store.SeenBegin)) faulty {
		return faulty{begin: func(m *model, scope, id string, b store.SeenBegin) (store.SeenAnswer, error) {
			change(&scope, &b)
			return m.BeginSeen(background, scope, id, b)
		}}
	}
	// watching wakes, or not.
	watching := func(watch func(ctx context.Context, m *model, wake func()) error) faulty { return faulty{watch: watch} }
	return []fault{
		{"no notices are an error", "notices/none", false, faulty{notices: func(m *model, limit int, lease time.Duration) ([]store.NoticeLease, error) {
			out, err := m.ClaimNotices(background, limit, lease)
			if len(out) == 0 {
				err = store.ErrNotFound
			}
			return out, err
		}}},
		{"notices are not hidden", "notices/hidden until the lease ends", true, faulty{notices: func(m *model, limit int, _ time.Duration) ([]store.NoticeLease, error) {
			return m.ClaimNotices(background, limit, 0)
		}}},
		{"notices are claimed once", "notices/hidden until the lease ends", false, faulty{notices: func(m *model, limit int, _ time.Duration) ([]store.NoticeLease, error) {
			return m.ClaimNotices(background, limit, 1e6*time.Hour)
		}}},
		{"notices ignore the limit", "notices/hidden until the lease ends", true, faulty{notices: func(m *model, _ int, lease time.Duration) ([]store.NoticeLease, error) {
			return m.ClaimNotices(background, endless, lease)
		}}},
		{"notices are newest first", "notices/hidden until the lease ends", false, faulty{notices: func(m *model, limit int, lease time.Duration) ([]store.NoticeLease, error) {
			out, err := m.ClaimNotices(background, endless, lease)
			slices.Reverse(out)
			for _, n := range m.notices {
				if n.ID != "" && len(out) > limit && n.ID == out[len(out)-1].ID {
					n.leaseEnd = m.now
				}
			}
			return out[:min(limit, len(out))], err
		}}},
		{"an acknowledged notice comes again", "notices/acknowledged", true, faulty{ack: func(*model, string, string) error { return nil }}},
		{"an unknown notice is an error", "notices/acknowledged", false, faulty{ack: func(m *model, merchantID, noticeID string) error {
			n := len(m.notices)
			if err := m.AckNotice(background, merchantID, noticeID); err != nil || len(m.notices) == n {
				return store.ErrNotFound
			}
			return nil
		}}},
		{"anybody acknowledges a notice", "isolation/AckNotice", false, faulty{ack: func(m *model, _, noticeID string) error {
			m.notices = slices.DeleteFunc(m.notices, func(n *modelNotice) bool { return n.ID == noticeID })
			return nil
		}}},
		{"a notice shows the webhook of now", "notices/what it says", true, faulty{notices: func(m *model, limit int, lease time.Duration) ([]store.NoticeLease, error) {
			out, err := m.ClaimNotices(background, limit, lease)
			for i, n := range out {
				out[i].URL = m.webhook(n.MerchantID, n.WebhookID).URL
				out[i].Failures = m.webhook(n.MerchantID, n.WebhookID).ConsecutiveFailures
			}
			return out, err
		}}},
		{"notices of one merchant alone", "notices/of other merchants", false, faulty{notices: func(m *model, limit int, lease time.Duration) ([]store.NoticeLease, error) {
			out, err := m.ClaimNotices(background, limit, lease)
			return slices.DeleteFunc(out, func(n store.NoticeLease) bool { return n.MerchantID != out[0].MerchantID }), err
		}}},

		{"two holders at once", "seen/one holder", true, begun(func(_ store.SeenBegin, a *store.SeenAnswer) {
			if a.State == store.SeenInProgress {
				a.State = store.SeenNew
			}
		})},
		{"its own holder has to wait", "seen/one holder", false, faulty{begin: func(m *model, scope, id string, b store.SeenBegin) (store.SeenAnswer, error) {
			if s := m.seenID(scope, id); s != nil && s.holder == b.Holder && !s.done {
				return store.SeenAnswer{State: store.SeenInProgress}, nil
			}
			return m.BeginSeen(background, scope, id, b)
		}}},
		{"scopes are one", "seen/one holder", false, beginning(func(scope *string, _ *store.SeenBegin) { *scope = "one" })},
		{"scopes and ids run together", "seen/ids apart", false, faulty{begin: func(m *model, scope, id string, b store.SeenBegin) (store.SeenAnswer, error) {
			return m.BeginSeen(background, "", scope+":"+id, b)
		}}},
		{"done is in progress", "seen/committed", true, begun(func(_ store.SeenBegin, a *store.SeenAnswer) {
			if a.State == store.SeenDone {
				a.State = store.SeenInProgress
			}
		})},
		{"the value is lost", "seen/committed", true, begun(func(_ store.SeenBegin, a *store.SeenAnswer) { a.Value = nil })},
		{"the value of nothing is something", "seen/empty value", false, begun(func(_ store.SeenBegin, a *store.SeenAnswer) {
			if a.State == store.SeenDone && len(a.Value) == 0 {
				a.Value = []byte("null")
			}
		})},
		{"done for ever", "seen/committed", true, faulty{commit: func(m *model, scope, id, holder string, value []byte, _ time.Duration) error {
			return m.CommitSeen(background, scope, id, holder, value, 1e6*time.Hour)
		}}},
		{"done as long as the lease", "seen/committed", true, faulty{commit: func(m *model, scope, id, holder string, value []byte, _ time.Duration) error {
			return m.CommitSeen(background, scope, id, holder, value, time.Second)
		}}},
		{"held for ever", "seen/lease ends", true, beginning(func(_ *string, b *store.SeenBegin) { b.Lease = 1e6 * time.Hour })},
		{"anybody commits", "seen/commit of what is not held", true, faulty{commit: func(m *model, scope, id, holder string, value []byte, ttl time.Duration) error {
			if s := m.seenID(scope, id); s != nil {
				holder = s.holder
			}
			return m.CommitSeen(background, scope, id, holder, value, ttl)
		}}},
		{"a commit after the lease", "seen/commit of what is not held", true, faulty{commit: func(m *model, scope, id, holder string, value []byte, ttl time.Duration) error {
			err := m.CommitSeen(background, scope, id, holder, value, ttl)
			if errors.Is(err, store.ErrStale) && m.seenID(scope, id) == nil {
				return nil
			}
			return err
		}}},
		{"committing twice is an error", "seen/commit of what is not held", false, faulty{commit: func(m *model, scope, id, holder string, value []byte, ttl time.Duration) error {
			if s := m.seenID(scope, id); s != nil && s.done {
				return store.ErrStale
			}
			return m.CommitSeen(background, scope, id, holder, value, ttl)
		}}},
		{"anybody forgets", "seen/forgotten", true, faulty{forget: func(m *model, scope, id, _ string) error {
			if s := m.seenID(scope, id); s != nil {
				return m.ForgetSeen(background, scope, id, s.holder)
			}
			return nil
		}}},
		{"nothing is forgotten", "seen/forgotten", true, faulty{forget: func(*model, string, string, string) error { return nil }}},
		{"what is done is forgotten", "seen/forget after commit", true, faulty{forget: func(m *model, scope, id, holder string) error {
			if s := m.seenID(scope, id); s != nil && s.holder == holder {
				s.done = false
			}
			return m.ForgetSeen(background, scope, id, holder)
		}}},
		{"fingerprints are ignored", "seen/fingerprints", true, beginning(func(_ *string, b *store.SeenBegin) { b.Fingerprint = "" })},
		{"no fingerprint is one", "seen/fingerprints", true, beginning(func(_ *string, b *store.SeenBegin) {
			if b.Fingerprint == "" {
				b.Fingerprint = "none"
			}
		})},

		{"Watch does not say that it began", "watch/begins and ends", false, watching(func(ctx context.Context, m *model, wake func()) error {
			first := true
			return m.Watch(ctx, func() {
				if !first {
					wake()
				}
				first = false
			})
		})},
		{"Watch returns the context's error", "watch/begins and ends", false, watching(func(ctx context.Context, m *model, wake func()) error {
			_ = m.Watch(ctx, wake)
			return ctx.Err()
		})},
		{"Watch returns at once", "watch/publish", false, watching(func(_ context.Context, _ *model, wake func()) error {
			wake()
			return nil
		})},
		{"Watch is for one", "watch/publish", false, watching(func(ctx context.Context, m *model, wake func()) error {
			if len(m.watchers) == 0 {
				return m.Watch(ctx, wake)
			}
			wake()
			<-ctx.Done()
			return nil
		})},
		{"Publish does not wake", "watch/publish", false, faulty{publish: func(m *model, merchantID string, events []store.NewEvent) (out []store.Published, err error) {
			deaf(m, func() { out, err = m.Publish(background, merchantID, events) })
			return out, err
		}}},
		{"Publish of a test does not wake", "watch/test event", false, faulty{publish: func(m *model, merchantID string, events []store.NewEvent) (out []store.Published, err error) {
			if len(events) > 0 && events[0].Test == "" {
				return m.Publish(background, merchantID, events)
			}
			deaf(m, func() { out, err = m.Publish(background, merchantID, events) })
			return out, err
		}}},
		{"Enqueue does not wake", "watch/enqueue", false, faulty{enqueue: func(m *model, merchantID, webhookID string, eventIDs []string, nonce string) (out []string, err error) {
			deaf(m, func() { out, err = m.Enqueue(background, merchantID, webhookID, eventIDs, nonce) })
			return out, err
		}}},
		{"enabling does not wake", "watch/enable", false, faulty{update: func(m *model, merchantID, webhookID string, u store.WebhookUpdate) (out store.Webhook, err error) {
			deaf(m, func() { out, err = m.UpdateWebhook(background, merchantID, webhookID, u) })
			return out, err
		}}},
		{"a release does not wake", "watch/release", false, faulty{finish: func(m *model, results []store.Result) (out []store.Finished, err error) {
			deaf(m, func() { out, err = m.Finish(background, results) })
			return out, err
		}}},

		{"the caller's slices are kept", "ownership/what the caller passes", false, faulty{publish: func(m *model, merchantID string, events []store.NewEvent) ([]store.Published, error) {
			out, err := m.Publish(background, merchantID, events)
			for _, e := range events {
				if stored := m.event(merchantID, e.ID); stored != nil {
					stored.Body = e.Body
				}
			}
			return out, err
		}}},
		{"the caller's events are kept", "ownership/what the caller passes", false, faulty{create: func(m *model, merchantID string, w store.Webhook, limit int) (store.Webhook, error) {
			out, err := m.CreateWebhook(background, merchantID, w, limit)
			if err == nil {
				m.webhook(merchantID, w.ID).Events = w.Events
			}
			return out, err
		}}},
		{"the caller gets the store's attempts", "ownership/what the store returns", false, faulty{delivery: func(m *model, merchantID, webhookID, deliveryID string) (store.Delivery, error) {
			out, err := m.Delivery(background, merchantID, webhookID, deliveryID)
			if err == nil {
				out.Log = m.delivery(merchantID, webhookID, deliveryID).Log
			}
			return out, err
		}}},
		{"the caller gets the store's subscriptions", "ownership/what the store returns", false, faulty{read: func(m *model, merchantID, webhookID string) (store.Webhook, error) {
			out, err := m.Webhook(background, merchantID, webhookID)
			if err == nil {
				out.Events = m.webhook(merchantID, webhookID).Events
			}
			return out, err
		}}},
	}
}
