package webhook

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
)

// Principal is who makes a request.
type Principal struct {
	// MerchantID is the only merchant whose webhooks the request may see or change.
	MerchantID string
}

// AuthenticateFunc says who makes a request. It is called once for each request
// that a route fits, before anything of the body is read. An error is answered
// with 401 and shows only in the log, at debug level; one that wraps
// [ErrUnavailable], because the login itself is down, with 503.
type AuthenticateFunc func(*http.Request) (Principal, error)

// admit lets nobody but the merchant pass.
func (h *Handler) admit(ctx context.Context, x *exchange) error {
	who, err := h.authenticate(x.r)
	if errors.Is(err, ErrUnavailable) {
		return err
	}
	if err != nil {
		h.opts.Logger.DebugContext(ctx, "webhook API request not authenticated",
			slog.String("request_id", x.requestID), slog.Any("error", err))
		x.w.Header().Set("WWW-Authenticate", h.opts.Challenge)
		return errUnauthorized
	}
	if who.MerchantID != x.merchantID {
		return errForbidden
	}
	return nil
}
