package sqlstore

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// head is what claim_1 answers besides the leases.
type head struct {
	Now     int64  `json:"now"`
	Next    *int64 `json:"next"`
	Again   bool   `json:"again"`
	Full    bool   `json:"full"`
	Notices bool   `json:"notices"`
	Jobs    bool   `json:"jobs"`
	Intake  bool   `json:"intake"`
}

// claim also takes in what callers' transactions have committed, before it leases anything.
func (s *postgres) claim(ctx context.Context, c store.ClaimRequest) (store.Claimed, error) {
	var relayed error
	if s.intake.Load() {
		relayed = s.relay(ctx)
	}
	width := s.width.next()
	var out store.Claimed
	var h head
	err := insist(ctx, func() (err error) {
		out.Leases = nil
		h, err = s.claimOnce(ctx, c, width, &out.Leases)
		return err
	})
	if err != nil {
		return store.Claimed{}, err
	}
	s.intake.Store(h.Intake)
	if relayed != nil && len(out.Leases) == 0 {
		return store.Claimed{}, relayed
	}
	out.At, out.Again, out.Notices, out.Jobs = stamp(h.Now), h.Again, h.Notices, h.Jobs
	out.Next = -1
	switch {
	case h.Full || h.Intake:
		out.Next = 0
	case h.Next != nil:
		out.Next = max(time.Duration(*h.Next-h.Now)*time.Millisecond, 0)
	}
	s.width.learn(width, len(out.Leases), c.Limit, out.Next)
	return out, nil
}

func (s *postgres) claimOnce(ctx context.Context, c store.ClaimRequest, width int, leases *[]store.Lease) (h head, err error) {
	err = s.each(ctx, s.db, "claim", func(r scan) error {
		l, text, err := s.lease(r)
		switch {
		case err != nil:
			return err
		case text != nil:
			return json.Unmarshal([]byte(*text), &h)
		}
		*leases = append(*leases, l)
		return nil
	}, s.now(), c.Limit, c.Lease.Milliseconds(), c.PerWebhook, c.MaxBytes, encode(c.Key), width)
	return h, err
}

// lease reads a row of claim_1: a lease or its head.
func (s *postgres) lease(r scan) (store.Lease, *string, error) {
	var h, merchant, wid, eid, kind, trace, url, encoding, secret, previous, headers *string
	var wh, id, tok *int64
	var test, forged *bool
	var attempts, reclaims *int
	var body []byte
	err := r(&h, &merchant, &wid, &wh, &id, &eid, &kind, &test, &forged, &body, &trace, &tok, &attempts, &reclaims,
		&url, &encoding, &secret, &previous, &headers)
	if err != nil || h != nil {
		return store.Lease{}, h, err
	}
	return store.Lease{
		MerchantID: decode(*merchant), WebhookID: decode(*wid), DeliveryID: s.deliveryID(place{*wh, *id}),
		EventID: decode(*eid), EventType: decode(*kind), Test: *test, Forged: *forged, Body: body, Trace: decode(*trace),
		Token: *tok, Attempts: *attempts, Reclaims: *reclaims,
		URL: decode(*url), Encoding: decode(*encoding), Secret: decode(*secret), PreviousSecret: decode(*previous), Headers: decode(*headers),
	}, nil, nil
}

// width is how many webhooks a claim looks at. Few are cheaper, and more find more where
// each has little.
type width struct {
	mu sync.Mutex
	n  int
}

const minWidth, maxWidth = 4, 64

func (w *width) next() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.n = max(w.n, minWidth)
	return w.n
}

// learn doubles the width after a claim that came back less than half full although there
// was more, and halves it after a full one.
func (w *width) learn(was, got, limit int, next time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case was != w.n: // Another claim has learnt already.
	case next == 0 && got < limit/2:
		w.n = min(2*w.n, maxWidth)
	case got == limit:
		w.n = max(w.n/2, minWidth)
	}
}
