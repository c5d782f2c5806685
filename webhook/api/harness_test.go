package api_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// noon is the time of the guide's samples.
func noon() time.Time { return time.Date(2025, 11, 4, 12, 0, 0, 0, time.UTC) }

// site is a handler as a host mounts it, under /api/ of a mux, at noon.
type site struct {
	t     *testing.T
	store webhook.ServiceStore
	svc   *webhook.Service
	api   *api.Handler
	mux   *http.ServeMux
	log   *bytes.Buffer
}

// newSite mounts a handler over st, which may be nil.
func newSite(t *testing.T, st webhook.ServiceStore, o *api.Options) *site {
	t.Helper()
	if st == nil {
		st = memstore.New(nil)
	}
	s := &site{t: t, store: st, mux: http.NewServeMux(), log: &bytes.Buffer{}}
	var err error
	s.svc, err = webhook.NewService(st, &webhook.ServiceOptions{Now: noon, SecretKeys: []webhook.SecretKey{harness.KeyOne()}})
	require.NoError(t, err)
	opts := api.Options{EnablePublish: true}
	if o != nil {
		opts = *o
	}
	opts.Now = noon
	opts.Logger = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.api, err = api.New(s.svc, bearer, &opts)
	require.NoError(t, err)
	s.mux.Handle("/api/", s.api)
	return s
}

// bearer takes the merchant's id for a token.
func bearer(r *http.Request) (webhook.Principal, error) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return webhook.Principal{}, errors.New("no token")
	}
	return webhook.Principal{MerchantID: token}, nil
}

const (
	requestID = "req_abc123" // the guide's
	hooks     = "/api/merchants/" + harness.Merchant + "/webhooks"
	goodBody  = `{"url":"https://example.com/hook","events":["document.created"]}`
)

// answered is what came back.
type answered struct {
	t      *testing.T
	status int
	header http.Header
	body   string
}

// do sends a request of merchant, unless header, pairs of key and value, says
// otherwise.
func (s *site) do(method, path, body string, header ...string) answered {
	s.t.Helper()
	var sent io.Reader
	if body != "" {
		sent = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(s.t.Context(), method, path, sent)
	r.Header.Set("Authorization", "Bearer "+harness.Merchant)
	r.Header.Set("X-Request-ID", requestID)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Del(header[i])
		if header[i+1] != "" {
			r.Header.Set(header[i], header[i+1])
		}
	}
	return s.serve(r)
}

func (s *site) serve(r *http.Request) answered {
	s.t.Helper()
	return serve(s.t, s.mux, r)
}

// serve checks what is so with each and every answer, and that the OpenAPI
// document knows it.
func serve(t *testing.T, h http.Handler, r *http.Request) answered {
	t.Helper()
	w := httptest.NewRecorder()
	x := exchanged{request: r.Clone(t.Context())}
	var sent bytes.Buffer
	if r.Body != nil {
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(r.Body, &sent), r.Body}
	}
	h.ServeHTTP(w, r)
	a := answered{t: t, status: w.Code, header: w.Result().Header, body: w.Body.String()}
	x.answered, x.sent = a, sent.Bytes()
	c, err := theContract()
	require.NoError(t, err)
	c.hold(t, x)
	require.Equal(t, "no-store", a.header.Get("Cache-Control"))
	require.Equal(t, "nosniff", a.header.Get("X-Content-Type-Options"))
	require.NotEmpty(t, a.header.Get("X-Request-ID"))
	if a.status == http.StatusNoContent || r.Method == http.MethodHead {
		require.Empty(t, a.body)
		return a
	}
	require.Equal(t, "application/json; charset=utf-8", a.header.Get("Content-Type"))
	keys := map[string]json.RawMessage{}
	require.NoError(t, json.Unmarshal([]byte(a.body), &keys), a.body)
	payload := "data"
	if a.status/100 != 2 {
		payload = "error"
		require.Contains(t, []int{400, 401, 403, 404, 405, 409, 410, 412, 413, 415, 429, 500, 503}, a.status, a.body)
	}
	require.Len(t, keys, 4, a.body)
	require.Equal(t, payload == "data", string(keys["success"]) == "true")
	require.Contains(t, keys, payload)
	require.Regexp(t, `^"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"$`, string(keys["timestamp"]))
	require.Equal(t, `"`+a.header.Get("X-Request-ID")+`"`, string(keys["requestId"]))
	return a
}

// is requires a status.
func (a answered) is(status int) answered {
	a.t.Helper()
	require.Equal(a.t, status, a.status, a.body)
	return a
}

// data decodes what a success carries.
func (a answered) data(v any) {
	a.t.Helper()
	require.NoError(a.t, json.Unmarshal([]byte(a.body), &struct{ Data any }{v}))
}

// object is data as a map.
func (a answered) object() map[string]any {
	a.t.Helper()
	var v map[string]any
	a.data(&v)
	return v
}

// refusal is the error of an answer.
type refusal struct {
	Code, Message string
	Details       []struct{ Field, Message string }
}

func (a answered) refusal() refusal {
	a.t.Helper()
	var v struct{ Error refusal }
	require.NoError(a.t, json.Unmarshal([]byte(a.body), &v))
	require.NotEmpty(a.t, v.Error.Code)
	require.NotEmpty(a.t, v.Error.Message)
	require.NotNil(a.t, v.Error.Details, "details are an array, if only an empty one")
	return v.Error
}

// faults are the fields that an answer of 400 complains about, in its order.
func (a answered) faults() []string {
	a.t.Helper()
	a.is(http.StatusBadRequest)
	r := a.refusal()
	require.Equal(a.t, "invalid_request", r.Code)
	out := []string{}
	for _, d := range r.Details {
		require.NotEmpty(a.t, d.Message)
		out = append(out, d.Field)
	}
	return out
}

// hook registers a webhook and returns its id.
func (s *site) hook(merchantID string) string {
	s.t.Helper()
	return harness.Register(s.t, s.svc, merchantID, "document.created").Webhook.ID
}

// published publishes one event and returns the ids of its deliveries.
func (s *site) published(merchantID string) webhook.Publication {
	s.t.Helper()
	p, err := s.svc.Publish(s.t.Context(), merchantID, event.New(event.DocumentCreated{DocumentID: "doc_1", Title: "A & B"}))
	require.NoError(s.t, err)
	return p
}

// settle claims all that is due and ends it as a dispatcher would.
func (s *site) settle(result store.Result) {
	s.t.Helper()
	queue := s.store.(store.Queue) //nolint:forcetypeassert // every store of these tests is one
	got, err := queue.Claim(s.t.Context(), store.ClaimRequest{Limit: 1000, PerWebhook: 1000, Lease: time.Minute})
	require.NoError(s.t, err)
	require.NotEmpty(s.t, got.Leases)
	results := make([]store.Result, len(got.Leases))
	for i, l := range got.Leases {
		results[i] = result
		results[i].MerchantID, results[i].WebhookID = l.MerchantID, l.WebhookID
		results[i].DeliveryID, results[i].Token = l.DeliveryID, l.Token
	}
	finished, err := queue.Finish(s.t.Context(), results)
	require.NoError(s.t, err)
	for _, f := range finished {
		require.Equal(s.t, store.FinishAccepted, f.State)
	}
}
