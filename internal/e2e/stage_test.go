package e2e_test

import (
	"cmp"
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/operator"
	"github.com/rag-assistant/webhooks/webhook/portal"
	"github.com/rag-assistant/webhooks/webhook/webhooktest"
)

const (
	merchant = "merchant_42"
	mount    = "/acme/developers"
	anybody  = "-" // an operator
)

// stage is a sender with its portal below a prefix, and a receiver.
type stage struct {
	t     *testing.T
	store *memstore.Store
	svc   *webhook.Service
	ops   *operator.Operator
	ep    *webhooktest.Endpoint
	site  string        // the address of the portal, with its slash
	back  *atomic.Int64 // by how much the store's clock is slow
}

func newStage(t *testing.T, o *portal.Options) *stage {
	t.Helper()
	return newStageOf(t, webhook.ServiceOptions{}, o)
}

// newStageOf has a catalog, or names on the wire, of its own.
func newStageOf(t *testing.T, of webhook.ServiceOptions, o *portal.Options) *stage {
	t.Helper()
	s := &stage{t: t, ep: webhooktest.NewEndpoint(t, nil), back: &atomic.Int64{}}
	now := func() time.Time { return time.Now().Add(-time.Duration(s.back.Load())) }
	s.store = memstore.New(&memstore.Options{Now: now})
	var err error
	of.Egress, of.Now = s.ep.Egress(), now
	s.svc, err = webhook.NewService(s.store, &of)
	require.NoError(t, err)
	s.ops, err = operator.New(s.store, s.svc, nil)
	require.NoError(t, err)
	var opts portal.Options
	if o != nil {
		opts = *o
	}
	opts.Operator = s.ops
	pages, err := portal.New(s.svc, login, &opts)
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle(mount+"/", http.StripPrefix(mount, pages))
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		http.SetCookie(w, &http.Cookie{Name: "merchant", Value: cmp.Or(r.URL.Query().Get("as"), merchant), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
		http.Redirect(w, r, mount+"/", http.StatusSeeOther)
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.site = server.URL + mount + "/"
	return s
}

// login takes the merchant, or an operator, from a cookie.
func login(r *http.Request) (webhook.Principal, error) {
	c, err := r.Cookie("merchant")
	if err != nil {
		return webhook.Principal{}, err
	}
	return webhook.Principal{MerchantID: c.Value, AnyMerchant: c.Value == anybody}, nil
}

// dispatch delivers from now on, without long pauses.
func (s *stage) dispatch() {
	s.t.Helper()
	disp, err := webhook.NewDispatcher(s.store, &webhook.DispatcherOptions{
		Egress: s.ep.Egress(), Jobs: s.ops.Jobs(), Retry: retry.Policy{Delays: []time.Duration{time.Millisecond, time.Millisecond}},
	})
	require.NoError(s.t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- disp.Run(ctx) }()
	s.t.Cleanup(func() {
		stop()
		require.NoError(s.t, <-ended)
	})
}

// register adds a webhook of the merchant's.
func (s *stage) register(r webhook.Registration) webhook.Webhook {
	s.t.Helper()
	reg, err := s.svc.Register(s.t.Context(), merchant, r)
	require.NoError(s.t, err)
	s.ep.SetSecret(reg.Secret.Reveal())
	return reg.Webhook
}

// publish publishes the sample of a type.
func (s *stage) publish(types ...event.Type) {
	s.t.Helper()
	for _, name := range types {
		entry, known := s.svc.Catalog().Lookup(name)
		require.True(s.t, known)
		example, err := event.Parse(entry.Example)
		require.NoError(s.t, err)
		_, err = s.svc.Publish(s.t.Context(), merchant, event.NewRaw(name, example.Data))
		require.NoError(s.t, err)
	}
}

// settle claims and finishes what is due, as a dispatcher would, with the results that
// ends returns.
func (s *stage) settle(ends func(i int, l store.Lease) store.Result) int {
	s.t.Helper()
	got, err := s.store.Claim(s.t.Context(), store.ClaimRequest{Limit: 1000, PerWebhook: 1000, Lease: time.Minute})
	require.NoError(s.t, err)
	results := make([]store.Result, len(got.Leases))
	for i, l := range got.Leases {
		results[i] = ends(i, l)
		results[i].MerchantID, results[i].WebhookID = l.MerchantID, l.WebhookID
		results[i].DeliveryID, results[i].Token = l.DeliveryID, l.Token
	}
	_, err = s.store.Finish(s.t.Context(), results)
	require.NoError(s.t, err)
	return len(results)
}
