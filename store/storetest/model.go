package storetest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
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
	made       int // numbers events, deliveries and notices in the order of their making
	webhooks   []*modelWebhook
	events     []*modelEvent
	deliveries []*modelDelivery
	notices    []*modelNotice
	jobs       []*modelJob // in the order of adding
	seen       []*modelSeen
	watchers   []*modelWatcher
	perWebhook int // of the last claim
	matches    func(events []string, eventType string) bool
	deleted    int // pending deliveries that went with their webhooks, since Prune
}

type modelWebhook struct {
	store.Webhook
	bucket modelBucket
	line   modelLine
	held   time.Time // until then nothing but tests is claimable

	disabler string         // the result that disabled it last
	changes  []store.Change // oldest first
}

type modelWatcher struct{ wake func() }

func newModel(now time.Time) *model {
	return &model{now: now, perWebhook: endless, matches: store.Matches}
}

// Volatile implements [store.Volatile].
func (m *model) Volatile() bool { return true }

func (m *model) advance(d time.Duration) {
	defer m.lock()()
	foreseen := m.claimableAt(m.perWebhook)
	m.now = m.now.Add(d)
	m.lineUp(foreseen)
}

// lock locks the model and returns what unlocks it.
func (m *model) lock() func() {
	m.mu.Lock()
	return m.mu.Unlock
}

// change locks the model for a call that changes it, and returns what ends the
// call: webhooks line up anew, and everybody who watches is woken.
func (m *model) change() func() {
	m.mu.Lock()
	return func() {
		m.lineUp(nil)
		watchers := slices.Clone(m.watchers)
		m.mu.Unlock()
		for _, w := range watchers {
			w.wake() // Needless calls are allowed.
		}
	}
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

// find returns the first that is like that, or nil.
func find[T any](list []*T, is func(*T) bool) *T {
	if i := slices.IndexFunc(list, is); i >= 0 {
		return list[i]
	}
	return nil
}

// count counts what is like that.
func count[T any](list []T, is func(T) bool) int {
	return len(slices.DeleteFunc(slices.Clone(list), func(v T) bool { return !is(v) }))
}

// assign sets a field to what an update says, if it says anything.
func assign[T any](field, update *T) {
	if update != nil {
		*field = *update
	}
}

func (m *model) webhook(merchantID, webhookID string) *modelWebhook {
	return find(m.webhooks, func(w *modelWebhook) bool { return w.MerchantID == merchantID && w.ID == webhookID })
}

// webhookOf is the webhook that d goes to.
func (m *model) webhookOf(d *modelDelivery) *modelWebhook {
	return m.webhook(d.MerchantID, d.WebhookID)
}

// shown is a webhook as the caller sees it.
func (m *model) shown(w *modelWebhook) store.Webhook {
	out := w.Webhook
	out.Events = slices.Clone(w.Events)
	out.Metadata = maps.Clone(w.Metadata)
	if m.over(w.PreviousUntil) {
		out.PreviousSecret, out.PreviousUntil = "", time.Time{}
	}
	return out
}

// CreateWebhook implements [store.Webhooks].
func (m *model) CreateWebhook(_ context.Context, merchantID string, given store.Webhook, limit int) (store.Webhook, error) {
	defer m.change()()
	if m.webhook(merchantID, given.ID) != nil {
		return store.Webhook{}, store.ErrConflict
	}
	if limit > 0 && count(m.webhooks, func(w *modelWebhook) bool { return w.MerchantID == merchantID }) >= limit {
		return store.Webhook{}, store.ErrLimit
	}
	w := &modelWebhook{Webhook: store.Webhook{
		ID: given.ID, MerchantID: merchantID, URL: given.URL, Events: slices.Clone(given.Events), Status: given.Status,
		DisabledReason: given.DisabledReason, Secret: given.Secret, Encoding: given.Encoding,
		PreviousSecret: given.PreviousSecret, PreviousUntil: given.PreviousUntil,
		Description: given.Description, Metadata: maps.Clone(given.Metadata), Headers: given.Headers,
		Epoch: 1, Version: 1, CreatedAt: m.brought(given.CreatedAt), UpdatedAt: m.brought(given.UpdatedAt), UpdatedBy: given.UpdatedBy,
	}}
	if given.Status == store.Disabled && !given.DisabledAt.IsZero() {
		w.DisabledAt = m.brought(given.DisabledAt)
	}
	m.limit(w, given.RateLimit)
	w.changes = []store.Change{w.Registered(m.now)}
	m.webhooks = append(m.webhooks, w)
	return m.shown(w), nil
}

// brought is a time of a webhook that comes from another store.
func (m *model) brought(t time.Time) time.Time {
	if t.IsZero() || t.After(m.now) {
		return m.now
	}
	return t
}

// Webhook implements [store.Webhooks].
func (m *model) Webhook(_ context.Context, merchantID, webhookID string) (store.Webhook, error) {
	defer m.lock()()
	w := m.webhook(merchantID, webhookID)
	if w == nil {
		return store.Webhook{}, store.ErrNotFound
	}
	return m.shown(w), nil
}

// ListWebhooks implements [store.Webhooks].
func (m *model) ListWebhooks(_ context.Context, merchantID string, q store.WebhookQuery) (store.WebhookPage, error) {
	defer m.lock()()
	all := slices.SortedFunc(slices.Values(m.webhooks), func(a, b *modelWebhook) int {
		return cmp.Or(millis(a.CreatedAt, b.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	all = slices.DeleteFunc(all, func(w *modelWebhook) bool {
		return w.MerchantID != merchantID || q.ActiveOnly && w.Status != store.Active
	})
	place := func(w *modelWebhook) string { return "w" + w.CreatedAt.UTC().Format("2006-01-02T15:04:05.000") + w.ID }
	list, next, err := page(all, "w", q.Cursor, q.Limit, place)
	return store.WebhookPage{Webhooks: pick(list, m.shown), Next: next}, err
}

// Changes implements [store.Webhooks].
func (m *model) Changes(_ context.Context, merchantID, webhookID string) ([]store.Change, error) {
	defer m.lock()()
	w := m.webhook(merchantID, webhookID)
	if w == nil {
		return nil, store.ErrNotFound
	}
	out := slices.Clone(w.changes[max(0, len(w.changes)-store.MaxChanges):])
	slices.Reverse(out)
	return out, nil
}

// Troubled implements [store.Directory].
func (m *model) Troubled(_ context.Context, q store.TroubledQuery) (store.WebhookPage, error) {
	defer m.lock()()
	place := func(w *modelWebhook) string { return "t" + w.MerchantID + "|" + w.ID }
	all := slices.SortedFunc(slices.Values(m.webhooks), func(a, b *modelWebhook) int { return cmp.Compare(place(a), place(b)) })
	all = slices.DeleteFunc(all, func(w *modelWebhook) bool { return w.Status == store.Active && w.UnwellSince.IsZero() })
	list, next, err := page(all, "t", q.Cursor, q.Limit, place)
	return store.WebhookPage{Webhooks: pick(list, m.shown), Next: next}, err
}

// Merchants implements [store.Directory].
func (m *model) Merchants(_ context.Context, q store.MerchantQuery) (store.MerchantPage, error) {
	defer m.lock()()
	all := pick(m.webhooks, func(w *modelWebhook) string { return w.MerchantID })
	slices.Sort(all)
	list, next, err := page(slices.Compact(all), "m", q.Cursor, q.Limit, func(id string) string { return "m" + id })
	return store.MerchantPage{Merchants: list, Next: next}, err
}

// page cuts a page out of a list. A cursor is the place of the last record that was
// shown, and place rises along the list.
func page[T any](list []T, kind, cursor string, limit int, place func(T) string) (out []T, next string, err error) {
	if cursor != "" && !strings.HasPrefix(cursor, kind) {
		return nil, "", store.ErrCursor
	}
	list = slices.DeleteFunc(slices.Clone(list), func(r T) bool { return place(r) <= cursor })
	if len(list) <= limit {
		return list, "", nil
	}
	return list[:limit], place(list[limit-1]), nil
}

// UpdateWebhook implements [store.Webhooks].
func (m *model) UpdateWebhook(_ context.Context, merchantID, webhookID string, u store.WebhookUpdate) (store.Webhook, error) {
	defer m.change()()
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
	before := w.Webhook
	w.Version++
	w.UpdatedAt, w.UpdatedBy = m.now, u.By
	anew := u.URL != nil && *u.URL != w.URL || u.Status != nil && *u.Status == store.Active && w.Status != store.Active
	if anew {
		w.ConsecutiveFailures, w.UnwellSince = 0, time.Time{}
		w.Epoch++
		w.held = time.Time{}
	}
	assign(&w.URL, u.URL)
	if u.Events != nil {
		w.Events = slices.Clone(u.Events)
	}
	assign(&w.Encoding, u.Encoding)
	assign(&w.Description, u.Description)
	if u.Metadata != nil {
		w.Metadata = maps.Clone(u.Metadata)
	}
	if u.Reseal != nil {
		w.Secret, w.PreviousSecret, w.Headers = u.Reseal.Secret, u.Reseal.Previous, u.Reseal.Headers
	}
	assign(&w.Headers, u.Headers)
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
			w.DisabledReason, w.DisabledAt = "", time.Time{}
		} else {
			w.DisabledReason, w.DisabledAt = u.Reason, m.now
		}
	}
	if c, ok := u.Change(before, w.Webhook); ok {
		w.changes = append(w.changes, c)
	}
	return m.shown(w), nil
}

// DeleteWebhook implements [store.Webhooks].
func (m *model) DeleteWebhook(_ context.Context, merchantID, webhookID string, ifVersion int64) error {
	defer m.change()()
	w := m.webhook(merchantID, webhookID)
	if w == nil {
		return store.ErrNotFound
	}
	if ifVersion != 0 && ifVersion != w.Version {
		return store.ErrVersion
	}
	m.webhooks = without(m.webhooks, w)
	m.deleted += count(m.deliveries, func(d *modelDelivery) bool { return d.of(w) && d.pending() })
	m.deliveries = slices.DeleteFunc(m.deliveries, func(d *modelDelivery) bool { return d.of(w) })
	m.notices = slices.DeleteFunc(m.notices, func(n *modelNotice) bool {
		return n.MerchantID == merchantID && n.WebhookID == webhookID
	})
	return nil
}

// without is a list without one record.
func without[T comparable](list []T, gone T) []T {
	return slices.DeleteFunc(list, func(r T) bool { return r == gone })
}

// Watch implements [store.Queue].
func (m *model) Watch(ctx context.Context, wake func()) error {
	watcher := &modelWatcher{wake}
	unlock := m.lock()
	m.watchers = append(m.watchers, watcher)
	unlock()
	wake()
	<-ctx.Done()
	defer m.lock()()
	m.watchers = without(m.watchers, watcher)
	return nil
}
