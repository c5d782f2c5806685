package webhook

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
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
	// MerchantID is the merchant whose webhooks the request may see and change.
	MerchantID string

	// Subject is who it is, for the record of changes: a login, say. It is shown to the
	// merchant, so of an operator it may be a team. Empty is nobody in particular.
	Subject string

	// AnyMerchant makes the caller an operator, who may act for every merchant.
	// MerchantID then has no meaning.
	AnyMerchant bool

	// Scopes is what the request may do: [ScopeRead], [ScopeWrite] or both. Others
	// have no meaning here. Nil grants everything; an empty slice grants nothing.
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

// ErrUnavailable says that an [AuthenticateFunc] cannot tell who asks, because
// something that it needs is down.
var ErrUnavailable = store.ErrUnavailable

// ErrInvalidToken says that a bearer token came with the request and is not valid,
// whatever the reason. The challenge then says error="invalid_token" (RFC 6750,
// section 3.1), which tells a client to get another token.
var ErrInvalidToken = errors.New("invalid token")

// RateLimitRequest describes a request that is about to cost something.
type RateLimitRequest struct {
	Principal  Principal
	MerchantID string // empty in a request of an operator over all merchants
	WebhookID  string // empty where the path has none
	// Route is the method and the path after the merchant, with names in place of
	// ids: "POST webhooks/{webhookId}/test", or "POST operator/jobs".
	Route string
}

// RateLimitFunc decides whether a request may be served now: 0 lets it pass,
// anything else is how long the caller should wait, which is answered with 429
// and Retry-After. An error is answered as one of the store.
type RateLimitFunc func(context.Context, RateLimitRequest) (time.Duration, error)
