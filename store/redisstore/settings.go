package redisstore

import (
	"crypto/sha256"
	"errors"
	"maps"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// What w holds of a webhook is what a claim answers of it, after the length of the whole
// (4): merchant, id, URL, encoding, secret, previous secret and headers, each after its
// length (4), and before the last three until when the previous secret is good (6).
//
// What x holds of it: m, id, url, ev (event types, each after its length), dr and da
// (why and when it was disabled), ds and md (description and metadata), ver, cr, up
// (created, updated), by (who did that), un (the call that wrote it last), fs (when the streak began), db
// (disablings), dt (the result that disabled it last: token, seq), mk (mark), an (the last call of AddNotice), pr (what was pruned).
// Metadata is names and values, each after its length (4).

// owner is what the state of a webhook begins with, so that a script can tell by it
// whose the webhook is.
func owner(merchantID, webhookID string) string {
	sum := sha256.Sum256(packer(nil).text(merchantID, 4).text(webhookID, 4))
	return string(sum[:8])
}

func packHook(w *store.Webhook) string {
	p := packer(nil).text(w.MerchantID, 4).text(w.ID, 4).text(w.URL, 4).text(w.Encoding, 4)
	p = p.num(millis(w.PreviousUntil), 6).text(w.Secret, 4).text(w.PreviousSecret, 4).text(w.Headers, 4)
	return string(packer(nil).text(string(p), 4))
}

// hook reads what packHook wrote.
type hook struct {
	merchantID, webhookID, url, encoding, secret, previous, headers string

	until time.Time
}

func unpackHook(packed string, now time.Time) (hook, error) {
	whole := unpacker{rest: packed}
	u := unpacker{rest: whole.text(4), bad: whole.bad || whole.rest != ""}
	h := hook{merchantID: u.copied(4), webhookID: u.copied(4), url: u.text(4), encoding: u.text(4), until: u.time()}
	h.secret, h.previous, h.headers = u.text(4), u.text(4), u.text(4)
	if !h.until.After(now) {
		h.until, h.previous = time.Time{}, ""
	}
	if u.bad || u.rest != "" {
		return hook{}, errDamaged
	}
	return h, nil
}

// state is what t holds of a webhook: see STATE in lua/lib.lua.
type state struct {
	owner                                         string
	last, head, holes, leased, waiting, next      int64
	tests, ok, failed, tries, streak, epoch, rate int64
	level, taken, held, span, unwell, well        int64
	active, told, parked                          bool
}

// pending counts the deliveries that have not ended.
func (t *state) pending() int64 { return t.last - t.head - t.holes + t.leased + t.waiting + t.tests }

func unpackState(packed string) (state, error) {
	u := unpacker{rest: packed}
	t := state{
		owner: u.take(8), last: u.num(6), head: u.num(6), holes: u.num(4), leased: u.num(4), waiting: u.num(4), next: u.num(6),
		tests: u.num(4), ok: u.num(6), failed: u.num(6), tries: u.num(6), streak: u.num(4), epoch: u.num(4), rate: u.num(4),
		level: u.num(6), taken: u.num(6), held: u.num(6), span: u.num(6), unwell: u.num(6), well: u.num(6),
		active: u.num(1) == 1, told: u.num(1) == 1, parked: u.num(1) == 1,
	}
	if u.bad || u.rest != "" {
		return state{}, errDamaged
	}
	return t, nil
}

// packSettings returns the names and values of what x holds of the client's fields.
func packSettings(w *store.Webhook) []any {
	var metadata []string
	for k, v := range w.Metadata {
		metadata = append(metadata, k, v)
	}
	return []any{
		"cr", millis(w.CreatedAt), "up", millis(w.UpdatedAt), "by", w.UpdatedBy, "url", w.URL,
		"dr", w.DisabledReason, "da", millis(w.DisabledAt), "ds", w.Description, "md", packList(metadata, 4),
	}
}

// unpackWebhook puts together what w, t and x hold.
func unpackWebhook(blob, packed string, x map[string]string, now time.Time) (store.Webhook, error) {
	h, err1 := unpackHook(blob, now)
	t, err2 := unpackState(packed)
	events, err3 := unpackList(x["ev"], 2)
	metadata, err4 := unpackList(x["md"], 4)
	if err := errors.Join(err1, err2, err3, err4); err != nil || len(metadata)%2 != 0 || x["id"] != h.webhookID {
		return store.Webhook{}, errDamaged
	}
	n := func(name string) int64 { return integer(x[name]) }
	w := store.Webhook{
		ID: h.webhookID, MerchantID: h.merchantID, URL: h.url, Events: events, Status: store.Disabled,
		DisabledReason: x["dr"], DisabledAt: stamp(n("da")),
		Secret: h.secret, PreviousSecret: h.previous, PreviousUntil: h.until, Encoding: h.encoding, Headers: h.headers,
		Description: x["ds"], RateLimit: int(t.rate), ConsecutiveFailures: int(t.streak), FailingSince: stamp(n("fs")),
		UnwellSince: stamp(t.unwell), LastSuccess: stamp(t.well), Disablings: n("db"), Mark: x["mk"], Epoch: t.epoch, Version: n("ver"),
		PrunedUntil: stamp(n("pr")), CreatedAt: stamp(n("cr")), UpdatedAt: stamp(n("up")), UpdatedBy: x["by"],
	}
	if t.active {
		w.Status = store.Active
	}
	if len(metadata) > 0 {
		w.Metadata = map[string]string{}
	}
	for i := 0; i < len(metadata); i += 2 {
		w.Metadata[metadata[i]] = metadata[i+1]
	}
	return w, nil
}

// apply makes of a webhook what an update says, or fails with [store.ErrVersion].
func apply(w store.Webhook, u *store.WebhookUpdate, now time.Time) (store.Webhook, error) {
	if u.IfVersion != 0 && u.IfVersion != w.Version {
		return w, store.ErrVersion
	}
	if r := u.Reseal; r != nil {
		if r.OldSecret != w.Secret || r.OldPrevious != w.PreviousSecret || r.OldHeaders != w.Headers {
			return w, store.ErrVersion
		}
		w.Secret, w.PreviousSecret, w.Headers = r.Secret, r.Previous, r.Headers
	}
	set(&w.URL, u.URL)
	set(&w.Encoding, u.Encoding)
	set(&w.Description, u.Description)
	set(&w.Headers, u.Headers)
	set(&w.RateLimit, u.RateLimit)
	if u.Events != nil {
		w.Events = u.Events
	}
	if u.Metadata != nil {
		w.Metadata = maps.Clone(u.Metadata)
	}
	if u.Rotate != nil {
		w.PreviousSecret, w.PreviousUntil = w.Secret, now.Add(u.KeepPrevious)
		w.Secret = *u.Rotate
	}
	if u.Status != nil && *u.Status != w.Status {
		w.Status, w.DisabledReason, w.DisabledAt = *u.Status, "", time.Time{}
		if w.Status == store.Disabled {
			w.DisabledReason, w.DisabledAt = u.Reason, now
		}
	}
	w.UpdatedAt, w.UpdatedBy = now, u.By
	w.Version++
	return w, nil
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// millis is a time in Unix milliseconds, 0 for none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// stamp turns Unix milliseconds into a time; 0 is no time.
func stamp(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
