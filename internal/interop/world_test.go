//go:build interop

package interop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/event"
)

type rawMessage = json.RawMessage

const (
	merchant = "merchant_42"
	hooks    = "/api/merchants/" + merchant + "/webhooks"

	ownType event.Type = "interop.payload"

	// patience is how long all deliveries under one encoding may take.
	patience = 3 * time.Minute
)

var created = time.Date(2025, 11, 4, 12, 34, 56, 0, time.UTC)

// world is a sender and all receivers, registered with it.
type world struct {
	t         *testing.T
	svc       *webhook.Service
	api       http.Handler
	settled   chan webhook.SettledInfo
	receivers []*receiver
	index     map[string]int // webhook to receiver
}

// receiver is a running program and its webhook.
type receiver struct {
	program
	process *process
	url     string
	id      string // of the webhook
	secret  string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, settled: make(chan webhook.SettledInfo, 1024), index: map[string]int{}}
	onThisMachine := &egress.Options{
		InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true,
		IdleConnTimeout: time.Second, // Node.js closes after five, perhaps under a request.
	}
	catalog, err := event.DefaultCatalog().With(event.Entry{Type: ownType, Description: "Anything"})
	require.NoError(t, err)

	st := memstore.New(nil)
	w.svc, err = webhook.NewService(st, &webhook.ServiceOptions{Catalog: catalog, Egress: onThisMachine})
	require.NoError(t, err)
	w.api, err = api.New(w.svc, func(*http.Request) (webhook.Principal, error) {
		return webhook.Principal{MerchantID: merchant}, nil
	}, &api.Options{TestsPerMinute: webhook.MaxTestsPerMinute}) // All receivers are on this host.
	require.NoError(t, err)
	disp, err := webhook.NewDispatcher(st, &webhook.DispatcherOptions{
		Egress: onThisMachine, Retry: retry.Policy{MaxAttempts: 1}, NeverDisable: true,
		AttemptTimeout: time.Minute, // A slow machine is not what is measured here.
		Observer: webhook.Observer{Settled: func(_ context.Context, i webhook.SettledInfo) {
			w.settled <- i
		}},
	})
	require.NoError(t, err)
	w.register()

	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- disp.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-stopped)
	})
	return w
}

// register registers a webhook for each program, starts the program with its secret,
// and moves the webhook to where the program listens.
func (w *world) register() {
	w.t.Helper()
	for i, p := range programs(w.t) {
		r := &receiver{program: p}
		var answer struct{ WebhookID, Secret string }
		w.call(http.MethodPost, "", map[string]any{"url": "http://127.0.0.1/", "events": []string{"*"}}, http.StatusCreated, &answer)
		r.id, r.secret = answer.WebhookID, answer.Secret
		r.process = p.start(w.t, r.secret)
		w.receivers = append(w.receivers, r)
		w.index[r.id] = i
	}
	for _, r := range w.receivers {
		r.url = "http://" + r.process.address(w.t) + "/webhooks"
		w.call(http.MethodPut, "/"+r.id, map[string]any{"url": r.url}, http.StatusOK, nil)
	}
}

// call makes a request to the management API and decodes the data of the answer.
func (w *world) call(method, path string, body any, status int, data any) {
	w.t.Helper()
	sent, err := json.Marshal(body)
	require.NoError(w.t, err)
	req := httptest.NewRequestWithContext(w.t.Context(), method, hooks+path, bytes.NewReader(sent))
	req.Header.Set("Authorization", "Bearer token")
	req.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	w.api.ServeHTTP(rec, req)
	require.Equal(w.t, status, rec.Code, rec.Body)
	if data != nil {
		require.NoError(w.t, json.Unmarshal(rec.Body.Bytes(), &struct{ Data any }{data}))
	}
}

// encode sets the payloadEncoding of all webhooks.
func (w *world) encode(e webhook.Encoding) {
	w.t.Helper()
	for _, r := range w.receivers {
		w.call(http.MethodPut, "/"+r.id, map[string]any{"payloadEncoding": e}, http.StatusOK, nil)
	}
}

// deliver publishes all samples and waits until their deliveries have ended.
func (w *world) deliver(all []sample, e webhook.Encoding, results *results) {
	w.t.Helper()
	numbers := map[string]int{} // event to sample
	expected := 0
	for i, s := range all {
		s.event.ID = fmt.Sprintf("evt_%s_%d", e, i)
		p, err := w.svc.Publish(w.t.Context(), merchant, s.event)
		if _, ok := errors.AsType[*webhook.InvalidError](err); ok {
			results.refuse(i, len(w.receivers))
			continue
		}
		require.NoError(w.t, err, s.name)
		require.Len(w.t, p.Deliveries, len(w.receivers))
		numbers[p.EventID] = i
		expected += len(p.Deliveries)
	}
	w.collect(expected, func(i webhook.SettledInfo, receiver int) {
		results.add(numbers[i.EventID], receiver, len(w.receivers), e, i.Status == webhook.DeliverySucceeded)
	})
}

// test asks for a test event for each webhook.
func (w *world) test(e webhook.Encoding, results *results) {
	w.t.Helper()
	for _, r := range w.receivers {
		w.call(http.MethodPost, "/"+r.id+"/test", map[string]any{}, http.StatusAccepted, nil)
	}
	if results.tests == nil {
		results.tests = make([]string, len(w.receivers))
	}
	w.collect(len(w.receivers), func(i webhook.SettledInfo, receiver int) {
		require.True(w.t, i.Test)
		if i.Status == webhook.DeliverySucceeded {
			results.tests[receiver] += string(e[:1])
		}
	})
}

// detect requires that each receiver is found to verify what its program verifies,
// and no receiver to accept a forgery.
func (w *world) detect() {
	w.t.Helper()
	rewritten := map[string]webhook.Encoding{
		"Node.js": webhook.EncodingStandard, "Ruby": webhook.EncodingStandard,
		"Python": webhook.EncodingASCII, "PHP": webhook.EncodingASCII, "Go": webhook.EncodingHTML,
	}
	for _, r := range w.receivers {
		d, err := w.svc.Detect(w.t.Context(), merchant, r.id)
		require.NoError(w.t, err)
		if r.speaks == "" {
			require.Equal(w.t, webhook.FoundRaw, d.Receiver, "%s", r.name)
			continue
		}
		require.Equal(w.t, webhook.FoundRewrites, d.Receiver, "%s", r.name)
		require.Equal(w.t, rewritten[r.speaks], d.Encoding, "%s", r.name)
	}
}

// collect waits for n deliveries to end. An endpoint that does not answer is a fault
// of the suite.
func (w *world) collect(n int, each func(i webhook.SettledInfo, receiver int)) {
	w.t.Helper()
	timeout := time.After(patience)
	for range n {
		select {
		case i := <-w.settled:
			receiver, ok := w.index[i.WebhookID]
			require.True(w.t, ok)
			require.NotZero(w.t, i.StatusCode, "%s: %s\n%s", w.receivers[receiver].name, i.Code, w.receivers[receiver].process.output)
			each(i, receiver)
		case <-timeout:
			require.FailNow(w.t, "deliveries have not ended in time")
		}
	}
}

// results holds, for each sample and receiver, the encodings that were verified.
type results struct {
	verified   [][]string
	tests      []string // the same of the test event
	deliveries int
}

func newResults(samples int) *results { return &results{verified: make([][]string, samples)} }

func (r *results) refuse(sample, receivers int) {
	r.verified[sample] = make([]string, receivers)
	for i := range r.verified[sample] {
		r.verified[sample][i] = refused
	}
}

func (r *results) add(sample, receiver, receivers int, e webhook.Encoding, verified bool) {
	if r.verified[sample] == nil {
		r.verified[sample] = make([]string, receivers)
	}
	r.deliveries++
	if verified {
		r.verified[sample][receiver] += string(e[:1])
	}
}

// of returns the letters of each receiver for a sample.
func (r *results) of(sample int) []string {
	out := make([]string, len(r.verified[sample]))
	for i, letters := range r.verified[sample] {
		out[i] = letters
		if letters == "" {
			out[i] = "-"
		}
	}
	return out
}
