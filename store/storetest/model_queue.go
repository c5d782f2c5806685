package storetest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

func (m *model) event(merchantID, eventID string) *modelEvent {
	for _, e := range m.events {
		if e.merchantID == merchantID && e.ID == eventID {
			return e
		}
	}
	return nil
}

func (m *model) delivery(merchantID, webhookID, deliveryID string) *modelDelivery {
	for _, d := range m.deliveries {
		if d.MerchantID == merchantID && d.WebhookID == webhookID && d.ID == deliveryID {
			return d
		}
	}
	return nil
}

// deliver makes a pending delivery, unless its id exists already.
func (m *model) deliver(e *modelEvent, webhookID, nonce string) string {
	id := store.DeliveryID(e.merchantID, e.ID, webhookID, nonce)
	if m.delivery(e.merchantID, webhookID, id) == nil {
		m.deliveries = append(m.deliveries, &modelDelivery{number: m.number(), Delivery: store.Delivery{
			ID: id, MerchantID: e.merchantID, WebhookID: webhookID, EventID: e.ID, EventType: e.Type, Test: e.Test,
			Status: store.DeliveryPending, CreatedAt: m.now, DueAt: m.now,
		}})
	}
	return id
}

// Publish implements [store.Queue].
func (m *model) Publish(_ context.Context, merchantID string, events []store.NewEvent) ([]store.Published, error) {
	defer m.wake()
	defer m.hold()()
	out := make([]store.Published, len(events))
	for i, given := range events {
		if e := m.event(merchantID, given.ID); e != nil {
			if e.fingerprint == given.Fingerprint {
				out[i] = store.Published{Deliveries: slices.Clone(e.deliveries), Duplicate: true}
			} else {
				out[i] = store.Published{Conflict: true}
			}
			continue
		}
		if given.Test != "" && m.webhook(merchantID, given.Test) == nil {
			return nil, store.ErrNotFound
		}
		e := &modelEvent{
			Event:      store.Event{ID: given.ID, Type: given.Type, Test: given.Test != "", Body: slices.Clone(given.Body), CreatedAt: m.now},
			merchantID: merchantID, fingerprint: given.Fingerprint, trace: given.Trace, number: m.number(),
		}
		m.events = append(m.events, e)
		for _, w := range slices.SortedFunc(slices.Values(m.webhooks), func(a, b *store.Webhook) int { return cmp.Compare(a.ID, b.ID) }) {
			subscribed := w.Status == store.Active && (slices.Contains(w.Events, given.Type) || slices.Contains(w.Events, store.EveryType))
			if w.MerchantID == merchantID && (given.Test == w.ID || given.Test == "" && subscribed) {
				e.deliveries = append(e.deliveries, m.deliver(e, w.ID, ""))
			}
		}
		out[i] = store.Published{Deliveries: slices.Clone(e.deliveries)}
	}
	return out, nil
}

// Enqueue implements [store.Queue].
func (m *model) Enqueue(_ context.Context, merchantID, webhookID string, eventIDs []string, nonce string) ([]string, error) {
	defer m.wake()
	defer m.hold()()
	if m.webhook(merchantID, webhookID) == nil {
		return nil, store.ErrNotFound
	}
	out := make([]string, len(eventIDs))
	for i, id := range eventIDs {
		if e := m.event(merchantID, id); e != nil {
			out[i] = m.deliver(e, webhookID, nonce)
		}
	}
	return out, nil
}

// leased says that somebody has d and its lease has not ended.
func (m *model) leased(d *modelDelivery) bool { return !d.leaseEnd.IsZero() && !m.over(d.leaseEnd) }

// waiting says that d will be claimable once its time has come.
func (m *model) waiting(d *modelDelivery) bool {
	return d.Status == store.DeliveryPending && (d.Test || m.webhook(d.MerchantID, d.WebhookID).Status == store.Active)
}

// dueAt is since when, or from when on, d waits to be claimed.
func dueAt(d *modelDelivery) time.Time {
	if !d.leaseEnd.IsZero() {
		return d.leaseEnd
	}
	return d.DueAt
}

// owner names the webhook of a delivery.
func owner(d *modelDelivery) string { return d.MerchantID + "|" + d.WebhookID }

// claimableAt is when each waiting delivery will be claimable if nothing
// happens: when it is due and its webhook has a token and room for one more
// lease.
func (m *model) claimableAt(perWebhook int) map[*modelDelivery]time.Time {
	ends := map[string][]time.Time{}
	for _, d := range m.deliveries {
		if m.leased(d) {
			ends[owner(d)] = append(ends[owner(d)], d.leaseEnd)
		}
	}
	room := map[string]time.Time{}
	for w, leases := range ends {
		if len(leases) >= perWebhook {
			slices.SortFunc(leases, time.Time.Compare)
			room[w] = leases[len(leases)-perWebhook]
		}
	}
	out := map[*modelDelivery]time.Time{}
	for _, d := range m.deliveries {
		if !m.waiting(d) {
			continue
		}
		out[d] = later(m.turnAt(d), room[owner(d)])
	}
	return out
}

// claimable lists what one more lease could be of: the webhook that waits
// longest first, of a webhook tests first, then what is due longest.
func (m *model) claimable(perWebhook int) []*modelDelivery {
	var out []*modelDelivery
	oldest := map[string]time.Time{}
	at := m.claimableAt(perWebhook)
	for _, d := range m.deliveries {
		if t, ok := at[d]; !ok || !m.over(t) {
			continue
		}
		out = append(out, d)
		if t, ok := oldest[owner(d)]; !ok || m.turnAt(d).Before(t) {
			oldest[owner(d)] = m.turnAt(d)
		}
	}
	slices.SortStableFunc(out, func(a, b *modelDelivery) int {
		if c := cmp.Or(oldest[owner(a)].Compare(oldest[owner(b)]), strings.Compare(owner(a), owner(b))); c != 0 {
			return c
		}
		if a.Test != b.Test {
			if a.Test {
				return -1
			}
			return 1
		}
		return dueAt(a).Compare(dueAt(b))
	})
	return out
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
	defer m.hold()()
	m.perWebhook = c.PerWebhook
	var out store.Claimed
	for len(out.Leases) < c.Limit {
		list := m.claimable(c.PerWebhook)
		if len(list) == 0 {
			break
		}
		out.Leases = append(out.Leases, m.take(list[0], c.Lease))
	}
	out.Next = m.next(c.PerWebhook)
	for _, n := range m.notices {
		out.Notices = out.Notices || m.over(n.leaseEnd)
	}
	return out, nil
}

// take leases d to somebody.
func (m *model) take(d *modelDelivery, lease time.Duration) store.Lease {
	if !d.leaseEnd.IsZero() {
		d.Reclaims++
	}
	m.spend(m.webhook(d.MerchantID, d.WebhookID))
	w := m.shown(m.webhook(d.MerchantID, d.WebhookID))
	d.token++
	d.epoch = w.Epoch
	d.leaseEnd = m.now.Add(lease)
	return store.Lease{
		MerchantID: d.MerchantID, WebhookID: d.WebhookID, DeliveryID: d.ID, EventID: d.EventID, EventType: d.EventType, Test: d.Test,
		Body: m.event(d.MerchantID, d.EventID).Body, Trace: m.event(d.MerchantID, d.EventID).trace,
		Token: d.token, Attempts: d.Attempts, Reclaims: d.Reclaims,
		URL: w.URL, Encoding: w.Encoding, Secret: w.Secret, PreviousSecret: w.PreviousSecret, Headers: w.Headers,
	}
}

// Finish implements [store.Queue].
func (m *model) Finish(_ context.Context, results []store.Result) ([]store.Finished, error) {
	defer m.wake()
	defer m.hold()()
	out := make([]store.Finished, len(results))
	for i, r := range results {
		out[i] = m.finish(r)
	}
	return out, nil
}

func (m *model) finish(r store.Result) store.Finished {
	d := m.delivery(r.MerchantID, r.WebhookID, r.DeliveryID)
	switch {
	case d == nil:
		return store.Finished{State: store.FinishGone}
	case r.Token != d.token:
		return store.Finished{State: store.FinishStale}
	case slices.Contains(d.settled, r.Token):
		return store.Finished{State: store.FinishRepeated}
	}
	out := store.Finished{State: store.FinishAccepted}
	d.settled = append(d.settled, r.Token)
	d.leaseEnd = time.Time{}
	d.DueAt = m.now.Add(r.Delay)
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
	d.StatusCode, d.Error, d.ResponseBody, d.LastAttemptAt = a.StatusCode, a.Error, a.ResponseBody, m.now
	switch r.Outcome {
	case store.Succeeded:
		d.Status, d.DeliveredAt, d.FinishedAt = store.DeliverySucceeded, m.now, m.now
	case store.Failed:
		d.Status, d.FinishedAt = store.DeliveryFailed, m.now
	}

	if w := m.webhook(d.MerchantID, d.WebhookID); w.Epoch == d.epoch {
		out.Disabled = m.streak(w, r)
	}
	return out
}
