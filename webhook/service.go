package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/internal/once"
	"github.com/rag-assistant/webhooks/webhook/internal/vault"
)

// Service registers webhooks, publishes events to them and shows what became of
// them. It opens no connection and starts no goroutine: a [Dispatcher], in this
// process or another, delivers. Its methods may be called concurrently.
//
// Every method takes the merchant first. An id of another merchant is
// [ErrNotFound], the same as an unknown one. What a caller got wrong is an
// [*InvalidError] that lists all of it.
type Service struct {
	store    ServiceStore
	rules    *egress.Egress
	vault    *vault.Vault
	wire     signer.Wire
	reserved vault.Reserved
	catalog  *event.Catalog
	observer Observer
	log      *slog.Logger
	limits   Limits
	keys     *once.Keys
	crowded  *crowded
	now      func() time.Time
}

// ServiceStore are the roles that a Service uses.
type ServiceStore interface {
	store.Webhooks
	store.Publisher
	store.History
	store.Seen     // for requests that are sent again, and to bound tests
	store.Notices  // for a webhook that was moved
	store.Jobs     // for replays
	store.Backlogs // for Health
}

// ServiceOptions configures a [Service].
type ServiceOptions struct {
	// Catalog holds the event types that can be published and subscribed to.
	// Its shape says what is sent of an event: see [event.Catalog.WithShape]. Defaults to
	// the nine of RAG Assistant: see [event.DefaultCatalog].
	Catalog *event.Catalog

	// Egress holds the rules for a webhook's URL. Give the [Dispatcher] the same,
	// so that what can be registered can be reached. Defaults to https on public
	// addresses.
	Egress *egress.Options

	// Wire is what requests call their headers, and how they are signed. Give the
	// [Dispatcher] the same. Defaults to X-Webhook-Signature and so on, beside the headers
	// of Standard Webhooks.
	Wire signer.Wire

	// SecretKeys seal webhook secrets and headers before they reach the store: the
	// first one seals, all of them open. A Dispatcher on the same store needs the same
	// keys. A store that outlives the process needs at least one. To change the
	// key, put the new one in front everywhere, call [Service.Rewrap] for each
	// merchant, then take the old one away. Defaults to none.
	SecretKeys []SecretKey

	// InsecurePlaintextSecrets stores secrets and headers as they are in a store
	// that outlives the process. Whoever can read the store can then sign as you.
	// Beside SecretKeys it seals what is new and opens what is not sealed: set both,
	// call [Service.Rewrap] for each merchant, then take this away.
	InsecurePlaintextSecrets bool

	// Limits bounds what one merchant can register, and what waits for it.
	Limits Limits

	// Observer is told of what happens. Defaults to nobody.
	Observer Observer

	// Logger gets a line at debug for each event that is published, with the keys that
	// docs/observability.md lists. Defaults to discarding them.
	Logger *slog.Logger

	// Now is the time that events without one get as theirs. Defaults to
	// [time.Now]. What is due is decided by the store's clock.
	Now func() time.Time
}

// Limits bounds what one merchant can register, and what waits for it.
type Limits struct {
	// Webhooks per merchant, at most 10,000, which is as far as a list reaches.
	// Defaults to 50.
	Webhooks int
	// Events are subscriptions per webhook. Defaults to 100.
	Events int
	// Keys is how many keys of [Service.Once] a merchant may begin in the time that one
	// is known, at this process: those of the API and of the portal's forms, and the
	// host's own. Beyond it, Once fails with [ErrKeys]. Defaults to 10,000.
	Keys int
	// Pending is how many pending deliveries a webhook may have. Beyond it, it misses
	// what is published: the event is kept, [Publication].Missed says so, its owner gets a
	// [NoticeCrowded] a day, and a replay sends it later. Services that share a store should
	// agree on it. Defaults to 100,000.
	Pending int
	// NoPendingLimit takes the bound away, so that an endpoint which is down for long can
	// fill the store.
	NoPendingLimit bool
}

const (
	// DefaultGrace is how long [Service.Rotate] usually keeps the old secret.
	DefaultGrace = 24 * time.Hour
	// MaxGrace is how long it can be kept.
	MaxGrace = 7 * 24 * time.Hour
)

// Pages of lists.
const (
	MaxPage   = 1000   // the longest page
	MaxOffset = 10_000 // the furthest that an offset reaches; beyond it, use a cursor
)

// NewService returns a Service over st. A nil o is the default.
func NewService(st ServiceStore, o *ServiceOptions) (*Service, error) {
	var opts ServiceOptions
	if o != nil {
		opts = *o
	}
	var bad []error
	if st == nil {
		bad = append(bad, errors.New("store is nil"))
	}
	if opts.Limits.Webhooks < 0 || opts.Limits.Events < 0 || opts.Limits.Keys < 0 || opts.Limits.Pending < 0 {
		bad = append(bad, errors.New("a limit is negative"))
	}
	if opts.Limits.Webhooks > MaxOffset {
		bad = append(bad, fmt.Errorf("more than %d webhooks per merchant", MaxOffset))
	}
	if opts.Catalog == nil {
		opts.Catalog = event.DefaultCatalog()
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	bad = append(bad, shaper{opts.Catalog.Shape(), vault.NewReserved(opts.Wire), opts.Logger}.check())
	rules, err := egress.New(opts.Egress)
	bad = append(bad, err, opts.Wire.Validate())
	keys, err := newVault(st, opts.SecretKeys, opts.InsecurePlaintextSecrets)
	bad = append(bad, err)
	if err := errors.Join(bad...); err != nil {
		return nil, fmt.Errorf("webhook: new service: %w", err)
	}
	s := &Service{
		store: st, rules: rules, vault: keys, catalog: opts.Catalog, wire: opts.Wire.WithDefaults(), reserved: vault.NewReserved(opts.Wire),
		observer: opts.Observer, log: opts.Logger, limits: opts.Limits, now: opts.Now, crowded: &crowded{},
	}
	if s.limits.Webhooks == 0 {
		s.limits.Webhooks = 50
	}
	if s.limits.Events == 0 {
		s.limits.Events = 100
	}
	if s.limits.Pending == 0 {
		s.limits.Pending = 100_000
	}
	if s.limits.NoPendingLimit {
		s.limits.Pending = 0
	}
	s.keys = &once.Keys{Most: cmp.Or(opts.Limits.Keys, 10_000)}
	if s.now == nil {
		s.now = time.Now
	}
	return s, nil
}

// Limits returns the bounds in force, with the defaults filled in. Pending is 0 if
// there is none.
func (s *Service) Limits() Limits { return s.limits }

// Catalog returns the event types that can be published and subscribed to.
func (s *Service) Catalog() *event.Catalog { return s.catalog }

// Wire returns the names and forms in force, with the defaults filled in.
func (s *Service) Wire() signer.Wire { return s.wire }

// Webhook returns one webhook.
func (s *Service) Webhook(ctx context.Context, merchantID, webhookID string) (Webhook, error) {
	if err := checkIDs(merchantID, webhookID); err != nil {
		return Webhook{}, err
	}
	w, err := s.store.Webhook(ctx, merchantID, webhookID)
	if err != nil {
		return Webhook{}, fmt.Errorf("webhook: read: %w", err)
	}
	return s.View(w), nil
}

// View returns a webhook that was read from the store, as [Service.Webhook] shows it. It is
// for operators, who read those of all merchants from [store.Directory].
func (s *Service) View(w store.Webhook) Webhook {
	out := newWebhook(w)
	signs, carries := s.vault.Openable(&w)
	out.SecretLost, out.HeadersLost = !signs && !strings.HasPrefix(w.URL, HandedScheme), !carries
	return out
}

// Webhooks lists a merchant's webhooks, oldest first.
func (s *Service) Webhooks(ctx context.Context, merchantID string, q WebhookQuery) (WebhookPage, error) {
	if err := checkMerchant(merchantID); err != nil {
		return WebhookPage{}, err
	}
	if q.Limit < 0 || q.Offset < 0 {
		return WebhookPage{}, invalid("limit", "limit and offset must not be negative")
	}
	var out WebhookPage
	damaged, err := s.eachWebhook(ctx, merchantID, q.ActiveOnly, func(w store.Webhook) error {
		if out.Total >= q.Offset && (q.Limit == 0 || len(out.Webhooks) < q.Limit) {
			out.Webhooks = append(out.Webhooks, s.View(w))
		}
		out.Total++
		return nil
	})
	if err != nil {
		return WebhookPage{}, fmt.Errorf("webhook: list: %w", err)
	}
	out.Damaged = damaged
	return out, nil
}

// webhooksStep is how many webhooks are read in one step, which nobody else of a store's shard
// can act in: each may hold 20 KB of metadata.
const webhooksStep = 20

// eachWebhook calls f for each of a merchant's webhooks, oldest first, and returns the ids of
// those that cannot be read. There are no more than [Limits] allows.
func (s *Service) eachWebhook(ctx context.Context, merchantID string, activeOnly bool, f func(store.Webhook) error) (damaged []string, err error) {
	q := store.WebhookQuery{ActiveOnly: activeOnly, Limit: webhooksStep}
	for {
		page, err := s.store.ListWebhooks(ctx, merchantID, q)
		if err != nil {
			return nil, err
		}
		damaged = append(damaged, page.Damaged...)
		for _, w := range page.Webhooks {
			if err := f(w); err != nil {
				return nil, err
			}
		}
		if page.Next == "" {
			return damaged, nil
		}
		q.Cursor = page.Next
	}
}

// Delete forgets a webhook with its deliveries. ifVersion works as in [Update].
func (s *Service) Delete(ctx context.Context, merchantID, webhookID string, ifVersion int64) error {
	if err := checkIDs(merchantID, webhookID); err != nil {
		return err
	}
	if err := s.store.DeleteWebhook(ctx, merchantID, webhookID, ifVersion); err != nil {
		return fmt.Errorf("webhook: delete: %w", err)
	}
	return nil
}
