package api

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/webui"
)

// admit lets a request pass that may do what it asks for, to this merchant. A
// challenge says what is missing.
func (h *Handler) admit(ctx context.Context, x *exchange) error {
	err := x.Admit(h.authenticate, nil) //nolint:contextcheck // The context is the request's, which x has.
	if denied, ok := errors.AsType[*webui.AuthError](err); ok {
		h.opts.Logger.DebugContext(ctx, "webhook API request not authenticated",
			slog.String("request_id", x.requestID), slog.Any("error", denied.Err))
		why := ""
		if errors.Is(err, webhook.ErrInvalidToken) {
			why = `error="invalid_token"`
		}
		x.W.Header().Set("WWW-Authenticate", challenge(h.opts.Challenge, why))
		return errUnauthorized
	}
	switch {
	case errors.Is(err, webui.ErrForeign) && x.Operator:
		return errNoOperator
	case errors.Is(err, webui.ErrForeign):
		return errForbidden
	case errors.Is(err, webui.ErrScope):
		x.W.Header().Set("WWW-Authenticate", challenge(h.opts.Challenge, `error="insufficient_scope", scope="`+x.Scope()+`"`))
		return errScope(x.Scope())
	}
	return err
}

// bearerChallenge is the usual challenge.
const bearerChallenge = "Bearer"

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
