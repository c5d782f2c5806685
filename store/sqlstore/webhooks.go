package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// webhook is a record with what only this store knows of it.
type webhook struct {
	store.Webhook

	wh           int64
	level, taken int64 // of the bucket
	now          int64 // when it was read
	damaged      error // an *unreadable: its fields are not all there
}

// webhookColumns are what scan reads, before the time.
const webhookColumns = `w.wid, w.merchant, w.url, w.events, w.active, w.reason, w.disabled, w.secret, w.previous, w.previous_until, w.encoding,
	w.description, w.metadata, w.headers, w.version, w.mark, w.created, w.updated, w.updated_by, w.wh,
	r.rate, r.level, r.taken, r.epoch, r.streak, r.failing, r.unwell, r.succeeded, r.disablings, r.pruned`

// scan reads the columns of the statements webhook, webhooks and troubled.
func (w *webhook) scan(row scan) error {
	var events, metadata string
	var active bool
	var disabled, previous, created, updated, failing, unwell, succeeded, pruned int64
	err := row(&w.ID, &w.MerchantID, &w.URL, &events, &active, &w.DisabledReason, &disabled, &w.Secret, &w.PreviousSecret, &previous,
		&w.Encoding, &w.Description, &metadata, &w.Headers, &w.Version, &w.Mark, &created, &updated, &w.UpdatedBy, &w.wh,
		&w.RateLimit, &w.level, &w.taken, &w.Epoch, &w.ConsecutiveFailures, &failing, &unwell, &succeeded, &w.Disablings, &pruned, &w.now)
	if err != nil {
		return err
	}
	w.Status = store.Disabled
	if active {
		w.Status = store.Active
	}
	decodeAll(&w.ID, &w.MerchantID, &w.URL, &w.DisabledReason, &w.Secret, &w.PreviousSecret, &w.Encoding, &w.Description, &w.Headers, &w.Mark, &w.UpdatedBy)
	w.DisabledAt, w.PreviousUntil, w.CreatedAt, w.UpdatedAt = stamp(disabled), stamp(previous), stamp(created), stamp(updated)
	w.FailingSince, w.UnwellSince, w.LastSuccess, w.PrunedUntil = stamp(failing), stamp(unwell), stamp(succeeded), stamp(pruned)
	w.dropPrevious()
	if w.Events, err = readList(events); err != nil {
		w.damaged = &unreadable{"events"}
	}
	if w.Metadata, err = readMap(metadata); err != nil {
		w.damaged = &unreadable{"metadata"}
	}
	return nil
}

// dropPrevious empties the previous secret if its time is over.
func (w *webhook) dropPrevious() {
	if w.PreviousUntil.UnixMilli() <= w.now {
		w.PreviousSecret, w.PreviousUntil = "", time.Time{}
	}
}

// writeList and writeMap write opaque texts as JSON.
func writeList(list []string) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = encode(s)
	}
	return marshal(out)
}

func readList(text string) ([]string, error) {
	var out []string
	err := json.Unmarshal([]byte(text), &out)
	for i, s := range out {
		out[i] = decode(s)
	}
	return out, err
}

func writeMap(m map[string]string) string {
	if m == nil {
		return "null"
	}
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[encode(k)] = encode(v)
	}
	return marshal(out)
}

func readMap(text string) (map[string]string, error) {
	var in map[string]string
	if err := json.Unmarshal([]byte(text), &in); err != nil || in == nil {
		return nil, err
	}
	out := make(map[string]string, len(in))
	for k, v := range in {
		out[decode(k)] = decode(v)
	}
	return out, nil
}

// marshal writes JSON of values that always have one.
func marshal(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(out)
}

// CreateWebhook implements [store.Webhooks].
func (s *Store) CreateWebhook(ctx context.Context, merchantID string, w store.Webhook, limit int) (out store.Webhook, err error) {
	err = s.transact(ctx, "create webhook", func(tx querier) error {
		if _, err := s.exec(ctx, tx, "merchant_lock", encode(merchantID)); err != nil {
			return err
		}
		var all, same int
		var now int64
		_, err := s.one(ctx, tx, "webhook_count", func(row scan) error { return row(&all, &same, &now) }, encode(merchantID), encode(w.ID), s.now())
		switch {
		case err != nil:
			return err
		case same > 0:
			return fmt.Errorf("sqlstore: create webhook %s: %w", w.ID, store.ErrConflict)
		case limit > 0 && all >= limit:
			return fmt.Errorf("sqlstore: create webhook number %d: %w", limit+1, store.ErrLimit)
		}
		w = w.AsNew(merchantID, stamp(now))
		_, err = s.exec(ctx, tx, "webhook_insert", encode(merchantID), encode(w.ID), encode(w.URL), writeList(w.Events), w.Status == store.Active,
			encode(w.DisabledReason), encode(w.Secret), encode(w.Encoding), encode(w.Description), writeMap(w.Metadata), encode(w.Headers), now, w.RateLimit,
			millis(w.DisabledAt), encode(w.PreviousSecret), millis(w.PreviousUntil), millis(w.CreatedAt), millis(w.UpdatedAt), encode(w.UpdatedBy))
		if err != nil {
			return err
		}
		made, err := s.whole(ctx, tx, merchantID, w.ID)
		if err != nil {
			return err
		}
		out = made.Webhook
		return s.addChange(ctx, tx, made.wh, out.Registered(stamp(now)))
	})
	return out, err
}

func (s *Store) read(ctx context.Context, q querier, merchantID, webhookID string) (*webhook, error) {
	w := &webhook{}
	found, err := s.one(ctx, q, "webhook", w.scan, encode(merchantID), encode(webhookID), s.now())
	if err == nil && !found {
		err = noWebhook(webhookID)
	}
	return w, err
}

// whole is read for those who need all of the webhook.
func (s *Store) whole(ctx context.Context, q querier, merchantID, webhookID string) (*webhook, error) {
	w, err := s.read(ctx, q, merchantID, webhookID)
	if err == nil && w.damaged != nil {
		err = damaged("webhook", webhookID, w.damaged)
	}
	return w, err
}

func noWebhook(id string) error {
	return fmt.Errorf("sqlstore: find webhook %s: %w", id, store.ErrNotFound)
}

func (s *Store) webhook(ctx context.Context, q querier, merchantID, webhookID string) (store.Webhook, error) {
	w, err := s.whole(ctx, q, merchantID, webhookID)
	if err != nil {
		return store.Webhook{}, err
	}
	return w.Webhook, nil
}

// Webhook implements [store.Webhooks].
func (s *Store) Webhook(ctx context.Context, merchantID, webhookID string) (store.Webhook, error) {
	w, err := s.webhook(ctx, s.reads, merchantID, webhookID)
	if err != nil {
		s.noteWebhook(ctx, merchantID, webhookID, err)
	}
	return w, err
}

// ListWebhooks implements [store.Webhooks]. A cursor is the age and the id of a webhook.
func (s *Store) ListWebhooks(ctx context.Context, merchantID string, q store.WebhookQuery) (page store.WebhookPage, err error) {
	var created int64
	var id string
	if q.Cursor != "" {
		age, after, ok := strings.Cut(q.Cursor, "-")
		if created, ok = readAge(age, ok); !ok {
			return page, store.ErrCursor
		}
		id = after
	}
	page, last, err := s.page(ctx, "webhooks", q.Limit, encode(merchantID), created, encode(id), q.ActiveOnly, q.Limit+1, s.now())
	if last != nil {
		page.Next = webhookCursor + strconv.FormatInt(last.CreatedAt.UnixMilli(), 10) + "-" + last.ID
	}
	return page, err
}

// page returns up to limit of the webhooks that a statement finds, and the last of them if there
// are more.
func (s *Store) page(ctx context.Context, name string, limit int, args ...any) (page store.WebhookPage, last *webhook, err error) {
	var all []*webhook
	err = s.each(ctx, s.reads, name, func(row scan) error {
		w := &webhook{}
		if err := w.scan(row); err != nil {
			return err
		}
		all = append(all, w)
		return nil
	}, args...)
	if err != nil {
		return page, nil, err
	}
	if len(all) > limit {
		all = all[:limit]
		last = all[limit-1]
	}
	for _, w := range all {
		if w.damaged != nil {
			page.Damaged = append(page.Damaged, w.ID)
			s.noteWebhook(ctx, w.MerchantID, w.ID, w.damaged)
			continue
		}
		page.Webhooks = append(page.Webhooks, w.Webhook)
	}
	return page, last, nil
}

func readAge(text string, ok bool) (int64, bool) {
	digits, begins := strings.CutPrefix(text, webhookCursor)
	ms, err := strconv.ParseInt(digits, 10, 64)
	return ms, ok && begins && err == nil
}

// Merchants implements [store.Directory]. The order is that of the ids.
func (s *Store) Merchants(ctx context.Context, q store.MerchantQuery) (page store.MerchantPage, err error) {
	after, ok := strings.CutPrefix(q.Cursor, merchantCursor)
	if q.Cursor != "" && !ok {
		return page, store.ErrCursor
	}
	err = s.each(ctx, s.reads, "merchants", func(row scan) error {
		var id string
		err := row(&id)
		page.Merchants = append(page.Merchants, decode(id))
		return err
	}, encode(after), q.Limit+1)
	if err != nil {
		return store.MerchantPage{}, err
	}
	if len(page.Merchants) > q.Limit {
		page.Merchants = page.Merchants[:q.Limit]
		page.Next = merchantCursor + page.Merchants[q.Limit-1]
	}
	return page, nil
}

// locked runs f on a webhook that nobody else can change, nor what moves its deliveries.
func (s *Store) locked(ctx context.Context, doing, merchantID, webhookID string, ifVersion int64, f func(tx querier, w *webhook) error) error {
	return s.transact(ctx, doing, func(tx querier) error {
		found, err := s.engine.lock(ctx, tx, merchantID, webhookID)
		if err == nil && !found {
			err = noWebhook(webhookID)
		}
		if err != nil {
			return err
		}
		w, err := s.read(ctx, tx, merchantID, webhookID)
		if err != nil {
			return err
		}
		if ifVersion != 0 && ifVersion != w.Version {
			return fmt.Errorf("sqlstore: %s %s of version %d: %w", doing, webhookID, w.Version, store.ErrVersion)
		}
		return f(tx, w)
	})
}

// UpdateWebhook implements [store.Webhooks].
func (s *Store) UpdateWebhook(ctx context.Context, merchantID, webhookID string, u store.WebhookUpdate) (out store.Webhook, err error) {
	err = s.locked(ctx, "change webhook", merchantID, webhookID, u.IfVersion, func(tx querier, w *webhook) error {
		if w.damaged != nil {
			return damaged("webhook", webhookID, w.damaged)
		}
		if r := u.Reseal; r != nil && (r.OldSecret != w.Secret || r.OldPrevious != w.PreviousSecret || r.OldHeaders != w.Headers) {
			return fmt.Errorf("sqlstore: reseal webhook %s of other sealed text: %w", webhookID, store.ErrVersion)
		}
		before := w.Webhook
		gotRoom := w.apply(u)
		_, err := s.exec(ctx, tx, "webhook_update", w.wh, encode(w.URL), writeList(w.Events), w.Status == store.Active,
			encode(w.DisabledReason), millis(w.DisabledAt), encode(w.Secret), encode(w.PreviousSecret), millis(w.PreviousUntil),
			encode(w.Encoding), encode(w.Description), writeMap(w.Metadata), encode(w.Headers), w.Version, w.now,
			w.RateLimit, w.level, w.taken, w.Epoch, w.ConsecutiveFailures, gotRoom, encode(w.UpdatedBy), millis(w.UnwellSince))
		if c, ok := u.Change(before, w.Webhook); ok && err == nil {
			err = s.addChange(ctx, tx, w.wh, c)
		}
		if err == nil {
			err = s.engine.lineUp(ctx, tx, w.wh)
		}
		out = w.Webhook
		return err
	})
	if err != nil {
		return store.Webhook{}, err
	}
	s.Wake()
	return out, nil
}

// apply changes a webhook, and says whether that lets it wait in line from now on.
func (w *webhook) apply(u store.WebhookUpdate) (gotRoom bool) {
	active := w.Status == store.Active
	if u.URL != nil && *u.URL != w.URL || u.Status != nil && *u.Status == store.Active && !active {
		w.ConsecutiveFailures, w.UnwellSince = 0, time.Time{}
		w.Epoch++
	}
	w.settings(u)
	w.secrets(u)
	if u.RateLimit != nil && *u.RateLimit != w.RateLimit {
		gotRoom = w.RateLimit > 0 && w.tokens() < token
		w.RateLimit = *u.RateLimit
		w.level, w.taken = token*int64(max(w.RateLimit, 0)), w.now
	}
	if u.Status != nil && *u.Status != w.Status {
		w.Status = *u.Status
		gotRoom = true
		w.DisabledReason, w.DisabledAt = u.Reason, stamp(w.now)
		if !active {
			w.DisabledReason, w.DisabledAt = "", time.Time{}
		}
	}
	w.Version++
	w.UpdatedAt, w.UpdatedBy = stamp(w.now), u.By
	return gotRoom
}

func (w *webhook) settings(u store.WebhookUpdate) {
	set(&w.URL, u.URL)
	set(&w.Encoding, u.Encoding)
	set(&w.Description, u.Description)
	if u.Events != nil {
		w.Events = append([]string{}, u.Events...)
	}
	if u.Metadata != nil {
		w.Metadata = maps.Clone(u.Metadata)
	}
}

func (w *webhook) secrets(u store.WebhookUpdate) {
	if r := u.Reseal; r != nil {
		w.Secret, w.PreviousSecret, w.Headers = r.Secret, r.Previous, r.Headers
	}
	set(&w.Headers, u.Headers)
	if u.Rotate != nil {
		w.PreviousSecret, w.PreviousUntil = w.Secret, stamp(w.now+u.KeepPrevious.Milliseconds())
		w.Secret = *u.Rotate
	}
	w.dropPrevious()
}

func set(field, to *string) {
	if to != nil {
		*field = *to
	}
}

// token is what one claimed delivery takes from a bucket.
const token = 1000

// tokens is what the bucket of w holds.
func (w *webhook) tokens() int64 { return bucket(w.RateLimit, w.level, w.taken, w.now) }

// bucket is what a bucket holds that held level when something was taken.
func bucket(rate int, level, taken, now int64) int64 {
	return min(level+int64(rate)*min(max(now-taken, 0), 1000), token*int64(rate))
}

// DeleteWebhook implements [store.Webhooks]. Prune removes the deliveries in steps.
func (s *Store) DeleteWebhook(ctx context.Context, merchantID, webhookID string, ifVersion int64) error {
	return s.locked(ctx, "delete webhook", merchantID, webhookID, ifVersion, func(tx querier, w *webhook) error {
		_, err := s.exec(ctx, tx, "webhook_delete", w.wh)
		return err
	})
}
