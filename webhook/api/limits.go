package api

import (
	"time"
)

// limiting serves requests unless there are too many.
func (h *Handler) limiting(serve endpoint) endpoint {
	return func(x *exchange) (answer, error) {
		wait, err := x.Limit(h.opts.RateLimit)
		if err == nil && wait > 0 {
			err = x.tooMany(wait)
		}
		if err != nil {
			return answer{}, err
		}
		return serve(x)
	}
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
