package webhook

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
)

// RateLimitRequest is a request for which an answer costs something.
type RateLimitRequest struct {
	Principal  Principal
	MerchantID string
	WebhookID  string // empty where the path has none
	// Route is the method and the path after the merchant, with names in place of
	// ids: "POST webhooks/{webhookId}/test".
	Route string
}

// RateLimitFunc decides whether a request may be served now: 0 lets it pass,
// anything else is how long the caller should wait, which is answered with 429
// and Retry-After. An error is answered as one of the store.
type RateLimitFunc func(context.Context, RateLimitRequest) (time.Duration, error)

const (
	testWindow    = time.Minute
	maxTestsLimit = 60
)

// limiting serves requests unless there are too many.
func (h *Handler) limiting(serve endpoint) endpoint {
	if h.opts.RateLimit == nil {
		return serve
	}
	return func(x *exchange) (answer, error) {
		wait, err := h.opts.RateLimit(x.r.Context(), RateLimitRequest{
			Principal: x.who, MerchantID: x.merchantID, WebhookID: x.webhookID, Route: x.route,
		})
		if err != nil {
			return answer{}, fmt.Errorf("webhook: rate limit: %w", err)
		}
		if wait > 0 {
			return answer{}, x.tooMany(wait)
		}
		return serve(x)
	}
}

// tooMany asks the caller to wait, in whole seconds (RFC 9110, section 10.2.3).
func (x *exchange) tooMany(wait time.Duration) error {
	seconds := int64((wait + time.Second - 1) / time.Second)
	x.w.Header().Set("Retry-After", strconv.FormatInt(max(seconds, 1), 10))
	return errTooMany
}

// testSlots takes n of the webhook's slots, or as many as there are at all.
func (h *Handler) testSlots(x *exchange, n int) error {
	for range min(n, h.opts.TestsPerMinute) {
		wait, err := h.testSlot(x)
		if err != nil {
			return err
		}
		if wait > 0 {
			return x.tooMany(wait)
		}
	}
	return nil
}

// testSlot takes one of the webhook's slots for a minute, or returns how long it
// takes until one is free. Slots are in the store, so that the limit holds over all
// processes, and each counts its own minute, so that it holds for any minute.
func (h *Handler) testSlot(x *exchange) (time.Duration, error) {
	ctx := x.r.Context()
	// An unknown webhook is not worth a slot, and must not be told from a busy one.
	if _, err := h.svc.Webhook(ctx, x.merchantID, x.webhookID); err != nil {
		return 0, err
	}
	scope, holder := "tests|"+x.merchantID+"|"+x.webhookID, id.New("h_")
	n := h.opts.TestsPerMinute
	first := rand.N(n) //nolint:gosec // spreads load, guards nothing
	wait := testWindow
	for i := range n {
		slot := strconv.Itoa((first + i) % n)
		got, err := h.svc.store.BeginSeen(ctx, scope, slot, store.SeenBegin{Holder: holder, Lease: testWindow})
		if err != nil {
			return 0, err
		}
		if got.State == store.SeenNew {
			until := strconv.FormatInt(time.Now().Add(testWindow).UnixMilli(), 10)
			err := h.svc.store.CommitSeen(ctx, scope, slot, holder, []byte(until), testWindow)
			if errors.Is(err, store.ErrStale) {
				err = nil // A minute has gone by since the line before.
			}
			return 0, err
		}
		if until, err := strconv.ParseInt(string(got.Value), 10, 64); err == nil {
			wait = min(wait, time.Until(time.UnixMilli(until)))
		}
	}
	return max(wait, time.Second), nil
}
