package storetest

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

func claimFaults() []fault {
	// asking claims with another request.
	asking := func(change func(c *store.ClaimRequest)) faulty {
		return faulty{claim: func(m *model, c store.ClaimRequest) (store.Claimed, error) {
			change(&c)
			return m.Claim(background, c)
		}}
	}
	// before claims after a change of each delivery.
	before := func(change func(m *model, d *modelDelivery)) faulty {
		return faulty{claim: func(m *model, c store.ClaimRequest) (store.Claimed, error) {
			unlock := m.hold()
			for _, d := range m.deliveries {
				change(m, d)
			}
			unlock()
			return m.Claim(background, c)
		}}
	}
	// answering changes what Claim answers.
	answering := func(change func(m *model, c store.ClaimRequest, out *store.Claimed)) faulty {
		return faulty{claim: func(m *model, c store.ClaimRequest) (store.Claimed, error) {
			out, err := m.Claim(background, c)
			unlock := m.hold()
			change(m, c, &out)
			unlock()
			return out, err
		}}
	}
	// leases changes each lease that is given.
	leases := func(change func(m *model, l *store.Lease, d *modelDelivery)) faulty {
		return answering(func(m *model, _ store.ClaimRequest, out *store.Claimed) {
			for i := range out.Leases {
				l := &out.Leases[i]
				change(m, l, m.delivery(l.MerchantID, l.WebhookID, l.DeliveryID))
			}
		})
	}
	far := func(m *model) time.Time { return m.now.Add(1e6 * time.Hour) }
	expired := func(m *model, d *modelDelivery) bool { return !d.leaseEnd.IsZero() && !m.leased(d) }
	return []fault{
		{"a lease never ends", "expiry/due again", true, asking(func(c *store.ClaimRequest) { c.Lease = 1e6 * time.Hour })},
		{"a lease ends too early", "expiry/due again", false, asking(func(c *store.ClaimRequest) { c.Lease -= 2 * time.Millisecond })},
		{"a lease ends too late", "expiry/due again", true, asking(func(c *store.ClaimRequest) { c.Lease += 2 * time.Millisecond })},
		{"all leases last as long as the first", "expiry/each lease its own end", false, before(func(m *model, d *modelDelivery) {
			if m.leased(d) {
				d.leaseEnd = m.now.Add(time.Hour)
			}
		})},
		{"an ended lease is never reclaimed", "expiry/due again", true, before(func(m *model, d *modelDelivery) {
			if expired(m, d) {
				d.leaseEnd = far(m)
			}
		})},
		{"an ended lease is reclaimed once", "expiry/ten times", true, before(func(m *model, d *modelDelivery) {
			if expired(m, d) && d.Reclaims > 0 {
				d.leaseEnd = far(m)
			}
		})},
		{"a lease does not hide", "claim/hidden from others", true, before(func(m *model, d *modelDelivery) {
			if m.leased(d) {
				d.leaseEnd, d.DueAt = time.Time{}, m.now
			}
		})},
		{"a lease hides from its own caller alone", "concurrency/publish, claim, finish", true, before(func(m *model, d *modelDelivery) {
			if m.leased(d) && d.number%7 == 0 {
				d.leaseEnd = m.now
			}
		})},
		{"a settled lease is reclaimed at its end", "expiry/not after an answer", false, before(func(m *model, d *modelDelivery) {
			if d.Status == store.DeliveryFailed && !d.paused && m.now.Sub(d.FinishedAt) > time.Minute {
				d.Status = store.DeliveryPending
			}
		})},
		{"a reclaim counts as an attempt", "expiry/due again", true, leases(func(_ *model, l *store.Lease, d *modelDelivery) {
			if d.Reclaims > 0 {
				d.Attempts++
				l.Attempts++
			}
		})},
		{"a claim counts as an attempt", "claim/a lease", true, leases(func(_ *model, l *store.Lease, d *modelDelivery) {
			d.Attempts++
			l.Attempts++
		})},
		{"a reclaim is not counted", "expiry/due again", true, leases(func(_ *model, l *store.Lease, d *modelDelivery) { l.Reclaims, d.Reclaims = 0, 0 })},
		{"a reclaim is counted for each lease time that passed", "expiry/one reclaim however late", false, leases(func(m *model, l *store.Lease, d *modelDelivery) {
			if d.Reclaims > 0 && m.now.Sub(d.CreatedAt) > 50*time.Minute {
				l.Reclaims += 50
			}
		})},
		{"a reclaim keeps the token", "interleavings/late failure of a reclaimed delivery", true, leases(func(_ *model, l *store.Lease, d *modelDelivery) {
			if d.Reclaims > 0 {
				d.token--
				l.Token--
			}
		})},
		{"the token counts reclaims alone", "claim/a lease", true, leases(func(_ *model, l *store.Lease, d *modelDelivery) {
			d.token = int64(d.Reclaims) + 1
			d.settled = nil
			l.Token = d.token
		})},
		{"Limit is ignored", "claim/hidden from others", true, asking(func(c *store.ClaimRequest) { c.Limit += 3 })},
		{"PerWebhook is ignored", "claim/cap of a webhook", true, asking(func(c *store.ClaimRequest) { c.PerWebhook = 1e6 })},
		{"PerWebhook is one too many", "claim/cap of each webhook in one claim", true, asking(func(c *store.ClaimRequest) { c.PerWebhook++ })},
		{"PerWebhook counts this call alone", "claim/cap of a webhook", true, faulty{claim: func(m *model, c store.ClaimRequest) (store.Claimed, error) {
			count := map[string]int{}
			for _, d := range m.deliveries {
				if m.leased(d) {
					count[owner(d)]++
				}
			}
			most := 0
			for _, n := range count {
				most = max(most, n)
			}
			c.PerWebhook += most
			return m.Claim(background, c)
		}}},
		{"retries come on top of PerWebhook", "turns/failing goes to the back", true, faulty{claim: func(m *model, c store.ClaimRequest) (store.Claimed, error) {
			for _, d := range m.deliveries {
				if d.Attempts > 0 && d.Status == store.DeliveryPending && m.over(dueAt(d)) {
					c.PerWebhook++
				}
			}
			return m.Claim(background, c)
		}}},
		{"PerWebhook counts ended leases", "expiry/room again", false, faulty{claim: func(m *model, c store.ClaimRequest) (store.Claimed, error) {
			for _, w := range m.webhooks {
				n := 0
				for _, d := range m.deliveries {
					if d.WebhookID == w.ID && !d.leaseEnd.IsZero() {
						n++
					}
				}
				if n >= c.PerWebhook && w.Status == store.Disabled {
					return store.Claimed{Next: -1}, nil
				}
			}
			return m.Claim(background, c)
		}}},
		{"youngest first", "claim/in the order of one claim", true, ordered(func(_ *model, a, b *modelDelivery) int { return dueAt(b).Compare(dueAt(a)) })},
		{"in the order of publishing", "claim/longest due first", true, ordered(func(_ *model, a, b *modelDelivery) int {
			return cmp.Or(cmp.Compare(owner(a), owner(b)), testsFirst(a, b), a.CreatedAt.Compare(b.CreatedAt))
		})},
		{"tests last", "claim/tests first", true, ordered(func(_ *model, a, b *modelDelivery) int { return testsFirst(b, a) })},
		{"tests in the order of their time", "claim/tests first", true, ordered(func(_ *model, a, b *modelDelivery) int {
			if owner(a) != owner(b) {
				return 0
			}
			return dueAt(a).Compare(dueAt(b))
		})},
		{"webhooks in the order of their ids", "turns/longest waiting webhook first", true, ordered(func(_ *model, a, b *modelDelivery) int { return cmp.Compare(owner(a), owner(b)) })},
		{"the longest backlog first", "turns/a later retry waits less", false, ordered(func(_ *model, a, b *modelDelivery) int {
			return cmp.Or(b.Attempts-a.Attempts, dueAt(a).Compare(dueAt(b)))
		})},
		{"a full webhook blocks the others", "turns/a full cap delays nobody", true, faulty{claim: func(m *model, c store.ClaimRequest) (store.Claimed, error) {
			count := map[string]int{}
			for _, d := range m.deliveries {
				if m.leased(d) {
					if count[owner(d)]++; count[owner(d)] >= c.PerWebhook {
						return store.Claimed{Next: 0}, nil
					}
				}
			}
			return m.Claim(background, c)
		}}},
		{"one queue for all", "turns/a backlog delays nobody", false, faulty{claim: func(m *model, c store.ClaimRequest) (store.Claimed, error) {
			defer m.hold()()
			var out store.Claimed
			seen := 0
			for _, d := range m.deliveries {
				if m.waiting(d) && m.over(dueAt(d)) && seen < c.Limit {
					seen++
					if slices.Contains(m.claimable(c.PerWebhook), d) {
						out.Leases = append(out.Leases, m.take(d, c.Lease))
					}
				}
			}
			out.Next = m.next(c.PerWebhook)
			return out, nil
		}}},
		{"failing webhooks go first", "turns/longest waiting webhook first", false, ordered(func(_ *model, a, b *modelDelivery) int {
			return cmp.Or(cmp.Compare(b.Attempts, a.Attempts), cmp.Compare(owner(a), owner(b)))
		})},
		{"paused deliveries are claimed", "claim/paused", true, faulty{claim: func(m *model, c store.ClaimRequest) (out store.Claimed, err error) {
			whileEach(m, func(w *store.Webhook) { w.Status = store.Active }, func() { out, err = m.Claim(background, c) })
			return out, err
		}}},
		{"disabled webhooks take turns", "turns/a disabled webhook takes no turn", false, faulty{claim: func(m *model, c store.ClaimRequest) (store.Claimed, error) {
			n := 0
			for _, w := range m.webhooks {
				if w.Status == store.Disabled {
					n++
				}
			}
			if n > 10 {
				return store.Claimed{Next: time.Second}, nil
			}
			return m.Claim(background, c)
		}}},
		{"tests of a disabled webhook wait", "claim/paused", true, before(func(m *model, d *modelDelivery) {
			if w := m.webhook(d.MerchantID, d.WebhookID); w.Status == store.Disabled && d.Test && d.leaseEnd.IsZero() {
				d.DueAt = m.now.Add(time.Hour)
			}
		})},
		{"a retry is due too early", "claim/not before its time", true, before(func(m *model, d *modelDelivery) {
			if d.leaseEnd.IsZero() && d.DueAt.After(m.now) {
				d.DueAt = d.DueAt.Add(-time.Millisecond)
			}
		})},
		{"none due is an error", "claim/none due", true, faulty{claim: func(m *model, c store.ClaimRequest) (store.Claimed, error) {
			out, err := m.Claim(background, c)
			if len(out.Leases) == 0 {
				err = store.ErrNotFound
			}
			return out, err
		}}},
		{"Next is 0 for ever", "next/nothing waits", true, answering(func(_ *model, _ store.ClaimRequest, out *store.Claimed) { out.Next = 0 })},
		{"Next is never 0", "next/more right now", true, answering(func(_ *model, _ store.ClaimRequest, out *store.Claimed) {
			if out.Next == 0 {
				out.Next = time.Second
			}
		})},
		{"Next is 0 only if this webhook has more", "next/more of another webhook", true, answering(func(_ *model, c store.ClaimRequest, out *store.Claimed) {
			if len(out.Leases) == 1 && c.PerWebhook == 1 {
				out.Next = time.Minute
			}
		})},
		{"Next is a second too long", "next/until a retry is due", true, answering(func(_ *model, _ store.ClaimRequest, out *store.Claimed) {
			if out.Next > 0 {
				out.Next += time.Second
			}
		})},
		{"Next does not know retries", "next/until a retry is due", true, nextWithout(func(m *model, d *modelDelivery) bool { return d.leaseEnd.IsZero() && d.DueAt.After(m.now) })},
		{"Next does not know leases", "next/until a lease ends", true, nextWithout(func(m *model, d *modelDelivery) bool { return m.leased(d) })},
		{"Next does not know full webhooks", "next/until a lease of a full webhook ends", false, nextWithout(func(m *model, d *modelDelivery) bool { return m.leased(d) && len(m.deliveries) == 5 })},
		{"Next does not know leases of disabled webhooks", "next/until a test of a disabled webhook has room", false, answering(func(m *model, _ store.ClaimRequest, out *store.Claimed) {
			if out.Next > 0 && slices.ContainsFunc(m.deliveries, func(d *modelDelivery) bool { return m.leased(d) && !m.waiting(d) }) {
				out.Next = -1
			}
		})},
		{"Next does not know tests of disabled webhooks", "next/until a delayed test is due", true, nextWithout(func(m *model, d *modelDelivery) bool {
			return d.Test && m.webhook(d.MerchantID, d.WebhookID).Status == store.Disabled
		})},
		{"Notices is never set", "claim/notices", true, answering(func(_ *model, _ store.ClaimRequest, out *store.Claimed) { out.Notices = false })},
		{"Notices is set for leased ones", "claim/notices", true, answering(func(m *model, _ store.ClaimRequest, out *store.Claimed) { out.Notices = len(m.notices) > 0 })},
		{"a lease has the body of another event", "publish/the same id of two merchants", false, leases(func(m *model, l *store.Lease, _ *modelDelivery) {
			for _, e := range m.events {
				if e.ID == l.EventID {
					l.Body = e.Body
					return
				}
			}
		})},
		{"a lease has the webhook of the publishing", "claim/a lease", true, leases(func(m *model, l *store.Lease, _ *modelDelivery) {
			l.URL = "https://example.com/" + l.WebhookID
		})},
		{"the previous secret never ends for leases", "secrets/the previous secret ends whoever looks first", true, leases(func(m *model, l *store.Lease, _ *modelDelivery) {
			l.PreviousSecret = m.webhook(l.MerchantID, l.WebhookID).PreviousSecret
		})},
		{"a body is mended", "claim/a lease", false, leases(func(_ *model, l *store.Lease, _ *modelDelivery) {
			l.Body = []byte(strings.ToValidUTF8(string(l.Body), "?"))
		})},
	}
}

func testsFirst(a, b *modelDelivery) int {
	switch {
	case a.Test == b.Test:
		return 0
	case a.Test:
		return -1
	}
	return 1
}

// nextWithout is a Next that does not know of some deliveries.
func nextWithout(skip func(m *model, d *modelDelivery) bool) faulty {
	return faulty{claim: func(m *model, c store.ClaimRequest) (store.Claimed, error) {
		out, err := m.Claim(background, c)
		defer m.hold()()
		all := m.deliveries
		m.deliveries = slices.DeleteFunc(slices.Clone(all), func(d *modelDelivery) bool { return skip(m, d) })
		out.Next = m.next(c.PerWebhook)
		m.deliveries = all
		return out, err
	}}
}

// ordered claims in another order.
func ordered(order func(m *model, a, b *modelDelivery) int) faulty {
	return faulty{claim: func(m *model, c store.ClaimRequest) (store.Claimed, error) {
		defer m.hold()()
		var out store.Claimed
		for len(out.Leases) < c.Limit {
			list := m.claimable(c.PerWebhook)
			if len(list) == 0 {
				break
			}
			slices.SortStableFunc(list, func(a, b *modelDelivery) int { return order(m, a, b) })
			out.Leases = append(out.Leases, m.take(list[0], c.Lease))
		}
		out.Next = m.next(c.PerWebhook)
		for _, n := range m.notices {
			out.Notices = out.Notices || m.over(n.leaseEnd)
		}
		return out, nil
	}}
}
