package storetest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

type modelEvent struct {
	store.Event
	merchantID  string
	fingerprint string
	trace       string
	forged      bool
	deliveries  []*modelDelivery // the first answer
	number      int
}

type modelDelivery struct {
	store.Delivery
	number   int
	nonce    string // of Enqueue
	token    int64
	settled  bool      // the token's result was accepted
	leaseEnd time.Time // zero: nobody has it
	lease    store.Lease
	key      string // of the claim
	epoch    int64  // of the webhook at the claim
	paused   bool   // ended by Prune
	gaveUp   bool   // ended by Cancel
}

func (d *modelDelivery) of(w *modelWebhook) bool {
	return d.MerchantID == w.MerchantID && d.WebhookID == w.ID
}

func (d *modelDelivery) pending() bool { return d.Status == store.DeliveryPending }

func (m *model) event(merchantID, eventID string) *modelEvent {
	return find(m.events, func(e *modelEvent) bool { return e.merchantID == merchantID && e.ID == eventID })
}

func (m *model) delivery(merchantID, webhookID, deliveryID string) *modelDelivery {
	return find(m.deliveries, func(d *modelDelivery) bool {
		return d.MerchantID == merchantID && d.WebhookID == webhookID && d.ID == deliveryID
	})
}

// deliver makes a pending delivery.
func (m *model) deliver(e *modelEvent, webhookID, nonce string) *modelDelivery {
	n := m.number()
	d := &modelDelivery{number: n, nonce: nonce, Delivery: store.Delivery{
		ID: fmt.Sprintf("whdel_%d", n), MerchantID: e.merchantID, WebhookID: webhookID, EventID: e.ID, EventType: e.Type, Test: e.Test,
		Status: store.DeliveryPending, CreatedAt: m.now, DueAt: m.now,
	}}
	m.deliveries = append(m.deliveries, d)
	return d
}

// Publish implements [store.Publisher].
func (m *model) Publish(_ context.Context, merchantID string, events []store.NewEvent) ([]store.Published, error) {
	defer m.change()()
	out := make([]store.Published, len(events))
	for i, given := range events {
		e := m.event(merchantID, given.ID)
		switch {
		case e != nil && e.fingerprint != given.Fingerprint:
			out[i].Conflict = true
			continue
		case e != nil:
			out[i].Duplicate = true
		case given.Test != "" && m.webhook(merchantID, given.Test) == nil:
			return nil, store.ErrNotFound
		default:
			e, out[i].Missed = m.publish(merchantID, given)
		}
		for _, d := range e.deliveries {
			out[i].Deliveries = append(out[i].Deliveries, store.PublishedDelivery{WebhookID: d.WebhookID, ID: d.ID})
		}
	}
	return out, nil
}

// publish stores an event that is new, and says who missed it.
func (m *model) publish(merchantID string, given store.NewEvent) (e *modelEvent, missed []string) {
	e = &modelEvent{
		Event:      store.Event{ID: given.ID, Type: given.Type, Test: given.Test != "", Body: slices.Clone(given.Body), CreatedAt: m.now},
		merchantID: merchantID, fingerprint: given.Fingerprint, trace: given.Trace, forged: given.Forged, number: m.number(),
	}
	m.events = append(m.events, e)
	for _, w := range m.webhooks {
		subscribed := w.Status == store.Active && m.matches(w.Events, given.Type)
		switch {
		case w.MerchantID != merchantID || given.Test != w.ID && (given.Test != "" || !subscribed):
		case given.Test == "" && m.crowded(w, given.MaxPending):
			missed = append(missed, w.ID)
		default:
			e.deliveries = append(e.deliveries, m.deliver(e, w.ID, ""))
		}
	}
	return e, missed
}

// crowded says that w has as many pending deliveries as it may have.
func (m *model) crowded(w *modelWebhook, maxPending int) bool {
	return maxPending > 0 && maxPending <= count(m.deliveries, func(d *modelDelivery) bool { return d.of(w) && d.pending() })
}

// Enqueue implements [store.History].
func (m *model) Enqueue(_ context.Context, merchantID, webhookID string, eventIDs []string, nonce string, maxPending int) ([]store.Enqueued, error) {
	defer m.change()()
	if m.webhook(merchantID, webhookID) == nil {
		return nil, store.ErrNotFound
	}
	out := make([]store.Enqueued, len(eventIDs))
	for i, id := range eventIDs {
		if e := m.event(merchantID, id); e != nil {
			out[i] = m.enqueue(e, webhookID, nonce, maxPending)
		}
	}
	return out, nil
}

func (m *model) enqueue(e *modelEvent, webhookID, nonce string, maxPending int) store.Enqueued {
	made := func(d *modelDelivery) bool {
		return d.MerchantID == e.merchantID && d.WebhookID == webhookID && d.EventID == e.ID && d.nonce != ""
	}
	if d := find(m.deliveries, func(d *modelDelivery) bool { return made(d) && d.nonce == nonce }); d != nil {
		return store.Enqueued{DeliveryID: d.ID}
	}
	if count(m.deliveries, made) >= store.MaxEnqueued {
		return store.Enqueued{Full: true}
	}
	if m.crowded(m.webhook(e.merchantID, webhookID), maxPending) {
		return store.Enqueued{Crowded: true}
	}
	return store.Enqueued{DeliveryID: m.deliver(e, webhookID, nonce).ID}
}

// leased says that somebody has d and its lease has not ended.
func (m *model) leased(d *modelDelivery) bool { return !d.leaseEnd.IsZero() && !m.over(d.leaseEnd) }

// leases counts the leases of a webhook.
func (m *model) leases(w *modelWebhook) int {
	return count(m.deliveries, func(d *modelDelivery) bool { return d.of(w) && m.leased(d) })
}

// waiting says that d will be claimable once its time has come.
func (m *model) waiting(d *modelDelivery) bool {
	return d.pending() && (d.Test || m.webhookOf(d).Status == store.Active)
}

// dueAt is since when, or from when on, d waits to be claimed.
func dueAt(d *modelDelivery) time.Time {
	if !d.leaseEnd.IsZero() {
		return d.leaseEnd
	}
	return d.DueAt
}

// next is how long nothing more will be claimable.
func (m *model) next(perWebhook int) time.Duration {
	next := time.Duration(-1)
	for _, t := range m.claimableAt(perWebhook) {
		if wait := max(0, t.Sub(m.now)); next < 0 || wait < next {
			next = wait
		}
	}
	return next
}

// Claim implements [store.Queue].
func (m *model) Claim(_ context.Context, c store.ClaimRequest) (store.Claimed, error) {
	defer m.change()()
	m.perWebhook = c.PerWebhook
	m.lineUp(nil)
	out := store.Claimed{Leases: m.leasesOf(c.Key), At: m.now}
	out.Again = len(out.Leases) > 0
	if len(out.Leases) == 0 {
		out.Leases = m.claim(c)
	}
	out.Next = m.next(c.PerWebhook)
	out.Notices = m.noticed()
	out.Jobs = len(m.claimableJobs(m.kinds())) > 0
	return out, nil
}

func (m *model) claim(c store.ClaimRequest) []store.Lease {
	var out []store.Lease
	bytes := 0
	for _, w := range m.turns() {
		for _, d := range m.claimable(w, c.PerWebhook) {
			if m.leases(w) >= c.PerWebhook || !m.over(m.tokenAt(w)) {
				break
			}
			bytes += len(m.event(d.MerchantID, d.EventID).Body)
			if len(out) == c.Limit || len(out) > 0 && c.MaxBytes > 0 && bytes > c.MaxBytes {
				return out
			}
			out = append(out, m.take(d, c.Lease, c.Key))
		}
	}
	return out
}

// leasesOf lists the leases of an earlier claim that last and have no result.
func (m *model) leasesOf(key string) []store.Lease {
	var out []store.Lease
	for _, d := range m.deliveries {
		if key != "" && d.key == key && m.leased(d) {
			out = append(out, d.lease)
		}
	}
	return out
}

// take leases d to somebody.
func (m *model) take(d *modelDelivery, lease time.Duration, key string) store.Lease {
	if !d.leaseEnd.IsZero() {
		d.Reclaims++
	}
	w := m.webhookOf(d)
	m.spend(w)
	w.line = modelLine{m.now, m.now}
	d.token++
	d.settled = false
	d.epoch, d.key = w.Epoch, key
	d.leaseEnd = m.now.Add(lease)
	e, now := m.event(d.MerchantID, d.EventID), m.shown(w)
	d.lease = store.Lease{
		MerchantID: d.MerchantID, WebhookID: d.WebhookID, DeliveryID: d.ID, EventID: d.EventID, EventType: d.EventType, Test: d.Test,
		Forged: e.forged, Body: e.Body, Trace: e.trace, Token: d.token, Attempts: d.Attempts, Reclaims: d.Reclaims,
		URL: now.URL, Encoding: now.Encoding, Secret: now.Secret, PreviousSecret: now.PreviousSecret, Headers: now.Headers,
	}
	return d.lease
}

// Finish implements [store.Queue].
func (m *model) Finish(_ context.Context, results []store.Result) ([]store.Finished, error) {
	defer m.change()()
	return pick(results, m.finish), nil
}

func (m *model) finish(r store.Result) store.Finished {
	d := m.delivery(r.MerchantID, r.WebhookID, r.DeliveryID)
	switch {
	case d == nil:
		return store.Finished{State: store.FinishGone}
	case r.Token != d.token || d.token == 0:
		return store.Finished{State: store.FinishStale}
	case d.settled:
		return store.Finished{State: store.FinishRepeated, Disabled: m.webhookOf(d).disabler == disablerOf(r)}
	}
	out := store.Finished{State: store.FinishAccepted}
	d.settled = true
	d.leaseEnd = time.Time{}
	d.DueAt = m.now.Add(r.Delay)
	if w := m.webhookOf(d); w.Epoch == d.epoch && r.Hold > 0 {
		w.held = later(w.held, m.now.Add(r.Hold))
	}
	if r.Outcome == store.Released {
		if r.Fault {
			d.Reclaims++
		}
		return out
	}

	d.Attempts++
	a := r.Attempt
	a.Number, a.At = d.Attempts, m.now
	d.Log = append(d.Log, a)
	d.StatusCode, d.Code, d.ResponseBody, d.LastAttemptAt = a.StatusCode, a.Code, a.ResponseBody, m.now
	switch r.Outcome {
	case store.Succeeded:
		d.Status, d.DeliveredAt, d.FinishedAt = store.DeliverySucceeded, m.now, m.now
	case store.Failed:
		d.Status, d.FinishedAt = store.DeliveryFailed, m.now
	}

	if w := m.webhookOf(d); w.Epoch == d.epoch && r.Streak != store.StreakSame {
		if w.UnwellSince.IsZero() {
			w.UnwellSince = m.now
		}
		if r.Streak == store.StreakTry {
			return out
		}
		if out.Disabled = m.streak(w, r); out.Disabled {
			w.disabler = disablerOf(r)
		}
		out.Standing = standingOf(w)
	}
	return out
}

// disablerOf names a result.
func disablerOf(r store.Result) string { return fmt.Sprintf("%s|%d", r.DeliveryID, r.Token) }

func standingOf(w *modelWebhook) *store.Standing {
	return &store.Standing{
		Active: w.Status == store.Active, ConsecutiveFailures: w.ConsecutiveFailures, FailingSince: w.FailingSince,
		Disablings: w.Disablings, Mark: w.Mark,
	}
}

// streak applies what a result does to a streak, and says if that has disabled the
// webhook.
func (m *model) streak(w *modelWebhook, r store.Result) bool {
	if r.Streak == store.StreakReset {
		w.ConsecutiveFailures, w.UnwellSince, w.LastSuccess = 0, time.Time{}, m.now
		return false
	}
	w.ConsecutiveFailures++
	if w.ConsecutiveFailures == 1 {
		w.FailingSince = m.now
	}
	if w.Status != store.Active || r.DisableAfter <= 0 || w.ConsecutiveFailures < r.DisableAfter ||
		m.now.Sub(w.FailingSince) < r.DisableAfterFailingFor {
		return false
	}
	w.Status, w.DisabledReason, w.DisabledAt = store.Disabled, r.DisableReason, m.now
	w.Disablings++
	w.Version++
	w.UpdatedBy = ""
	w.changes = append(w.changes, store.Change{At: m.now, Version: w.Version, Status: w.Status, Reason: w.DisabledReason, Fields: []string{"status"}})
	m.addNotice(store.Notice{
		Kind: store.NoticeDisabled, MerchantID: w.MerchantID, WebhookID: w.ID, URL: w.URL, Reason: r.DisableReason,
		Failures: w.ConsecutiveFailures, DisableAfter: r.DisableAfter, Since: w.FailingSince,
	})
	return true
}
