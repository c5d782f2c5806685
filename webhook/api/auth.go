package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/rag-assistant/webhooks/webhook"
)

// admit lets a request pass that may do what it asks for, to this merchant.
func (h *Handler) admit(ctx context.Context, x *exchange) error {
	who, err := h.authenticate(x.r)
	if errors.Is(err, webhook.ErrUnavailable) {
		return err
	}
	if err != nil {
		h.opts.Logger.DebugContext(ctx, "webhook API request not authenticated",
			slog.String("request_id", x.requestID), slog.Any("error", err))
		why := ""
		if errors.Is(err, webhook.ErrInvalidToken) {
			why = `error="invalid_token"`
		}
		x.w.Header().Set("WWW-Authenticate", challenge(h.opts.Challenge, why))
		return errUnauthorized
	}
	if !who.MayActFor(x.merchantID) {
		return errForbidden
	}
	needed := webhook.ScopeWrite
	if x.r.Method == http.MethodGet || x.r.Method == http.MethodHead {
		needed = webhook.ScopeRead
	}
	if !who.May(needed) {
		x.w.Header().Set("WWW-Authenticate", challenge(h.opts.Challenge, `error="insufficient_scope", scope="`+needed+`"`))
		return errScope(needed)
	}
	x.who = who
	return nil
}

// challenge adds parameters that only the scheme Bearer has (RFC 6750, section 3)
// to a challenge that begins with it. They come first, because other challenges
// may follow.
func challenge(configured, parameters string) string {
	scheme, rest, more := strings.Cut(configured, " ")
	switch {
	case parameters == "" || !strings.EqualFold(scheme, "Bearer"):
		return configured
	case more:
		return scheme + " " + parameters + ", " + rest
	}
	return scheme + " " + parameters
}
