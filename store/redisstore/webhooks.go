package redisstore

import (
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"strings"

	"github.com/rag-assistant/webhooks/store"
)

// at finds the shard of a merchant.
func (s *Store) at(merchantID string) shard { return s.shards[pick(s.shards, merchantID)] }

// CreateWebhook implements [store.Webhooks].
func (s *Store) CreateWebhook(ctx context.Context, merchantID string, w store.Webhook, limit int) (store.Webhook, error) {
	pairs := []any{"url", w.URL, "dr", w.DisabledReason, "sec", w.Secret, "enc", w.Encoding}
	for name, value := range map[string]string{"ds": w.Description, "md": packMap(w.Metadata), "hd": w.Headers, "rl": rate(w.RateLimit)} {
		if value != "" {
			pairs = append(pairs, name, value)
		}
	}
	args := []any{merchantID, w.ID, rand.Text(), max(limit, 0), string(w.Status), packStrings(w.Events), len(pairs) / 2}
	r, err := s.run(ctx, call{name: "create", on: s.at(merchantID), args: append(args, pairs...)})
	if err != nil {
		return store.Webhook{}, named("webhook", w.ID, err)
	}
	return oneWebhook("create", &r)
}

// rate writes a rate limit, and none as nothing.
func rate(limit int) string {
	if limit <= 0 {
		return ""
	}
	return strconv.Itoa(limit)
}

// named says what a refusal is about.
func named(what, id string, err error) error { return fmt.Errorf("%s %s: %w", what, id, err) }

// Webhook implements [store.Webhooks].
func (s *Store) Webhook(ctx context.Context, merchantID, webhookID string) (store.Webhook, error) {
	r, err := s.run(ctx, call{name: "webhook", on: s.at(merchantID), args: []any{merchantID, webhookID}})
	if err != nil {
		return store.Webhook{}, named("webhook", webhookID, err)
	}
	return oneWebhook("webhook", &r)
}

// ListWebhooks implements [store.Webhooks]. It looks at a hundred webhooks at most.
func (s *Store) ListWebhooks(ctx context.Context, merchantID string, q store.WebhookQuery) (store.WebhookPage, error) {
	var page store.WebhookPage
	after, err := readPlace(webhookCursor, q.Cursor)
	if err != nil {
		return page, err
	}
	r, err := s.run(ctx, call{name: "webhooks", on: s.at(merchantID), args: []any{
		merchantID, after, min(max(q.Limit, 1), batch), flag(q.ActiveOnly),
	}})
	if err != nil {
		return page, err
	}
	now := r.int()
	if next := r.text(); next != "" {
		page.Next = writePlace(webhookCursor, next)
	}
	for r.more() {
		w, err := readWebhook(r.fields(), now)
		if err != nil {
			return page, err
		}
		page.Webhooks = append(page.Webhooks, w)
	}
	return page, r.check("webhooks")
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

// value is what p points to, or the zero value.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// UpdateWebhook implements [store.Webhooks].
func (s *Store) UpdateWebhook(ctx context.Context, merchantID, webhookID string, u store.WebhookUpdate) (store.Webhook, error) {
	events, rate := "", any("")
	if u.Events != nil {
		events = packStrings(u.Events)
	}
	if u.RateLimit != nil {
		rate = max(*u.RateLimit, 0)
	}
	p := value(u.Reseal)
	args := []any{
		merchantID, webhookID, rand.Text(), u.IfVersion, string(value(u.Status)), u.Reason, events,
		flag(u.Reseal != nil), p.OldSecret, p.OldPrevious, p.OldHeaders, p.Secret, p.Previous, p.Headers,
		flag(u.Rotate != nil), value(u.Rotate), u.KeepPrevious.Milliseconds(), rate,
	}
	var pairs []any
	for name, value := range map[string]*string{"url": u.URL, "enc": u.Encoding, "ds": u.Description, "hd": u.Headers} {
		if value != nil {
			pairs = append(pairs, name, *value)
		}
	}
	if u.Metadata != nil {
		pairs = append(pairs, "md", packMap(u.Metadata))
	}
	args = append(append(args, len(pairs)/2), pairs...)
	r, err := s.run(ctx, call{name: "update", on: s.at(merchantID), args: args})
	if err != nil {
		return store.Webhook{}, named("webhook", webhookID, err)
	}
	return oneWebhook("update", &r)
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
		if more, _ := s.collect(ctx, h); !more { // The webhook is deleted even if this fails.
			break
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

func oneWebhook(name string, r *reply) (store.Webhook, error) {
	now := r.int()
	f := r.fields()
	if err := r.check(name); err != nil {
		return store.Webhook{}, err
	}
	return readWebhook(f, now)
}

func readWebhook(f map[string]string, now int64) (store.Webhook, error) {
	n := func(name string) int64 {
		v, _ := strconv.ParseInt(f[name], 10, 64) // Absent is 0.
		return v
	}
	list, err := unpack(f["ev"])
	if err != nil {
		return store.Webhook{}, named("webhook", f["id"], err)
	}
	metadata, err := unpackMap(f["md"])
	if err != nil {
		return store.Webhook{}, named("webhook", f["id"], err)
	}
	limit, _, _ := strings.Cut(f["rl"], " ") // What follows is the state of the bucket.
	f["rl"] = limit
	w := store.Webhook{
		ID: f["id"], MerchantID: f["m"], URL: f["url"], Status: store.Status(f["st"]),
		DisabledReason: f["dr"], DisabledAt: stamp(n("da")),
		Secret: f["sec"], Encoding: f["enc"], ConsecutiveFailures: int(n("cf")), FailingSince: stamp(n("fs")), Disablings: n("db"), Mark: f["mk"],
		Epoch: n("ep"), Version: n("ver"), CreatedAt: stamp(n("cr")), UpdatedAt: stamp(n("up")), PrunedUntil: stamp(n("pr")),
		Description: f["ds"], Metadata: metadata, Headers: f["hd"], RateLimit: int(n("rl")),
	}
	for _, v := range list {
		kind, _ := v.(string) // packStrings wrote it.
		w.Events = append(w.Events, kind)
	}
	if till := n("pu"); till > now {
		w.PreviousSecret, w.PreviousUntil = f["psec"], stamp(till)
	}
	return w, nil
}
