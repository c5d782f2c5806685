// Package webui is what the management API and the portal share: how a request is
// taken apart and let in. Each of them words its own answers.
package webui

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/rag-assistant/webhooks/webhook"
)

// Exchange is a request on its way to an answer.
type Exchange struct {
	W http.ResponseWriter
	R *http.Request

	Who   webhook.Principal
	Route string // as in [webhook.RateLimitRequest]

	// As in the path; checked for nothing but the merchant's being the principal's.
	MerchantID, WebhookID, DeliveryID, ReplayID, EventID, JobID string

	// Operator says that the path is one for operators. It names no merchant.
	Operator bool

	leave func() // gives the place among Readers back, if there is one
}

// What a route has in place of an id.
const (
	WebhookParameter  = "{webhookId}"
	DeliveryParameter = "{deliveryId}"
	ReplayParameter   = "{replayId}"
	EventParameter    = "{eventId}"
	JobParameter      = "{jobId}"
)

// Match reports whether segments are those of a route, and keeps the ids in them.
func (x *Exchange) Match(route, segments []string) bool {
	return Match(route, segments, map[string]*string{
		WebhookParameter: &x.WebhookID, DeliveryParameter: &x.DeliveryID, ReplayParameter: &x.ReplayID,
		EventParameter: &x.EventID, JobParameter: &x.JobID,
	})
}

// AuthError says that nobody can tell who makes a request.
type AuthError struct{ Err error }

func (e *AuthError) Error() string { return e.Err.Error() }
func (e *AuthError) Unwrap() error { return e.Err }

// A principal may be another merchant, or lack a scope.
var (
	ErrForeign = errors.New("another merchant's")
	ErrScope   = errors.New("scope is missing")
)

// Admit lets a request pass that may do what it asks for, and has its context say who
// that is: see [webhook.WithActor]. It fails with
// [webhook.ErrUnavailable] if the login is down, with an [*AuthError], [ErrForeign]
// or [ErrScope]. Where the path names no merchant, choose does, unless it is nil.
func (x *Exchange) Admit(authenticate webhook.AuthenticateFunc, choose func(webhook.Principal) string) error {
	who, err := authenticate(x.R)
	switch {
	case errors.Is(err, webhook.ErrUnavailable):
		return err
	case err != nil:
		return &AuthError{err}
	}
	x.Who = who
	switch {
	case x.Operator:
		if !who.AnyMerchant {
			return ErrForeign
		}
	case choose != nil:
		x.MerchantID = choose(who)
	case !who.MayActFor(x.MerchantID):
		return ErrForeign
	}
	if !who.May(x.Scope()) {
		return ErrScope
	}
	if who.Subject != "" { // Else a middleware of the host's may have said it.
		x.R = x.R.WithContext(webhook.WithActor(x.R.Context(), who.Subject))
	}
	return nil
}

// Scope is the one that the method needs.
func (x *Exchange) Scope() string {
	if x.R.Method == http.MethodGet || x.R.Method == http.MethodHead {
		return webhook.ScopeRead
	}
	return webhook.ScopeWrite
}

// Limit asks how long the caller should wait. A nil limit has nothing against it. Who only
// reads also needs a place among readers, and keeps it until Leave.
func (x *Exchange) Limit(limit webhook.RateLimitFunc, readers *Readers) (time.Duration, error) {
	if limit != nil {
		wait, err := limit(x.R.Context(), webhook.RateLimitRequest{
			Principal: x.Who, MerchantID: x.MerchantID, WebhookID: x.WebhookID, Route: x.Route,
		})
		if err != nil {
			return 0, fmt.Errorf("webhook: rate limit: %w", err)
		}
		if wait > 0 {
			return wait, nil
		}
	}
	if x.MerchantID == "" || x.Scope() != webhook.ScopeRead {
		return 0, nil
	}
	reader := x.MerchantID // A page for operators takes it out of the exchange later.
	if !readers.add(reader, 1) {
		return time.Second, nil
	}
	x.leave = func() { readers.add(reader, -1) }
	return 0, nil
}

// Leave ends an exchange whose answer was written.
func (x *Exchange) Leave() {
	if x.leave != nil {
		x.leave()
	}
}

// maxReaders is how many answers to a merchant's reading requests are made and written at
// once. The largest is of a few megabytes, and whoever does not read holds it in memory.
const maxReaders = 32

// Readers counts the reading requests of each merchant. Its zero value has none.
type Readers struct {
	mu sync.Mutex
	of map[string]int
}

// add changes a merchant's number, unless that would be too many.
func (r *Readers) add(merchantID string, n int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.of[merchantID] + n
	switch {
	case now > maxReaders:
		return false
	case now == 0:
		delete(r.of, merchantID)
		return true
	case r.of == nil:
		r.of = map[string]int{}
	}
	r.of[merchantID] = now
	return true
}

// RetryAfter asks the caller to wait, in whole seconds (RFC 9110, section 10.2.3),
// and returns how many.
func (x *Exchange) RetryAfter(wait time.Duration) int64 {
	seconds := max(int64((wait+time.Second-1)/time.Second), 1)
	x.W.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
	return seconds
}

// Fault is what the log has about a fault of this side. It is no error if the caller
// has gone, and with it the store's context.
func (x *Exchange) Fault(ctx context.Context, requestID string, err error) (slog.Level, []slog.Attr) {
	level := slog.LevelError
	if ctx.Err() != nil {
		level = slog.LevelDebug
	}
	return level, []slog.Attr{
		slog.String("request_id", requestID), slog.String("method", x.R.Method),
		slog.String("merchant_id", x.MerchantID), slog.String("webhook_id", x.WebhookID), slog.Any("error", err),
	}
}

// Passing reports whether a fault may be gone at the next try: time that ran out, or
// a network.
func Passing(err error) bool {
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, webhook.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// Recover calls failed after a panic, with what the log has about it. Defer it.
func Recover(failed func(panicked, stack slog.Attr)) {
	switch v := recover(); v {
	case nil:
	case http.ErrAbortHandler:
		panic(v)
	default:
		failed(slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
	}
}

// writeTime is how long a client may take to read an answer.
const writeTime = 30 * time.Second

// BoundWriting gives up on a client that does not read the answer that is about to be
// written, so that nobody holds answers in memory by asking and not reading. A server that
// has a bound of its own, or a writer that has no deadlines, is left alone.
func BoundWriting(w http.ResponseWriter, r *http.Request) {
	if srv, ok := r.Context().Value(http.ServerContextKey).(*http.Server); ok && srv.WriteTimeout > 0 {
		return
	}
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeTime))
}
