package redisstore

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// at finds the shard of a merchant.
func (s *Store) at(merchantID string) shard { return s.shards[pick(s.shards, merchantID)] }

// named says what a refusal is about.
func named(what, id string, err error) error { return fmt.Errorf("%s %s: %w", what, id, err) }

// CreateWebhook implements [store.Webhooks].
func (s *Store) CreateWebhook(ctx context.Context, merchantID string, w store.Webhook, limit int) (store.Webhook, error) {
	now, err := s.now(ctx)
	if err != nil {
		return store.Webhook{}, unanswered("create", err)
	}
	w = w.AsNew(merchantID, now)
	return s.save(ctx, &w, saving{limit: limit, change: packChange(w.Registered(now))})
}

// saving says how a webhook is to be stored.
type saving struct {
	version int64 // that it had, 0 for none
	limit   int   // of the merchant's webhooks, for a new one
	anew    bool  // a streak begins
	change  packer
}

func (s *Store) save(ctx context.Context, w *store.Webhook, how saving) (store.Webhook, error) {
	x := packSettings(w)
	args := []any{
		w.MerchantID, w.ID, rand.Text(), how.version, max(how.limit, 0), owner(w.MerchantID, w.ID), packHook(w),
		flag(w.Status == store.Active) + 2*flag(how.anew), packList(w.Events, 2), max(w.RateLimit, 0), []byte(how.change), len(x) / 2,
	}
	_, _, page, err := s.webhooks(ctx, call{name: "save", on: s.at(w.MerchantID), args: append(args, x...)})
	return one(page, w.ID, err)
}

// webhooks runs a script that answers webhooks, and returns the time and where to go on too.
func (s *Store) webhooks(ctx context.Context, c call) (now time.Time, next string, page store.WebhookPage, err error) {
	r, err := s.run(ctx, c)
	if err != nil {
		return now, "", page, err
	}
	now, next = r.time(), r.text()
	for r.more() {
		hook, state, settings := r.text(), r.text(), r.fields()
		w, err := unpackWebhook(hook, state, settings, now)
		switch {
		case err == nil:
			page.Webhooks = append(page.Webhooks, w)
		case hook == "":
			page.Damaged = append(page.Damaged, state)
		default:
			page.Damaged = append(page.Damaged, settings["id"])
		}
	}
	return now, next, page, r.check(c.name)
}

// one returns the only webhook that was asked for.
func one(page store.WebhookPage, id string, err error) (store.Webhook, error) {
	if err == nil && len(page.Webhooks) == 0 {
		err = errDamaged
	}
	if err != nil {
		return store.Webhook{}, named("webhook", id, err)
	}
	return page.Webhooks[0], nil
}

// webhook returns a webhook, and when it was read.
func (s *Store) webhook(ctx context.Context, merchantID, webhookID string) (store.Webhook, time.Time, error) {
	now, _, page, err := s.webhooks(ctx, call{name: "webhook", on: s.at(merchantID), args: []any{merchantID, webhookID, "", 1, 0}})
	w, err := one(page, webhookID, err)
	return w, now, err
}

// Webhook implements [store.Webhooks].
func (s *Store) Webhook(ctx context.Context, merchantID, webhookID string) (store.Webhook, error) {
	w, _, err := s.webhook(ctx, merchantID, webhookID)
	return w, err
}

// ListWebhooks implements [store.Webhooks]. It looks at a hundred webhooks at most.
func (s *Store) ListWebhooks(ctx context.Context, merchantID string, q store.WebhookQuery) (store.WebhookPage, error) {
	after, err := readPlace(webhookCursor, q.Cursor)
	if err != nil {
		return store.WebhookPage{}, err
	}
	_, next, page, err := s.webhooks(ctx, call{name: "webhook", on: s.at(merchantID), args: []any{
		merchantID, "", after, min(max(q.Limit, 1), batch), flag(q.ActiveOnly),
	}})
	if err != nil {
		return store.WebhookPage{}, err
	}
	if next != "" {
		page.Next = writePlace(webhookCursor, next)
	}
	return page, nil
}

// Merchants implements [store.Directory], one shard after the other.
func (s *Store) Merchants(ctx context.Context, q store.MerchantQuery) (store.MerchantPage, error) {
	var page store.MerchantPage
	from, err := readPlace(merchantCursor, q.Cursor)
	if err != nil {
		return page, err
	}
	i, after := 0, "-"
	if from != "" {
		i, after = pick(s.shards, from), "("+from
	}
	limit := min(max(q.Limit, 1), batch)
	for ; i < len(s.shards); i, after = i+1, "-" {
		r, err := s.run(ctx, call{name: "merchants", on: s.shards[i], args: []any{after, limit + 1 - len(page.Merchants)}})
		if err != nil {
			return store.MerchantPage{}, err
		}
		for r.more() {
			page.Merchants = append(page.Merchants, r.text())
		}
		if err := r.check("merchants"); err != nil {
			return store.MerchantPage{}, err
		}
		if len(page.Merchants) > limit {
			page.Merchants = page.Merchants[:limit]
			page.Next = writePlace(merchantCursor, page.Merchants[limit-1])
			break
		}
	}
	return page, nil
}

// Troubled implements [store.Directory], one shard after the other. A cursor has the index
// of a shard and the last number there.
func (s *Store) Troubled(ctx context.Context, q store.TroubledQuery) (store.WebhookPage, error) {
	var page store.WebhookPage
	from, err := readCursor(troubleCursor, q.Cursor)
	i, after := int(from>>32), from&(1<<32-1)
	if err != nil || i >= len(s.shards) {
		return page, store.ErrCursor
	}
	left := min(max(q.Limit, 1), batch)
	for ; i < len(s.shards); i, after = i+1, 0 {
		if left <= 0 {
			page.Next = writeCursor(troubleCursor, int64(i)<<32)
			break
		}
		_, next, part, err := s.webhooks(ctx, call{name: "trouble", on: s.shards[i], args: []any{after, left}})
		if err != nil {
			return store.WebhookPage{}, err
		}
		page.Webhooks, page.Damaged = append(page.Webhooks, part.Webhooks...), append(page.Damaged, part.Damaged...)
		left -= len(part.Webhooks) + len(part.Damaged)
		if next != "" {
			page.Next = writeCursor(troubleCursor, int64(i)<<32|integer(next))
			break
		}
	}
	return page, nil
}

// updateTries is how often UpdateWebhook reads again what somebody else has changed.
const updateTries = 100

// UpdateWebhook implements [store.Webhooks]. It stores what it has made of the webhook
// if nobody has changed it meanwhile, or else begins again.
func (s *Store) UpdateWebhook(ctx context.Context, merchantID, webhookID string, u store.WebhookUpdate) (store.Webhook, error) {
	for try := 1; ; try++ {
		was, now, err := s.webhook(ctx, merchantID, webhookID)
		if err != nil {
			return store.Webhook{}, err
		}
		w, err := apply(was, &u, now)
		if err != nil {
			return store.Webhook{}, named("webhook", webhookID, err)
		}
		how := saving{version: was.Version, anew: w.URL != was.URL || w.Status == store.Active && was.Status != store.Active}
		if c, ok := u.Change(was, w); ok {
			how.change = packChange(c)
		}
		w, err = s.save(ctx, &w, how)
		if !errors.Is(err, store.ErrVersion) || u.IfVersion != 0 || try == updateTries {
			return w, err
		}
	}
}

// collectSteps is how often DeleteWebhook itself takes away a part of what the
// webhook leaves. Prune does the rest.
const (
	collectSteps = 20
	collectBatch = 200
)

// DeleteWebhook implements [store.Webhooks]. What is left of a large backlog goes
// away in the following calls of Prune.
func (s *Store) DeleteWebhook(ctx context.Context, merchantID, webhookID string, ifVersion int64) error {
	h := s.at(merchantID)
	if _, err := s.run(ctx, call{name: "delete", on: h, args: []any{merchantID, webhookID, rand.Text(), ifVersion}}); err != nil {
		return named("webhook", webhookID, err)
	}
	for range collectSteps {
		if more, err := s.collect(ctx, h); !more || err != nil {
			return nil //nolint:nilerr // If it cannot, the webhook is deleted all the same.
		}
	}
	return nil
}

// collect takes away a part of what deleted webhooks left in a shard.
func (s *Store) collect(ctx context.Context, h shard) (more bool, err error) {
	r, err := s.run(ctx, call{name: "collect", on: h, args: []any{collectBatch}})
	if err != nil {
		return false, err
	}
	more = r.int() == 1
	return more, r.check("collect")
}

// writePlace makes a cursor of a record's place in a list that is sorted by text.
func writePlace(kind, place string) string {
	return kind + base64.RawURLEncoding.EncodeToString([]byte(place))
}

// readPlace returns the place that a cursor names, empty without a cursor.
func readPlace(kind, cursor string) (string, error) {
	place, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(cursor, kind))
	if err != nil || cursor != "" && writePlace(kind, string(place)) != cursor {
		return "", store.ErrCursor
	}
	return string(place), nil
}
