package api_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// tape records all that comes out, by where.
type tape struct {
	mu   sync.Mutex
	text map[string]*strings.Builder
}

func (p *tape) record(where string, values ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.text[where] == nil {
		p.text[where] = &strings.Builder{}
	}
	for _, v := range values {
		fmt.Fprintf(p.text[where], "%s\n%+v\n%#v\n", v, v, v)
	}
}

// Write takes the lines of loggers.
func (p *tape) Write(b []byte) (int, error) {
	p.record("logs", string(b))
	return len(b), nil
}

// recordError takes an error and all that it wraps.
func (p *tape) recordError(err error) {
	if err == nil {
		return
	}
	p.record("errors", err.Error(), err)
	switch e := err.(type) { //nolint:errorlint // all of the chain, not what is in it
	case interface{ Unwrap() error }:
		p.recordError(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, wrapped := range e.Unwrap() {
			p.recordError(wrapped)
		}
	}
}

// walk is a random walk of merchants over everything that a host offers them.
type walk struct {
	*tape
	*site

	t       *testing.T
	rng     *rand.Rand
	secrets []signer.Secret
	hooks   map[string][]string // ids of webhooks, by merchant
	log     []string            // ids of deliveries
	failing atomic.Bool         // no endpoint works any more
}

func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

func (w *walk) merchant() string { return pick(w.rng, []string{harness.Merchant, harness.Victim}) }

// ids are those of a merchant's webhook and of any delivery; now and then others.
func (w *walk) ids(merchantID string) (webhookID, deliveryID string) {
	webhookID, deliveryID = "whk_unknown", "whdel_unknown"
	if own := w.hooks[merchantID]; len(own) > 0 && w.rng.IntN(8) > 0 {
		webhookID = pick(w.rng, own)
	}
	if len(w.log) > 0 {
		deliveryID = pick(w.rng, w.log[max(0, len(w.log)-5):])
	}
	return webhookID, deliveryID
}

// secret is the text of one that was given out before.
func (w *walk) secret() string {
	if len(w.secrets) == 0 {
		return "whsec_none"
	}
	return pick(w.rng, w.secrets).Reveal()
}

// request calls the API with a good body or a bad one that holds a secret where
// a value is.
func (w *walk) request() {
	o := pick(w.rng, w.operations())
	if o.method == http.MethodDelete && w.rng.IntN(4) > 0 {
		return
	}
	m := w.merchant()
	webhookID, deliveryID := w.ids(m)
	body, query, s := o.body, "", w.secret()
	if w.rng.IntN(2) == 0 {
		body = strings.ReplaceAll(pick(w.rng, []string{
			"", "{", "{}", `"SECRET"`, `{"secret":"SECRET"}`, `{"secret":"SECRET"`, `{"url":"SECRET","events":["SECRET"]}`,
			`{"status":"SECRET"}`, `{"payloadEncoding":"SECRET"}`, `{"graceSeconds":"SECRET"}`, `{"graceSeconds":0}`, `{"graceSeconds":60}`,
			`{"type":"SECRET","data":"SECRET"}`, `{"since":"SECRET"}`, `{"status":"disabled"}`, `{"status":"active"}`,
		}), "SECRET", s)
	}
	if w.rng.IntN(4) == 0 {
		query = "?" + pick(w.rng, []string{"cursor=", "status=", "limit=", "eventType=", "since=", "wait=", "activeOnly="}) + strings.ReplaceAll(s, "+", "%2B")
	}
	r := httptest.NewRequestWithContext(w.t.Context(), o.method, o.at(m, webhookID, deliveryID)+query, strings.NewReader(body))
	r.Header.Set("Content-Type", pick(w.rng, []string{"application/json", "application/json", "text/plain"}))
	r.Header.Set("Authorization", "Bearer "+pick(w.rng, []string{m, m, m, m, s}))
	if tag := pick(w.rng, []string{"", "", "*", s}); tag != "" {
		r.Header.Set("If-Match", tag)
	}
	w.take(o, m, serve(w.t, w.api, r))
}

// take records an answer. Of one that may show a secret, all but that is
// recorded.
func (w *walk) take(o operation, merchantID string, a answered) {
	text := a.whole()
	creates := o.method == http.MethodPost && strings.Trim(o.path, "/") == "webhooks"
	if (creates || strings.HasSuffix(o.path, "/rotate")) && a.status/100 == 2 {
		v := a.object()
		shown, _ := v["secret"].(string)
		if _, asymmetric := v["publicKey"]; asymmetric {
			require.Empty(w.t, shown)
			w.record("answers", text)
			return
		}
		s, err := signer.ParseSecret(shown)
		require.NoError(w.t, err)
		w.secrets = append(w.secrets, s)
		if creates {
			id, _ := v["webhookId"].(string)
			w.hooks[merchantID] = append(w.hooks[merchantID], id)
		}
		text = strings.Replace(text, `"secret":"`+shown+`"`, "", 1)
		require.Less(w.t, len(text), len(a.whole()))
	}
	w.record("answers", text)
}

// recovered records a panic of the store, which the host would see.
func (w *walk) recovered() {
	if p := recover(); p != nil {
		w.record("panics", p)
	}
}

// read reads one webhook.
func (w *walk) read(webhookID string) {
	defer w.recovered()
	v, err := w.svc.Webhook(w.t.Context(), harness.Merchant, webhookID)
	w.record("records", v)
	w.recordError(err)
}

// call calls the service as its host does.
func (w *walk) call() {
	defer w.recovered()
	m := w.merchant()
	webhookID, deliveryID := w.ids(m)
	ctx := w.t.Context()
	switch w.rng.IntN(8) {
	case 0:
		_, err := w.svc.Register(ctx, m, webhook.Registration{URL: w.secret(), Events: []string{w.secret()}, Encoding: webhook.Encoding(w.secret())})
		w.recordError(err)
	case 1:
		_, err := w.svc.Rotate(ctx, m, webhookID, -1)
		w.recordError(err)
	case 2:
		d, err := w.svc.Delivery(ctx, m, webhookID, deliveryID)
		w.record("records", d)
		w.recordError(err)
	case 3:
		page, err := w.svc.Webhooks(ctx, m, webhook.WebhookQuery{})
		w.record("records", page)
		w.recordError(err)
	case 4:
		_, err := w.svc.Publish(ctx, m, event.NewRaw("document.created", map[string]any{"secret": w.secret(), "c": make(chan int)}))
		w.recordError(err)
	case 5:
		n, err := w.svc.Rewrap(ctx, m)
		w.record("records", n)
		w.recordError(err)
	default:
		p, err := w.svc.Publish(ctx, m, event.New(event.DocumentCreated{DocumentID: "doc_1"}))
		for _, d := range p.Deliveries {
			w.log = append(w.log, d.ID)
		}
		w.record("records", p)
		w.recordError(err)
	}
}

// gossip is an endpoint that repeats what it gets, or a transport that tells it
// when it fails.
func (w *walk) gossip(req *http.Request) (*http.Response, error) {
	all, err := httputil.DumpRequestOut(req, true)
	if err != nil {
		return nil, err
	}
	status := http.StatusOK
	switch n := rand.IntN(8); {
	case w.failing.Load():
		status = http.StatusInternalServerError
	case n == 0:
		return nil, fmt.Errorf("cannot send %s", all)
	case n == 1:
		panic(string(all))
	case n == 2:
		status = http.StatusUnauthorized
	case n < 5:
		status = http.StatusInternalServerError
	}
	e := harness.Endpoint{Answer: func(harness.Call) (harness.Answer, error) { return harness.Reply(status, string(all)), nil }}
	return e.RoundTrip(req)
}

// talkative is a store of which every twelfth call fails or panics, and tells what
// it was called with.
type talkative struct {
	store.Store

	quiet atomic.Bool
	calls atomic.Int64
}

func (s *talkative) fault(args ...any) error {
	if s.quiet.Load() {
		return nil
	}
	switch s.calls.Add(1) % 24 {
	case 7:
		return fmt.Errorf("no: %w", errors.New(harness.Dump(args)))
	case 19:
		panic(harness.Dump(args))
	}
	return nil
}

func (s *talkative) CreateWebhook(ctx context.Context, merchantID string, w store.Webhook, limit int) (store.Webhook, error) {
	if err := s.fault("create", merchantID, w); err != nil {
		return store.Webhook{}, err
	}
	return s.Store.CreateWebhook(ctx, merchantID, w, limit)
}

func (s *talkative) UpdateWebhook(ctx context.Context, merchantID, webhookID string, u store.WebhookUpdate) (store.Webhook, error) {
	if err := s.fault("update", merchantID, webhookID, u); err != nil {
		return store.Webhook{}, err
	}
	return s.Store.UpdateWebhook(ctx, merchantID, webhookID, u)
}

func (s *talkative) Webhook(ctx context.Context, merchantID, webhookID string) (store.Webhook, error) {
	w, err := s.Store.Webhook(ctx, merchantID, webhookID)
	return w, errors.Join(err, s.fault("read", w))
}

func (s *talkative) Publish(ctx context.Context, merchantID string, events []store.NewEvent) ([]store.Published, error) {
	out, err := s.Store.Publish(ctx, merchantID, events)
	return out, errors.Join(err, s.fault("publish", events, out))
}

func (s *talkative) Claim(ctx context.Context, c store.ClaimRequest) (store.Claimed, error) {
	if err := s.fault("claim", c); err != nil {
		return store.Claimed{}, err
	}
	got, err := s.Store.Claim(ctx, c)
	if len(got.Leases) > 0 && s.calls.Load()%24 == 3 && !s.quiet.Load() {
		panic(harness.Dump(got)) // Its deliveries come back when their leases end.
	}
	return got, err
}

func (s *talkative) Finish(ctx context.Context, results []store.Result) ([]store.Finished, error) {
	if err := s.fault("finish", results); err != nil {
		return nil, err
	}
	return s.Store.Finish(ctx, results)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestSecretsShowNowhereElse(t *testing.T) {
	t.Parallel()
	for name, open := range harness.Stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, seed := open(t), rand.Uint64()
			t.Logf("seed %d", seed)
			w := &walk{t: t, tape: &tape{text: map[string]*strings.Builder{}}, rng: rand.New(rand.NewPCG(seed, 0)), hooks: map[string][]string{}}
			logger := slog.New(slog.NewMultiHandler(
				slog.NewTextHandler(w.tape, &slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}),
				slog.NewJSONHandler(w.tape, &slog.HandlerOptions{Level: slog.LevelDebug})))
			k1, k2, k3 := harness.RandomKey("k1"), harness.RandomKey("k2"), harness.RandomKey("k3")
			st := &talkative{Store: b.Store}
			attempts, noticed := make(chan struct{}, 1<<16), make(chan struct{}, 1<<16)
			observer := webhook.Observer{
				Published: func(_ context.Context, i webhook.PublishedInfo) { w.record("observer", i) },
				Attempted: func(_ context.Context, i webhook.AttemptInfo) {
					w.record("observer", i)
					attempts <- struct{}{}
					panic(i)
				},
				Settled: func(_ context.Context, i webhook.SettledInfo) { w.record("observer", i) },
			}
			// start runs a dispatcher and returns what stops it.
			start := func(keys ...webhook.SecretKey) (stop func()) {
				d, err := webhook.NewDispatcher(st, &webhook.DispatcherOptions{
					SecretKeys: keys, Transport: roundTripper(w.gossip), Observer: observer, Logger: logger,
					DisableAfter: 2, Retry: retry.Policy{Delays: []time.Duration{time.Millisecond}, MaxAttempts: 2},
					OnNotice: func(_ context.Context, n webhook.Notice) error {
						w.record("notices", n)
						noticed <- struct{}{}
						panic(n)
					},
				})
				require.NoError(t, err)
				ctx, cancel := context.WithCancel(t.Context())
				stopped := make(chan error, 1)
				go func() { stopped <- d.Run(ctx) }()
				return func() {
					cancel()
					require.NoError(t, harness.Receive(t, stopped))
				}
			}
			w.site = newSite(t, st, nil)
			// use makes service and handler anew.
			use := func(keys ...webhook.SecretKey) {
				var err error
				w.svc, err = webhook.NewService(st, &webhook.ServiceOptions{SecretKeys: keys, Observer: observer, Now: noon})
				require.NoError(t, err)
				opts := allRoutes(t)
				opts.Logger, opts.TestWait = logger, time.Millisecond
				w.api, err = api.New(w.svc, bearer, opts)
				require.NoError(t, err)
			}
			steps := func(n int) {
				for range n {
					w.request()
					w.call()
				}
			}

			use(k1)
			st.quiet.Store(true)
			for range 5 {
				w.secrets = append(w.secrets, harness.Register(t, w.svc, harness.Merchant, webhook.EveryType).Secret)
			}
			w.hooks[harness.Merchant] = append(w.hooks[harness.Merchant], harness.RegisterAsymmetric(t, w.svc).Webhook.ID)
			st.quiet.Store(false)
			stop := start(k2, k1)
			steps(200)
			use(k2, k1) // The key is changed, with Rewrap.
			steps(200)
			st.quiet.Store(true)
			w.failing.Store(true)
			w.secrets = append(w.secrets, harness.Register(t, w.svc, harness.Merchant, webhook.EveryType).Secret)
			w.published(harness.Merchant)
			harness.Receive(t, noticed)
			stop()
			reg := harness.Register(t, w.svc, harness.Merchant, webhook.EveryType)
			w.secrets = append(w.secrets, reg.Secret)
			use(k3) // The keys are lost.
			for len(attempts) > 0 {
				<-attempts
			}
			stop = start(k3)
			w.published(harness.Merchant)
			harness.Receive(t, attempts)
			steps(20)
			stop()
			// Whatever the walk has met, the API meets an error and a panic of its store.
			st.quiet.Store(false)
			for _, before := range []int64{6, 18} {
				st.calls.Store(before)
				w.read(reg.Webhook.ID)
				st.calls.Store(before)
				r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, hooks+"/"+reg.Webhook.ID, nil)
				r.Header.Set("Authorization", "Bearer "+harness.Merchant)
				w.take(operation{method: http.MethodGet}, harness.Merchant, serve(t, w.api, r).is(http.StatusInternalServerError))
			}

			l := newLeaks()
			for _, s := range w.secrets {
				l.addSecret(s)
			}
			for _, k := range []webhook.SecretKey{k1, k2, k3} {
				l.addKey(k)
			}
			require.Greater(t, len(w.secrets), 5)
			w.record("store", b.Dump())
			for _, where := range []string{"answers", "errors", "logs", "notices", "observer", "panics", "records", "store"} {
				require.NotNil(t, w.text[where], "nothing comes from there: %s", where)
				require.Empty(t, l.find(w.text[where].String()), "in %s", where)
				require.NotContains(t, w.text[where].String(), "whsk_", "a private key, in %s", where)
			}
			for _, line := range []string{"panicked", "webhook panic", "cannot be opened", "API request failed"} {
				require.Contains(t, w.text["logs"].String(), line)
			}
		})
	}
}
