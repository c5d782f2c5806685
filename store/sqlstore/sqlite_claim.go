package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// sight is what a look at the store shows.
type sight struct {
	next    int64 // when a webhook is claimable, or a lease ends; never if there is none
	notices bool
	jobs    bool
	known   bool // the key is that of a claim before
}

func (s *sqlite) look(ctx context.Context, q querier, now int64, key string) (out sight, err error) {
	var turn, lease sql.NullInt64
	_, err = s.one(ctx, q, "look", func(r scan) error { return r(&turn, &lease, &out.notices, &out.jobs, &out.known) }, now, encode(key))
	out.next = min(moment(turn), moment(lease))
	return out, err
}

// claimed answers a claim that has taken nothing.
func (i sight) claimed(now int64) store.Claimed {
	out := store.Claimed{At: stamp(now), Next: -1, Notices: i.notices, Jobs: i.jobs}
	if i.next != never {
		out.Next = max(time.Duration(i.next-now)*time.Millisecond, 0)
	}
	return out
}

func (w *writing) claim(ctx context.Context, c store.ClaimRequest) (out store.Claimed, err error) {
	var leases []store.Lease
	if c.Key != "" {
		if leases, err = w.claimedBefore(ctx, encode(c.Key)); err != nil {
			return out, err
		}
	}
	again := len(leases) > 0
	if !again {
		if leases, err = w.take(ctx, c); err != nil {
			return out, err
		}
	}
	if err := w.flush(ctx); err != nil {
		return out, err
	}
	seen, err := w.s.look(ctx, w, w.now, "")
	out = seen.claimed(w.now)
	out.Leases, out.Again = leases, again
	return out, err
}

// take leases what is due, as much as c allows: of one webhook after the other, in order of
// their turns.
func (w *writing) take(ctx context.Context, c store.ClaimRequest) ([]store.Lease, error) {
	t := &taking{writing: w, c: c, until: w.now + c.Lease.Milliseconds()}
	whs, err := w.turns(ctx, c.Limit)
	for _, wh := range whs {
		if err != nil || t.full {
			break
		}
		err = t.visit(ctx, wh)
	}
	if err == nil && c.Key != "" && len(t.out) > 0 {
		_, err = w.s.exec(ctx, w, "claimed_insert", encode(c.Key), t.until, marshal(t.places))
	}
	return t.out, err
}

// turns takes back leases that have ended, and says whose turn it is.
func (w *writing) turns(ctx context.Context, limit int) (whs []int64, err error) {
	if err := w.flush(ctx); err != nil {
		return nil, err
	}
	collect := func(r scan) error {
		var wh int64
		err := r(&wh)
		whs = append(whs, wh)
		return err
	}
	if err := w.s.each(ctx, w, "ended", collect, w.now); err != nil {
		return nil, err
	}
	for _, wh := range whs {
		delete(w.lines, wh) // One that is known may have ended meanwhile.
		if _, err := w.line(ctx, wh); err != nil {
			return nil, err
		}
	}
	if len(whs) > 0 {
		if err := w.flush(ctx); err != nil {
			return nil, err
		}
	}
	whs = nil
	err = w.s.each(ctx, w, "turns", collect, w.now, limit)
	return whs, err
}

// taking is a claim under way.
type taking struct {
	*writing

	c      store.ClaimRequest
	until  int64 // when the leases end
	out    []store.Lease
	places [][3]int64 // of the leases: webhook, id, token
	bytes  int
	full   bool
}

// visit leases what a webhook has to give.
func (t *taking) visit(ctx context.Context, wh int64) error {
	l, err := t.line(ctx, wh)
	if err != nil || l == nil {
		return err
	}
	before := len(t.out)
	room := min(int64(t.c.PerWebhook)-l.inflight, int64(t.c.Limit-before), l.tokens(t.now))
	if room <= 0 {
		l.lease(0, t.now, t.until, t.c.PerWebhook)
		l.turn = never
		l.ask()
		return nil
	}
	next, err := t.lease(ctx, l, room)
	if err != nil {
		return err
	}
	n := len(t.out) - before
	if t.full = t.full || len(t.out) == t.c.Limit; n > 0 || !t.full {
		l.lease(int64(n), t.now, t.until, t.c.PerWebhook)
		if l.turn = l.claimable(next); l.turn != never {
			l.turn = max(l.turn, t.now) // It goes behind those that are claimable already.
		}
		if l.held > t.now {
			l.ask()
		}
	}
	return nil
}

// lease leases up to room deliveries of a webhook, and says when the first of the others is
// due.
func (t *taking) lease(ctx context.Context, l *line, room int64) (next int64, err error) {
	target, found, err := t.target(ctx, l.wh)
	if err != nil {
		return 0, err
	}
	if !found {
		return never, t.bury(ctx, l.wh)
	}
	var ids, lost []int64
	next = never
	err = t.s.each(ctx, t, "claimable", func(r scan) error {
		if t.full {
			return nil
		}
		due, id, gone, d, err := t.delivery(r, target, l.wh)
		if err == nil && gone && due <= t.now {
			lost = append(lost, id)
			return nil
		}
		size := t.bytes + len(d.Body)
		t.full = t.c.MaxBytes > 0 && size > t.c.MaxBytes && len(t.out) > 0
		if err != nil || t.full || due > t.now || int64(len(ids)) == room {
			next = min(next, due)
			return err
		}
		t.out, t.bytes, ids = append(t.out, d), size, append(ids, id)
		t.places = append(t.places, [3]int64{l.wh, id, d.Token})
		return nil
	}, l.wh, l.active && l.held <= t.now, t.now, room+1)
	if err == nil && len(ids) > 0 {
		_, err = t.s.exec(ctx, t, "lease", l.wh, marshal(ids), t.until, l.epoch)
	}
	for i := 0; i < len(lost) && err == nil; i++ {
		err = t.giveUpLost(ctx, l, lost[i])
		next = t.now // There may be more behind it.
	}
	return next, err
}

// target reads what the leases of a webhook tell of it.
func (t *taking) target(ctx context.Context, wh int64) (out store.Lease, found bool, err error) {
	found, err = t.s.one(ctx, t, "target", func(r scan) error {
		err := r(&out.MerchantID, &out.WebhookID, &out.URL, &out.Encoding, &out.Secret, &out.PreviousSecret, &out.Headers)
		decodeAll(&out.MerchantID, &out.WebhookID, &out.URL, &out.Encoding, &out.Secret, &out.PreviousSecret, &out.Headers)
		return err
	}, wh, t.now)
	return out, found, err
}

// delivery reads one that waits, and says whether its event is gone.
func (t *taking) delivery(r scan, d store.Lease, wh int64) (due, id int64, gone bool, out store.Lease, err error) {
	err = r(&due, &id, &gone, &d.EventID, &d.EventType, &d.Test, &d.Forged, &d.Body, &d.Trace, &d.Token, &d.Attempts, &d.Reclaims)
	decodeAll(&d.EventID, &d.EventType, &d.Trace)
	d.DeliveryID = t.s.deliveryID(place{wh, id})
	d.Token++
	return due, id, gone, d, err
}

// claimedBefore returns those leases of a claim before that last and have no result.
func (w *writing) claimedBefore(ctx context.Context, key string) (out []store.Lease, err error) {
	text := ""
	found, err := w.s.one(ctx, w, "claimed", func(r scan) error { return r(&text) }, key)
	if err != nil || !found {
		return nil, err
	}
	var places [][3]int64
	if json.Unmarshal([]byte(text), &places) != nil {
		places = nil // It is damaged. The leases come back when they end.
	}
	for _, p := range places {
		err := w.s.each(ctx, w, "leased", func(r scan) error {
			d := store.Lease{DeliveryID: w.s.deliveryID(place{p[0], p[1]}), Token: p[2]}
			err := r(&d.MerchantID, &d.WebhookID, &d.URL, &d.Encoding, &d.Secret, &d.PreviousSecret, &d.Headers,
				&d.EventID, &d.EventType, &d.Test, &d.Forged, &d.Body, &d.Trace, &d.Attempts, &d.Reclaims)
			decodeAll(&d.MerchantID, &d.WebhookID, &d.URL, &d.Encoding, &d.Secret, &d.PreviousSecret, &d.Headers, &d.EventID, &d.EventType, &d.Trace)
			out = append(out, d)
			return err
		}, p[0], p[1], p[2], w.now)
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
