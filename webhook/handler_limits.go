package webhook

import (
	"context"
	"fmt"
	"strconv"
	"time"
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

// testSlots takes n of the webhook's tests, or as many as there are at all.
func (h *Handler) testSlots(x *exchange, n int) error {
	wait, err := h.svc.ReserveTests(x.r.Context(), x.merchantID, x.webhookID, n, h.opts.TestsPerMinute)
	if err == nil && wait > 0 {
		err = x.tooMany(wait)
	}
	return err
}
