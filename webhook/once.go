package webhook

import (
	"cmp"
	"context"
	"net/url"
	"time"

	"github.com/rag-assistant/webhooks/webhook/internal/once"
)

// Errors of [Service.Once], which come in a [*WaitError].
var (
	// ErrInProgress says that another caller is still running do: see
	// [OnceOptions].NoWait.
	ErrInProgress = once.ErrInProgress
	// ErrKeys says that the merchant has begun too many keys: see [Limits].Keys.
	ErrKeys = once.ErrKeys
)

// WaitError says after how long it is worth trying again, at the latest.
type WaitError = once.WaitError

// OnceOptions configures a call of [Service.Once].
type OnceOptions struct {
	// Fingerprint, of any length, stands for what is asked for. The same key with
	// another fingerprint fails with [ErrConflict]. Defaults to none: the key alone
	// decides.
	Fingerprint string

	// Time is how long do may take. Defaults to 30 seconds.
	Time time.Duration

	// Age is how long the key is known after do has returned. Defaults to 24 hours.
	Age time.Duration

	// NoWait fails with [ErrInProgress] while another caller's do is running. By
	// default, Once waits for its value, until ctx ends.
	NoWait bool
}

// Once calls do unless it has been called with this key of the merchant's before,
// over all processes on the store, so that a request that is sent twice acts once.
// Whoever comes again gets the value that do returned the first time, and true. The
// value is stored as it is, so it must not be a secret. A nil o is the default.
//
// If do fails, its error is returned and the key is free again. An error beside a
// value says that the value could not be kept: do was called, and may be called again
// once the key's time is over. The context of do outlives ctx, because a caller that
// hangs up will try again, so do must finish what it has begun.
//
// Pass that context on: what do makes by this Service has ids that are derived from
// it, the same at each try. So if a process dies before the value is kept, or the store
// does not answer, the next call makes nothing a second time. A webhook that was
// registered, or whose secret was replaced, then gets a new secret without a grace,
// because nobody has seen the one of before.
func (s *Service) Once(
	ctx context.Context, merchantID, key string, o *OnceOptions, do func(context.Context) (value string, err error),
) (value string, again bool, err error) {
	if err := checkMerchant(merchantID); err != nil {
		return "", false, err
	}
	var opts OnceOptions
	if o != nil {
		opts = *o
	}
	if opts.Time < 0 || opts.Age < 0 {
		return "", false, invalid("options", "must not have a negative Time or Age")
	}
	return once.Do(ctx, s.store, once.Call{
		Scope: "once|" + merchantID, Key: key, Fingerprint: opts.Fingerprint,
		Time: cmp.Or(opts.Time, 30*time.Second), Age: cmp.Or(opts.Age, 24*time.Hour), NoWait: opts.NoWait, Keys: s.keys,
	}, do)
}

const (
	// MaxTestsPerMinute is the highest bound that [Service.ReserveTests] takes, and how
	// many tests, and how many redeliveries, a merchant may ask for in any minute.
	MaxTestsPerMinute = 60
	// RedeliveriesPerMinute is how many of them may go to one host.
	RedeliveriesPerMinute = 30
)

// ReserveTests takes n of the tests that a merchant may send to the host of a webhook in
// any minute, over all processes on the store, or none, and returns how long it takes
// until so many are free: without a bound, a merchant could point the sender at
// somebody. All of the merchant's webhooks at a host count together, those of before
// too, and so do all of its tests, up to [MaxTestsPerMinute]. More than perMinute are
// never asked for. The management API asks for one before each [Service.Test] and for
// [MaxProbes] before each [Service.Detect]; so should others who let merchants test.
func (s *Service) ReserveTests(ctx context.Context, merchantID, webhookID string, n, perMinute int) (time.Duration, error) {
	return s.reserve(ctx, "tests", merchantID, webhookID, n, perMinute)
}

// ReserveRedelivery is what [Service.ReserveTests] is, for one [Service.Redeliver] and
// [RedeliveriesPerMinute].
func (s *Service) ReserveRedelivery(ctx context.Context, merchantID, webhookID, deliveryID string) (time.Duration, error) {
	// Nor does an unknown delivery, or a test, which is not sent again.
	if err := checkIDs(merchantID, webhookID, deliveryID); err != nil {
		return 0, err
	}
	d, err := s.delivery(ctx, merchantID, webhookID, deliveryID)
	if err != nil || d.Test {
		return 0, err
	}
	return s.reserve(ctx, "redeliveries", merchantID, webhookID, 1, RedeliveriesPerMinute)
}

func (s *Service) reserve(ctx context.Context, what, merchantID, webhookID string, n, perMinute int) (time.Duration, error) {
	// An unknown webhook takes no slot.
	w, err := s.Webhook(ctx, merchantID, webhookID)
	if err != nil {
		return 0, err
	}
	if perMinute < 1 || perMinute > MaxTestsPerMinute {
		return 0, invalid("perMinute", "must be between 1 and %d", MaxTestsPerMinute)
	}
	host := w.URL
	if u, err := url.Parse(w.URL); err == nil {
		host = u.Hostname()
	}
	scope := what + "|" + merchantID
	return once.Take(ctx, s.store, n, time.Minute, once.Bound{Scope: scope + "|" + host, Most: perMinute}, once.Bound{Scope: scope, Most: MaxTestsPerMinute})
}
