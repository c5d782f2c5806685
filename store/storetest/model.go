package storetest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// model is the contract written for obviousness: a few slices, searched from end
// to end. It is a whole [store.Store], and what a random sequence compares the
// store under test with.
type model struct {
	mu         sync.Mutex
	now        time.Time
	made       int // numbers events and deliveries in the order of their making
	webhooks   []*store.Webhook
	buckets    map[string]modelBucket // by owner, of those with a rate limit
	alarms     map[string]modelAlarm  // by owner
	events     []*modelEvent
	deliveries []*modelDelivery
	notices    []*modelNotice
	seen       []*modelSeen
	watchers   []*modelWatcher
	perWebhook int // of the last claim
	deleted    int // pending deliveries that went with their webhooks
}

type modelEvent struct {
	store.Event
	merchantID  string
	fingerprint string
	trace       string
	deliveries  []string // the first answer
	number      int
}

type modelDelivery struct {
	store.Delivery
	number   int
	token    int64
	settled  []int64   // tokens whose result was accepted
	leaseEnd time.Time // zero: nobody has it
	epoch    int64     // of the webhook at the claim
	paused   bool      // ended by Prune
}

type modelWatcher struct{ wake func() }

func newModel(now time.Time) *model {
	return &model{now: now, buckets: map[string]modelBucket{}, alarms: map[string]modelAlarm{}, perWebhook: endless}
}

func (m *model) advance(d time.Duration) {
	defer m.hold()()
	m.now = m.now.Add(d)
}

// hold locks the model and returns what unlocks it.
func (m *model) hold() func() {
	m.mu.Lock()
	return m.mu.Unlock
}

func (m *model) number() int {
	m.made++
	return m.made
}

// over says that a moment has come.
func (m *model) over(t time.Time) bool { return !t.After(m.now) }

// olderThan says that more than an age lies between t and now.
func (m *model) olderThan(t time.Time, age time.Duration) bool {
	return age > 0 && m.now.Sub(t) > age
}

func (m *model) webhook(merchantID, webhookID string) *store.Webhook {
	for _, w := range m.webhooks {
		if w.MerchantID == merchantID && w.ID == webhookID {
			return w
		}
	}
	return nil
}

// shown is a webhook as the caller sees it.
func (m *model) shown(w *store.Webhook) store.Webhook {
	out := *w
	out.Events = slices.Clone(w.Events)
	out.Metadata = maps.Clone(w.Metadata)
	if m.over(w.PreviousUntil) {
		out.PreviousSecret, out.PreviousUntil = "", time.Time{}
	}
	return out
}

// CreateWebhook implements [store.Webhooks].
func (m *model) CreateWebhook(_ context.Context, merchantID string, given store.Webhook, limit int) (store.Webhook, error) {
	defer m.hold()()
	if m.webhook(merchantID, given.ID) != nil {
		return store.Webhook{}, store.ErrConflict
	}
	owned := 0
	for _, w := range m.webhooks {
		if w.MerchantID == merchantID {
			owned++
		}
	}
	if limit > 0 && owned >= limit {
		return store.Webhook{}, store.ErrLimit
	}
	w := &store.Webhook{
		ID: given.ID, MerchantID: merchantID, URL: given.URL, Events: slices.Clone(given.Events), Status: given.Status,
		DisabledReason: given.DisabledReason, Secret: given.Secret, Encoding: given.Encoding,
		Description: given.Description, Metadata: maps.Clone(given.Metadata), Headers: given.Headers,
		Epoch: 1, Version: 1, CreatedAt: m.now, UpdatedAt: m.now,
	}
	m.limit(w, given.RateLimit)
	m.webhooks = append(m.webhooks, w)
	return m.shown(w), nil
}

// Webhook implements [store.Webhooks].
func (m *model) Webhook(_ context.Context, merchantID, webhookID string) (store.Webhook, error) {
	defer m.hold()()
	w := m.webhook(merchantID, webhookID)
	if w == nil {
		return store.Webhook{}, store.ErrNotFound
	}
	return m.shown(w), nil
}

// ListWebhooks implements [store.Webhooks].
func (m *model) ListWebhooks(_ context.Context, merchantID string, q store.WebhookQuery) (store.WebhookPage, error) {
	defer m.hold()()
	var all []store.Webhook
	for _, w := range m.webhooks {
		if w.MerchantID == merchantID && (!q.ActiveOnly || w.Status == store.Active) {
			all = append(all, m.shown(w))
		}
	}
	slices.SortFunc(all, func(a, b store.Webhook) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	limit := q.Limit
	if limit == 0 {
		limit = len(all)
	}
	return store.WebhookPage{Webhooks: cut(all, q.Offset, limit), Total: len(all)}, nil
}

// cut returns list[offset:offset+limit] as far as there is one.
func cut[T any](list []T, offset, limit int) []T {
	list = list[min(offset, len(list)):]
	return list[:min(limit, len(list))]
}

// UpdateWebhook implements [store.Webhooks].
func (m *model) UpdateWebhook(_ context.Context, merchantID, webhookID string, u store.WebhookUpdate) (store.Webhook, error) {
	defer m.wake()
	defer m.hold()()
	w := m.webhook(merchantID, webhookID)
	if w == nil {
		return store.Webhook{}, store.ErrNotFound
	}
	if u.IfVersion != 0 && u.IfVersion != w.Version {
		return store.Webhook{}, store.ErrVersion
	}
	if now := m.shown(w); u.Reseal != nil &&
		(u.Reseal.OldSecret != now.Secret || u.Reseal.OldPrevious != now.PreviousSecret || u.Reseal.OldHeaders != now.Headers) {
		return store.Webhook{}, store.ErrVersion
	}
	w.Version++
	w.UpdatedAt = m.now
	if u.URL != nil {
		w.URL = *u.URL
	}
	if u.Events != nil {
		w.Events = slices.Clone(u.Events)
	}
	if u.Encoding != nil {
		w.Encoding = *u.Encoding
	}
	if u.Description != nil {
		w.Description = *u.Description
	}
	if u.Metadata != nil {
		w.Metadata = maps.Clone(u.Metadata)
	}
	if u.Reseal != nil {
		w.Secret, w.PreviousSecret, w.Headers = u.Reseal.Secret, u.Reseal.Previous, u.Reseal.Headers
	}
	if u.Headers != nil {
		w.Headers = *u.Headers
	}
	if u.RateLimit != nil {
		m.limit(w, *u.RateLimit)
	}
	if u.Rotate != nil {
		w.PreviousSecret, w.PreviousUntil = w.Secret, m.now.Add(u.KeepPrevious)
		w.Secret = *u.Rotate
	}
	if u.Status != nil && *u.Status != w.Status {
		w.Status = *u.Status
		if w.Status == store.Active {
			w.DisabledReason, w.DisabledAt, w.ConsecutiveFailures = "", time.Time{}, 0
			w.Epoch++
		} else {
			w.DisabledReason, w.DisabledAt = u.Reason, m.now
		}
	}
	return m.shown(w), nil
}

// DeleteWebhook implements [store.Webhooks].
func (m *model) DeleteWebhook(_ context.Context, merchantID, webhookID string, ifVersion int64) error {
	defer m.hold()()
	w := m.webhook(merchantID, webhookID)
	if w == nil {
		return store.ErrNotFound
	}
	if ifVersion != 0 && ifVersion != w.Version {
		return store.ErrVersion
	}
	m.webhooks = slices.DeleteFunc(m.webhooks, func(o *store.Webhook) bool { return o == w })
	delete(m.buckets, ownerOf(w))
	delete(m.alarms, ownerOf(w))
	m.deliveries = slices.DeleteFunc(m.deliveries, func(d *modelDelivery) bool {
		mine := d.MerchantID == merchantID && d.WebhookID == webhookID
		if mine && d.Status == store.DeliveryPending {
			m.deleted++
		}
		return mine
	})
	m.notices = slices.DeleteFunc(m.notices, func(n *modelNotice) bool {
		return n.MerchantID == merchantID && n.WebhookID == webhookID
	})
	return nil
}

// Watch implements [store.Queue].
func (m *model) Watch(ctx context.Context, wake func()) error {
	watcher := &modelWatcher{wake}
	unlock := m.hold()
	m.watchers = append(m.watchers, watcher)
	unlock()
	wake()
	<-ctx.Done()
	defer m.hold()()
	m.watchers = slices.DeleteFunc(m.watchers, func(w *modelWatcher) bool { return w == watcher })
	return nil
}

// wake wakes everybody who watches. Needless calls are allowed.
func (m *model) wake() {
	unlock := m.hold()
	watchers := slices.Clone(m.watchers)
	unlock()
	for _, w := range watchers {
		w.wake()
	}
}
