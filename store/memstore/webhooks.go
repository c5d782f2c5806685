package memstore

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// CreateWebhook implements [store.Webhooks].
func (s *Store) CreateWebhook(ctx context.Context, merchantID string, w store.Webhook, limit int) (store.Webhook, error) {
	now, err := s.lock(ctx)
	if err != nil {
		return store.Webhook{}, err
	}
	defer s.unlock()
	if m := s.merchants[merchantID]; m != nil {
		if m.webhooks[w.ID] != nil {
			return store.Webhook{}, fmt.Errorf("webhook %s: %w", w.ID, store.ErrConflict)
		}
		if limit > 0 && len(m.webhooks) >= limit {
			return store.Webhook{}, fmt.Errorf("%d webhooks: %w", len(m.webhooks), store.ErrLimit)
		}
	}
	m := s.merchant(merchantID)
	at := stamp(now)
	made := newWebhook(m, store.Webhook{
		ID: w.ID, MerchantID: merchantID, URL: w.URL, Events: slices.Clone(w.Events),
		Status: w.Status, DisabledReason: w.DisabledReason,
		Secret: w.Secret, Encoding: w.Encoding,
		Description: w.Description, Metadata: maps.Clone(w.Metadata), Headers: w.Headers,
		Epoch: 1, Version: 1, CreatedAt: at, UpdatedAt: at,
	})
	made.limit(w.RateLimit, now)
	m.webhooks[w.ID] = made
	i, _ := slices.BinarySearchFunc(m.list, made, byAge)
	m.list = slices.Insert(m.list, i, made)
	m.subscribe(made)
	return made.view(now), nil
}

func byAge(a, b *webhook) int {
	return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
}

func byID(a, b *webhook) int { return cmp.Compare(a.ID, b.ID) }

// subscribe enters an active webhook under its event types.
func (m *merchant) subscribe(w *webhook) {
	if !w.active() {
		return
	}
	for _, kind := range w.Events {
		list := m.subscribers[kind]
		if i, there := slices.BinarySearchFunc(list, w, byID); !there {
			m.subscribers[kind] = slices.Insert(list, i, w)
		}
	}
}

// unsubscribe takes a webhook out from under its event types.
func (m *merchant) unsubscribe(w *webhook) {
	for _, kind := range w.Events {
		list := m.subscribers[kind]
		i, there := slices.BinarySearchFunc(list, w, byID)
		switch {
		case !there:
		case len(list) == 1:
			delete(m.subscribers, kind)
		default:
			m.subscribers[kind] = slices.Delete(list, i, i+1)
		}
	}
}

// Webhook implements [store.Webhooks].
func (s *Store) Webhook(ctx context.Context, merchantID, webhookID string) (store.Webhook, error) {
	now, err := s.lock(ctx)
	if err != nil {
		return store.Webhook{}, err
	}
	defer s.unlock()
	w := s.webhook(merchantID, webhookID)
	if w == nil {
		return store.Webhook{}, noWebhook(webhookID)
	}
	return w.view(now), nil
}

func noWebhook(id string) error { return fmt.Errorf("webhook %s: %w", id, store.ErrNotFound) }

// ListWebhooks implements [store.Webhooks].
func (s *Store) ListWebhooks(ctx context.Context, merchantID string, q store.WebhookQuery) (store.WebhookPage, error) {
	now, err := s.lock(ctx)
	if err != nil {
		return store.WebhookPage{}, err
	}
	defer s.unlock()
	var page store.WebhookPage
	m := s.merchants[merchantID]
	if m == nil {
		return page, nil
	}
	for _, w := range m.list {
		if q.ActiveOnly && !w.active() {
			continue
		}
		page.Total++
		if page.Total > q.Offset && (q.Limit <= 0 || len(page.Webhooks) < q.Limit) {
			page.Webhooks = append(page.Webhooks, w.view(now))
		}
	}
	return page, nil
}

// UpdateWebhook implements [store.Webhooks].
func (s *Store) UpdateWebhook(ctx context.Context, merchantID, webhookID string, u store.WebhookUpdate) (store.Webhook, error) {
	now, err := s.lock(ctx)
	if err != nil {
		return store.Webhook{}, err
	}
	defer s.unlock()
	w := s.webhook(merchantID, webhookID)
	if w == nil {
		return store.Webhook{}, noWebhook(webhookID)
	}
	w.dropPrevious(now)
	if err := w.check(u); err != nil {
		return store.Webhook{}, err
	}
	w.owner.unsubscribe(w)
	w.apply(u, now)
	if u.RateLimit != nil && *u.RateLimit != w.RateLimit {
		w.limit(*u.RateLimit, now)
		s.offer(w)
	}
	if u.Status != nil && *u.Status != w.Status {
		s.turn(w, *u.Status, u.Reason, now)
	}
	w.owner.subscribe(w)
	w.Version++
	w.UpdatedAt = stamp(now)
	return w.view(now), nil
}

// check says if an update is still for the webhook as it is.
func (w *webhook) check(u store.WebhookUpdate) error {
	if u.IfVersion != 0 && u.IfVersion != w.Version {
		return fmt.Errorf("webhook %s has version %d: %w", w.ID, w.Version, store.ErrVersion)
	}
	if r := u.Reseal; r != nil &&
		(r.OldSecret != w.Secret || r.OldPrevious != w.PreviousSecret || r.OldHeaders != w.Headers) {
		return fmt.Errorf("webhook %s has other sealed text: %w", w.ID, store.ErrVersion)
	}
	return nil
}

// apply changes what has no part in the queue.
func (w *webhook) apply(u store.WebhookUpdate, now int64) {
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
	if r := u.Reseal; r != nil {
		w.Secret, w.PreviousSecret, w.Headers = r.Secret, r.Previous, r.Headers
	}
	if u.Headers != nil {
		w.Headers = *u.Headers
	}
	if u.Rotate != nil {
		w.PreviousSecret, w.PreviousUntil = w.Secret, stamp(now+u.KeepPrevious.Milliseconds())
		w.Secret = *u.Rotate
	}
	w.dropPrevious(now)
}

// turn changes the status. The caller keeps the subscribers right.
func (s *Store) turn(w *webhook, to store.Status, reason string, now int64) {
	w.Status = to
	if w.active() {
		w.DisabledReason, w.DisabledAt = "", time.Time{}
		w.ConsecutiveFailures = 0
		w.Epoch++
		s.paused.remove(w)
	} else {
		w.DisabledReason, w.DisabledAt = reason, stamp(now)
		s.paused.set(w, key{at: distantPast})
	}
	s.offer(w)
}

// DeleteWebhook implements [store.Webhooks]. It forgets a large backlog in
// steps, between which other calls get their turn, and returns when all is gone.
func (s *Store) DeleteWebhook(ctx context.Context, merchantID, webhookID string, ifVersion int64) error {
	if _, err := s.lock(ctx); err != nil {
		return err
	}
	defer s.unlock()
	w := s.webhook(merchantID, webhookID)
	if w == nil {
		return noWebhook(webhookID)
	}
	if err := w.check(store.WebhookUpdate{IfVersion: ifVersion}); err != nil {
		return err
	}
	m := w.owner
	m.unsubscribe(w)
	m.list = slices.DeleteFunc(m.list, func(o *webhook) bool { return o == w })
	for _, h := range []*heap[*webhook]{&s.ready, &s.expiring, &s.oldest, &s.fullest, &s.paused} {
		h.remove(w)
	}
	for _, n := range m.notices {
		if n.WebhookID == webhookID {
			s.notices.remove(m, n)
		}
	}
	delete(m.webhooks, webhookID)

	// Nothing shows the webhook any more; only its events count it still.
	s.sweeping++
	for i, p := range w.log.pages {
		if i > 0 {
			s.unlock()
			s.mu.Lock()
		}
		for _, d := range p.records {
			d.event.disown(d)
			if d.pending() {
				s.settleEvent(d.event)
			}
		}
	}
	s.sweeping--
	s.leave(m)
	return nil
}
