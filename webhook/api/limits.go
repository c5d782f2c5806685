package api

import (
	"fmt"
	"strconv"
	"time"

	"github.com/rag-assistant/webhooks/webhook"
)

// limiting serves requests unless there are too many.
func (h *Handler) limiting(serve endpoint) endpoint {
	if h.opts.RateLimit == nil {
		return serve
	}
	return func(x *exchange) (answer, error) {
		wait, err := h.opts.RateLimit(x.r.Context(), webhook.RateLimitRequest{
			Principal: x.who, MerchantID: x.merchantID, WebhookID: x.webhookID, Route: x.route,
		})
		if err != nil {
			return answer{}, fmt.Errorf("api: rate limit: %w", err)
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
