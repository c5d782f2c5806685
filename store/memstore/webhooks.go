package memstore

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
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
	m := s.merchant(merchantID)
	defer s.leave(m)
	if m.webhooks[w.ID] != nil {
		return store.Webhook{}, fmt.Errorf("memstore: create webhook %s: %w", w.ID, store.ErrConflict)
	}
	if limit > 0 && len(m.webhooks) >= limit {
		return store.Webhook{}, fmt.Errorf("memstore: create webhook number %d: %w", limit+1, store.ErrLimit)
	}
	w = w.AsNew(merchantID, stamp(now))
	w.Events, w.Metadata = slices.Clone(w.Events), maps.Clone(w.Metadata)
	made := newWebhook(m, w)
	made.limit(w.RateLimit, now)
	if len(m.webhooks) == 0 {
		i, _ := slices.BinarySearch(s.directory, m.id)
		s.directory = slices.Insert(s.directory, i, m.id)
	}
	m.webhooks[w.ID] = made
	i, _ := slices.BinarySearchFunc(m.byAge, made, byAge)
	m.byAge = slices.Insert(m.byAge, i, made)
	m.subscribe(made)
	made.note(made.Registered(stamp(now)))
	s.rank(made)
	return made.view(now), nil
}

// rank lists a webhook among those in trouble, or takes it out. It is called by whatever
// changes Status or UnwellSince.
func (s *Store) rank(w *webhook) {
	i, there := slices.BinarySearchFunc(s.troubled, w, byName)
	switch {
	case w.troubled() && !there:
		s.troubled = slices.Insert(s.troubled, i, w)
	case !w.troubled() && there:
		s.troubled = slices.Delete(s.troubled, i, i+1)
	}
}

func byName(a, b *webhook) int {
	return cmp.Or(cmp.Compare(a.MerchantID, b.MerchantID), cmp.Compare(a.ID, b.ID))
}

// Troubled implements [store.Directory]. A cursor is the merchant and the id of a webhook.
func (s *Store) Troubled(ctx context.Context, q store.TroubledQuery) (page store.WebhookPage, err error) {
	now, err := s.lock(ctx)
	if err != nil {
		return page, err
	}
	defer s.unlock()
	list := s.troubled
	if q.Cursor != "" {
		after, ok := strings.CutPrefix(q.Cursor, "after-")
		merchantID, id, both := strings.Cut(after, "\x00")
		if !ok || !both {
			return page, store.ErrCursor
		}
		i, _ := slices.BinarySearchFunc(list, &webhook{Webhook: store.Webhook{MerchantID: merchantID, ID: id + "\x00"}}, byName)
		list = list[i:]
	}
	last, more := look(slices.Values(list), q.Limit, func(w *webhook) bool {
		page.Webhooks = append(page.Webhooks, w.view(now))
		return true
	})
	if more {
		page.Next = "after-" + last.MerchantID + "\x00" + last.ID
	}
	return page, nil
}

// Changes implements [store.Webhooks].
func (s *Store) Changes(ctx context.Context, merchantID, webhookID string) ([]store.Change, error) {
	w, _, err := s.lockWebhook(ctx, merchantID, webhookID)
	if err != nil {
		return nil, err
	}
	defer s.unlock()
	out := slices.Clone(w.changes)
	slices.Reverse(out)
	for i := range out {
		out[i].Fields, out[i].Events = slices.Clone(out[i].Fields), slices.Clone(out[i].Events)
	}
	return out, nil
}

func byAge(a, b *webhook) int {
	return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
}

// subscribe enters an active webhook under its event types.
func (m *merchant) subscribe(w *webhook) {
	if w.active() {
		for _, kind := range w.kinds() {
			m.subscribers[kind] = append(m.subscribers[kind], w)
		}
	}
}

// unsubscribe takes a webhook out from under its event types.
func (m *merchant) unsubscribe(w *webhook) {
	for _, kind := range w.kinds() {
		list := slices.DeleteFunc(m.subscribers[kind], func(o *webhook) bool { return o == w })
		if m.subscribers[kind] = list; len(list) == 0 {
			delete(m.subscribers, kind)
		}
	}
}

// kinds lists the event types of a webhook, each once, without those that another one of
// them takes in. So no event fits two of them.
func (w *webhook) kinds() []string {
	kinds := slices.Compact(slices.Sorted(slices.Values(w.Events)))
	return slices.DeleteFunc(kinds, func(kind string) bool {
		return slices.ContainsFunc(store.Patterns(kind)[1:], func(wider string) bool { return slices.Contains(w.Events, wider) })
	})
}

// Webhook implements [store.Webhooks].
func (s *Store) Webhook(ctx context.Context, merchantID, webhookID string) (store.Webhook, error) {
	w, now, err := s.lockWebhook(ctx, merchantID, webhookID)
	if err != nil {
		return store.Webhook{}, err
	}
	defer s.unlock()
	return w.view(now), nil
}

// ListWebhooks implements [store.Webhooks]. A cursor is the age and the id of a webhook.
func (s *Store) ListWebhooks(ctx context.Context, merchantID string, q store.WebhookQuery) (page store.WebhookPage, err error) {
	now, err := s.lock(ctx)
	if err != nil {
		return page, err
	}
	defer s.unlock()
	var list []*webhook
	if m := s.merchants[merchantID]; m != nil {
		list = m.byAge
	}
	if q.Cursor != "" {
		ms, id, _ := strings.Cut(q.Cursor, "-")
		created, err := strconv.ParseInt(ms, 10, 64)
		if err != nil {
			return page, store.ErrCursor
		}
		next := &webhook{Webhook: store.Webhook{ID: id + "\x00", CreatedAt: stamp(created)}}
		i, _ := slices.BinarySearchFunc(list, next, byAge)
		list = list[i:]
	}
	last, more := look(slices.Values(list), q.Limit, func(w *webhook) bool {
		if q.ActiveOnly && !w.active() {
			return false
		}
		page.Webhooks = append(page.Webhooks, w.view(now))
		return true
	})
	if more {
		page.Next = strconv.FormatInt(last.CreatedAt.UnixMilli(), 10) + "-" + last.ID
	}
	return page, nil
}

// Merchants implements [store.Directory]. The order is that of the ids.
func (s *Store) Merchants(ctx context.Context, q store.MerchantQuery) (page store.MerchantPage, err error) {
	if _, err := s.lock(ctx); err != nil {
		return page, err
	}
	defer s.unlock()
	list := s.directory
	if q.Cursor != "" {
		id, ok := strings.CutPrefix(q.Cursor, "after-")
		if !ok {
			return page, store.ErrCursor
		}
		i, _ := slices.BinarySearch(list, id+"\x00") // the least id after that one
		list = list[i:]
	}
	last, more := look(slices.Values(list), q.Limit, func(id string) bool {
		page.Merchants = append(page.Merchants, id)
		return true
	})
	if more {
		page.Next = "after-" + last
	}
	return page, nil
}

// UpdateWebhook implements [store.Webhooks].
func (s *Store) UpdateWebhook(ctx context.Context, merchantID, webhookID string, u store.WebhookUpdate) (store.Webhook, error) {
	w, now, err := s.lockWebhook(ctx, merchantID, webhookID)
	if err != nil {
		return store.Webhook{}, err
	}
	defer s.unlock()
	w.dropPrevious(now)
	if err := w.check(u); err != nil {
		return store.Webhook{}, err
	}
	before := w.Webhook
	w.owner.unsubscribe(w)
	if u.URL != nil && *u.URL != w.URL || u.Status != nil && *u.Status == store.Active && !w.active() {
		w.ConsecutiveFailures = 0
		s.unwell(w, time.Time{})
		w.Epoch++
		w.held = 0
	}
	w.apply(u, now)
	if u.Status != nil && *u.Status != w.Status {
		s.turnTo(w, *u.Status, u.Reason, now)
	}
	w.owner.subscribe(w)
	s.rekey(w, now)
	w.Version++
	w.UpdatedAt, w.UpdatedBy = stamp(now), u.By
	if c, ok := u.Change(before, w.Webhook); ok {
		w.note(c)
	}
	return w.view(now), nil
}

// check says if an update is meant for the webhook as it is.
func (w *webhook) check(u store.WebhookUpdate) error {
	if u.IfVersion != 0 && u.IfVersion != w.Version {
		return fmt.Errorf("memstore: change webhook %s of version %d: %w", w.ID, w.Version, store.ErrVersion)
	}
	if r := u.Reseal; r != nil && (r.OldSecret != w.Secret || r.OldPrevious != w.PreviousSecret || r.OldHeaders != w.Headers) {
		return fmt.Errorf("memstore: reseal webhook %s of other sealed text: %w", w.ID, store.ErrVersion)
	}
	return nil
}

// apply changes everything but the status.
func (w *webhook) apply(u store.WebhookUpdate, now int64) {
	set(&w.URL, u.URL)
	set(&w.Encoding, u.Encoding)
	set(&w.Description, u.Description)
	if u.Events != nil {
		w.Events = slices.Clone(u.Events)
	}
	if u.Metadata != nil {
		w.Metadata = maps.Clone(u.Metadata)
	}
	if r := u.Reseal; r != nil {
		w.Secret, w.PreviousSecret, w.Headers = r.Secret, r.Previous, r.Headers
	}
	set(&w.Headers, u.Headers)
	if u.Rotate != nil {
		w.PreviousSecret, w.PreviousUntil = w.Secret, stamp(now+u.KeepPrevious.Milliseconds())
		w.Secret = *u.Rotate
	}
	w.dropPrevious(now)
	if u.RateLimit != nil && *u.RateLimit != w.RateLimit {
		w.limit(*u.RateLimit, now)
	}
}

func set(field, to *string) {
	if to != nil {
		*field = *to
	}
}

// turnTo changes the status. The caller keeps subscribers and ready right.
func (s *Store) turnTo(w *webhook, to store.Status, reason string, now int64) {
	w.Status = to
	if w.active() {
		w.DisabledReason, w.DisabledAt = "", time.Time{}
		s.paused.remove(w)
	} else {
		w.DisabledReason, w.DisabledAt = reason, stamp(now)
		s.paused.set(w, key{at: distantPast})
	}
	s.rank(w)
}

// unwell sets since when a webhook is unwell.
func (s *Store) unwell(w *webhook, since time.Time) {
	if since != w.UnwellSince {
		w.UnwellSince = since
		s.rank(w)
	}
}

// DeleteWebhook implements [store.Webhooks]. It looks at each delivery, so one with a
// million of them holds up other calls for a moment.
func (s *Store) DeleteWebhook(ctx context.Context, merchantID, webhookID string, ifVersion int64) error {
	w, _, err := s.lockWebhook(ctx, merchantID, webhookID)
	if err != nil {
		return err
	}
	defer s.unlock()
	if err := w.check(store.WebhookUpdate{IfVersion: ifVersion}); err != nil {
		return err
	}
	for d := range w.deliveries.after(0) {
		if d.phase == leased {
			s.endLease(d)
		}
		if d.pending() {
			s.settle(d.event)
		}
	}
	for n := range s.notices.after(0) {
		if n.MerchantID == merchantID && n.WebhookID == webhookID {
			s.removeNotice(n)
		}
	}
	w.Status, w.UnwellSince = store.Active, time.Time{}
	s.rank(w)
	for _, h := range []*heap[*webhook]{&s.ready, &s.expiring, &s.oldest, &s.fullest, &s.paused} {
		h.remove(w)
	}
	m := w.owner
	m.unsubscribe(w)
	m.byAge = slices.DeleteFunc(m.byAge, func(o *webhook) bool { return o == w })
	delete(m.webhooks, webhookID)
	if len(m.webhooks) == 0 {
		s.directory = slices.DeleteFunc(s.directory, func(id string) bool { return id == m.id })
	}
	s.leave(m)
	// Events may name the webhook for longer, but then without its deliveries.
	*w = webhook{Webhook: store.Webhook{ID: w.ID}, deliveries: series[delivery]{prefix: w.deliveries.prefix}}
	return nil
}
