package store

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// Status of a webhook.
type Status string

// A webhook receives events or it is paused.
const (
	Active   Status = "active"
	Disabled Status = "disabled"
)

// EveryType in [Webhook.Events] subscribes to all event types.
const EveryType = "*"

// Patterns lists what a webhook may have in [Webhook.Events] to get events of a type, each
// once, from the narrowest to the widest: of "a.b.c" these are "a.b.c", "a.b.*", "a.*" and
// [EveryType]. The words of a type are what its dots separate. So "a.*" takes in "a.b" and
// "a.b.c", but neither "a" nor "ab.c".
//
// Of a pattern it lists the pattern, and then those that take in all that the pattern does.
func Patterns(eventType string) []string {
	out := append(make([]string, 0, strings.Count(eventType, ".")+2), eventType)
	for i := len(eventType) - 1; i >= 0; i-- {
		if eventType[i] == '.' && eventType[i+1:] != EveryType {
			out = append(out, eventType[:i+1]+EveryType)
		}
	}
	if eventType != EveryType {
		out = append(out, EveryType)
	}
	return out
}

// Matches reports whether a webhook with these [Webhook.Events] gets events of a type.
func Matches(events []string, eventType string) bool {
	return slices.ContainsFunc(Patterns(eventType), func(p string) bool { return slices.Contains(events, p) })
}

// Webhook is a registered endpoint.
type Webhook struct {
	ID         string // "whk_…", given by the caller
	MerchantID string
	URL        string
	Events     []string // event types, "prefix.*" or [EveryType], in the caller's order: see [Patterns]
	Status     Status

	// DisabledReason and DisabledAt tell why and when the webhook was disabled.
	// The reason is the caller's: see [WebhookUpdate] and [Result].
	DisabledReason string
	DisabledAt     time.Time

	// Secret and PreviousSecret are sealed by the caller and opaque here. The
	// previous one is to be honoured until PreviousUntil. After that the store
	// returns both fields empty.
	Secret         string
	PreviousSecret string
	PreviousUntil  time.Time

	// Encoding is the caller's name for how bodies are written; opaque here.
	Encoding string

	// Description and Metadata are the owner's notes; opaque here.
	Description string
	Metadata    map[string]string

	// Headers go along with each request. They are sealed by the caller and opaque
	// here; empty if there are none.
	Headers string

	// RateLimit, if above 0, is how many deliveries Claim takes per second over
	// all callers: see Rates in the comment of this package.
	RateLimit int

	// ConsecutiveFailures is the streak that [Result] extends and resets.
	ConsecutiveFailures int
	// FailingSince is when the last streak began, also after that has ended. Zero if
	// there was none.
	FailingSince time.Time
	// UnwellSince is since when tries fail and none succeeds, zero if the last one that
	// counted has succeeded: see [Streak]. LastSuccess is when one succeeded last.
	UnwellSince time.Time
	LastSuccess time.Time

	// Disablings counts how often failures have disabled the webhook.
	Disablings int64
	// Mark is the caller's note of what the owner was told; opaque here, empty at
	// first, at most [MaxMark] bytes. [Notices].AddNotice changes it.
	Mark string

	// Epoch counts how often the webhook was turned active or got another URL, from 1.
	Epoch int64
	// Version counts changes by CreateWebhook and UpdateWebhook, from 1, and
	// changes when Finish disables the webhook.
	Version int64

	// PrunedUntil is the youngest CreatedAt of the deliveries, other than tests,
	// that Prune has removed, and zero if there are none. An event of up to then
	// without a delivery may have had one.
	PrunedUntil time.Time

	CreatedAt time.Time
	UpdatedAt time.Time
	UpdatedBy string // the caller's word for who made the last change, empty if the store did
}

// AsNew returns w as [Webhooks].CreateWebhook stores it at a moment of the store's
// clock: with what is the caller's, and with times in whole milliseconds of which none
// but PreviousUntil is later than now. It shares Events and Metadata with w.
func (w Webhook) AsNew(merchantID string, now time.Time) Webhook {
	now = wholeMillis(now)
	out := Webhook{
		ID: w.ID, MerchantID: merchantID, URL: w.URL, Events: w.Events, Status: w.Status, DisabledReason: w.DisabledReason,
		Secret: w.Secret, Encoding: w.Encoding, Description: w.Description, Metadata: w.Metadata, Headers: w.Headers,
		RateLimit: w.RateLimit, Epoch: 1, Version: 1, UpdatedBy: w.UpdatedBy,
		CreatedAt: cmp.Or(past(w.CreatedAt, now), now), UpdatedAt: cmp.Or(past(w.UpdatedAt, now), now),
	}
	if w.Status == Disabled {
		out.DisabledAt = past(w.DisabledAt, now)
	}
	if w.PreviousUntil.After(now) {
		out.PreviousSecret, out.PreviousUntil = w.PreviousSecret, wholeMillis(w.PreviousUntil)
	}
	return out
}

// past returns t, or now if t is later. What was before 1970 is no time.
func past(t, now time.Time) time.Time {
	switch {
	case t.UnixMilli() <= 0:
		return time.Time{}
	case t.After(now):
		return now
	}
	return wholeMillis(t)
}

func wholeMillis(t time.Time) time.Time { return time.UnixMilli(t.UnixMilli()).UTC() }

// MaxMark is the length of the longest [Webhook.Mark] in bytes.
const MaxMark = 128

// WebhookUpdate says what to change. Nil fields stay as they are.
type WebhookUpdate struct {
	IfVersion int64  // 0: any
	By        string // becomes UpdatedBy

	URL      *string
	Events   []string
	Status   *Status
	Reason   string // becomes DisabledReason if Status disables the webhook
	Encoding *string

	Description *string
	Metadata    map[string]string // replaces all of it; empty, but not nil, clears it
	Headers     *string           // sealed text; empty clears it

	// RateLimit fills the bucket anew if it is another rate than before, and
	// changes nothing else. 0 takes the limit away.
	RateLimit *int

	// Rotate replaces the secret. The one that was current becomes the previous
	// one for KeepPrevious, or is gone at once if that is 0.
	Rotate       *string
	KeepPrevious time.Duration

	// Reseal replaces sealed text by other text of the same secrets and headers,
	// and PreviousUntil stays. It applies only if the current values still are
	// those that it calls old, otherwise UpdateWebhook fails with [ErrVersion].
	Reseal *Reseal
}

// Reseal is sealed text before and after a change of the sealing key.
type Reseal struct {
	OldSecret, OldPrevious, OldHeaders string
	Secret, Previous, Headers          string
}

// MaxChanges is how many changes of a webhook are kept, the last ones.
const MaxChanges = 100

// Change is an entry of what happened to a webhook: that it was registered, which has
// Version 1, that UpdateWebhook changed a field, or that Finish disabled it.
type Change struct {
	At      time.Time // when the store made it; of a webhook that was brought along, too
	Version int64     // as all that follows: of the webhook, after it
	By      string    // UpdatedBy
	Status  Status
	Reason  string // DisabledReason

	// Fields names what has another value than before, in this order: url, events,
	// status, encoding, secret, headers, description, metadata, rateLimit. Empty in
	// the entry of a registration.
	Fields []string

	// URL and Events are given by a registration and by a change of them.
	URL    string
	Events []string
}

// Registered returns the first entry of a webhook that CreateWebhook has made at a moment of
// the store's clock. It shares Events with w.
func (w Webhook) Registered(now time.Time) Change {
	return Change{At: wholeMillis(now), Version: w.Version, By: w.UpdatedBy, Status: w.Status, Reason: w.DisabledReason, URL: w.URL, Events: w.Events}
}

// Change returns the entry of an update that has made after of before. An update that
// left all values as they were, or was a Reseal alone, makes none. It shares Events with
// after.
func (u WebhookUpdate) Change(before, after Webhook) (c Change, ok bool) {
	c = after.Registered(after.UpdatedAt)
	for _, f := range []struct {
		name    string
		changed bool
	}{
		{"url", before.URL != after.URL},
		{"events", !slices.Equal(before.Events, after.Events)},
		{"status", before.Status != after.Status},
		{"encoding", before.Encoding != after.Encoding},
		{"secret", u.Rotate != nil},
		{"headers", u.Headers != nil && before.Headers != after.Headers},
		{"description", before.Description != after.Description},
		{"metadata", !maps.Equal(before.Metadata, after.Metadata)},
		{"rateLimit", before.RateLimit != after.RateLimit},
	} {
		if f.changed {
			c.Fields = append(c.Fields, f.name)
		}
	}
	if !slices.Contains(c.Fields, "url") {
		c.URL = ""
	}
	if !slices.Contains(c.Fields, "events") {
		c.Events = nil
	}
	return c, len(c.Fields) > 0
}

// WebhookQuery selects a page of a merchant's webhooks.
type WebhookQuery struct {
	ActiveOnly bool
	Limit      int    // at least 1
	Cursor     string // from a page's Next
}

// WebhookPage is a page of webhooks, oldest first.
type WebhookPage struct {
	Webhooks []Webhook
	Damaged  []string // ids of webhooks among these that cannot be read, whatever their status
	Next     string
}

// MerchantQuery selects a page of merchants.
type MerchantQuery struct {
	Limit  int    // at least 1
	Cursor string // from a page's Next
}

// TroubledQuery selects a page of webhooks in trouble.
type TroubledQuery struct {
	Limit  int    // at least 1
	Cursor string // from a page's Next
}

// MerchantPage is a page of the ids of merchants.
type MerchantPage struct {
	Merchants []string
	Next      string
}
