package api

import (
	"time"
)

// limit asks whether there are too many requests, the host first.
func (h *Handler) limit(x *exchange) error {
	wait, err := x.Limit(h.opts.RateLimit, &h.readers)
	if err == nil && wait > 0 {
		err = x.tooMany(wait)
	}
	return err
}

// tooMany asks the caller to wait.
func (x *exchange) tooMany(wait time.Duration) error {
	x.RetryAfter(wait)
	return errTooMany
}

// testSlots takes n of the webhook's tests, or as many as there are at all.
func (h *Handler) testSlots(x *exchange, n int) error {
	wait, err := h.svc.ReserveTests(x.R.Context(), x.MerchantID, x.WebhookID, n, h.opts.TestsPerMinute)
	if err == nil && wait > 0 {
		err = x.tooMany(wait)
	}
	return err
}
