package webhook

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
)

// The scopes of the management API, as they stand in [Principal.Scopes].
const (
	// ScopeRead is for GET and HEAD.
	ScopeRead = "webhooks:read"
	// ScopeWrite is for every other method, and does not include reading.
	ScopeWrite = "webhooks:write"
)

// Principal is who makes a request.
type Principal struct {
	// MerchantID is the only merchant whose webhooks the request may see or change,
	// unless it may those of any.
	MerchantID string

	// AnyMerchant makes an operator of the caller, who may act for every merchant.
	// MerchantID is then without meaning.
	AnyMerchant bool

	// Scopes is what the request may do: [ScopeRead], [ScopeWrite] or both. Others
	// are without meaning here. Nil is everything; an empty slice is nothing.
	Scopes []string
}

// May reports whether scope, or everything, was granted.
func (p Principal) May(scope string) bool {
	return p.Scopes == nil || slices.Contains(p.Scopes, scope)
}

// MayActFor reports whether the principal is this merchant, or an operator.
func (p Principal) MayActFor(merchantID string) bool {
	return p.AnyMerchant || p.MerchantID == merchantID
}

// AuthenticateFunc says who makes a request. It is called once for each request
// that a route fits, before anything of the body is read. An error is answered
// with 401 and shows only in the log, at debug level; one that wraps
// [ErrUnavailable], because the login itself is down, with 503. One that wraps
// [ErrInvalidToken] says so in the 401's challenge.
type AuthenticateFunc func(*http.Request) (Principal, error)

// admit lets a request pass that may do what it asks for, to this merchant.
func (h *Handler) admit(ctx context.Context, x *exchange) error {
	who, err := h.authenticate(x.r)
	if errors.Is(err, ErrUnavailable) {
		return err
	}
	if err != nil {
		h.opts.Logger.DebugContext(ctx, "webhook API request not authenticated",
			slog.String("request_id", x.requestID), slog.Any("error", err))
		why := ""
		if errors.Is(err, ErrInvalidToken) {
			why = `error="invalid_token"`
		}
		x.w.Header().Set("WWW-Authenticate", challenge(h.opts.Challenge, why))
		return errUnauthorized
	}
	if !who.MayActFor(x.merchantID) {
		return errForbidden
	}
	needed := ScopeWrite
	if x.r.Method == http.MethodGet || x.r.Method == http.MethodHead {
		needed = ScopeRead
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
