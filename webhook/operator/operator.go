package operator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/once"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// Store are the roles that an Operator uses.
type Store interface {
	store.Directory
	store.Jobs
	store.Seen // for requests that are sent again
	store.Backlogs

	// ListWebhooks is that of [store.Webhooks], Event and Delivery are those of
	// [store.History].
	ListWebhooks(ctx context.Context, merchantID string, q store.WebhookQuery) (store.WebhookPage, error)
	Event(ctx context.Context, merchantID, eventID string) (store.Event, error)
	Delivery(ctx context.Context, merchantID, webhookID, deliveryID string) (store.Delivery, error)
}

// Operator asks and acts over all merchants. It starts no goroutine. Its methods may be
// called concurrently. Who may call them is the caller's to decide: [webhook.Principal]
// has AnyMerchant for that.
//
// What a caller got wrong is a [*webhook.InvalidError] that lists all of it.
type Operator struct {
	store Store
	svc   *webhook.Service
	log   *slog.Logger
	keys  *once.Keys
}

// Options configures an [Operator].
type Options struct {
	// Logger gets a line at info for each job that is begun, stopped, or at its end, with
	// who began it. Defaults to discarding them.
	Logger *slog.Logger
}

// New returns an Operator over st, which is the store of svc. A nil o is the default.
func New(st Store, svc *webhook.Service, o *Options) (*Operator, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	var bad []error
	if st == nil {
		bad = append(bad, errors.New("store is nil"))
	}
	if svc == nil {
		bad = append(bad, errors.New("service is nil"))
	}
	if err := errors.Join(bad...); err != nil {
		return nil, fmt.Errorf("operator: new: %w", err)
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	return &Operator{store: st, svc: svc, log: opts.Logger, keys: &once.Keys{Most: maxKeys}}, nil
}

const (
	// merchantID is that of operators' jobs. No merchant can have it.
	merchantID = "~operator"
	// maxKeys is how many keys operators may begin while one is known.
	maxKeys = 10_000
)

// Once is [webhook.Service.Once] with a key of the operators': do is called once for a
// key, over all processes on the store, and a job that do begins is not begun again.
func (o *Operator) Once(
	ctx context.Context, key string, opts *webhook.OnceOptions, do func(context.Context) (value string, err error),
) (value string, again bool, err error) {
	var given webhook.OnceOptions
	if opts != nil {
		given = *opts
	}
	return once.Do(ctx, o.store, once.Call{
		Scope: "once|" + merchantID, Key: key, Fingerprint: given.Fingerprint,
		Time: cmp.Or(given.Time, 30*time.Second), Age: cmp.Or(given.Age, 24*time.Hour), NoWait: given.NoWait, Keys: o.keys,
	}, do)
}

func invalid(path string, text words.Text, args ...any) error {
	return &webhook.InvalidError{Faults: []webhook.Fault{webhook.NewFault(path, webhook.FaultWrong, text, args...)}}
}
