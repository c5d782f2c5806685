// Command quickstart shows the whole path on one machine, without a network or a
// server to install: an HTTPS receiver that verifies, the management API, the
// nine events on their way, an endpoint that fails until it is disabled,
// and the delivery log. It exits non-zero if anything is not as it says.
//
//	go run ./examples/quickstart
package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/event"
)

const merchant = "merchant_42"

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	began := time.Now()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "quickstart failed:", err)
		os.Exit(1)
	}
	fmt.Printf("\nAll as stated, in %s.\n", time.Since(began).Round(10*time.Millisecond))
}

func run(ctx context.Context) error {
	// A merchant's server. Its routes come once the secrets are known.
	routes := http.NewServeMux()
	receiver := httptest.NewTLSServer(routes)
	defer receiver.Close()

	// The sending side: a store, a service, a dispatcher and the API.
	trust := x509.NewCertPool()
	trust.AddCert(receiver.Certificate())
	out := &egress.Options{InsecureAllowPrivateNetworks: true, RootCAs: trust} // this machine only
	notices := make(chan webhook.Notice, 1)

	st := memstore.New(nil)
	svc, err := webhook.NewService(st, &webhook.ServiceOptions{Egress: out})
	if err != nil {
		return err
	}
	disp, err := webhook.NewDispatcher(st, &webhook.DispatcherOptions{
		Egress: out,
		// By default it waits one and five minutes; nobody wants to watch that.
		Retry: retry.Policy{Delays: []time.Duration{50 * time.Millisecond, 100 * time.Millisecond}},
		OnNotice: func(_ context.Context, n webhook.Notice) error {
			notices <- n
			return nil
		},
	})
	if err != nil {
		return err
	}
	h, err := api.New(svc, authenticate, nil)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/api/", h)
	sender := httptest.NewServer(mux)
	defer sender.Close()

	running, stop := context.WithCancel(ctx)
	stopped := make(chan error, 1)
	go func() { stopped <- disp.Run(running) }()
	defer stop()

	m := &client{base: sender.URL + "/api/merchants/" + merchant + "/webhooks"}
	if err := nineEvents(ctx, svc, m, receiver.URL, routes); err != nil {
		return fmt.Errorf("nine events: %w", err)
	}
	if err := failingEndpoint(ctx, svc, m, receiver.URL, routes, notices); err != nil {
		return fmt.Errorf("failing endpoint: %w", err)
	}
	stop()
	return <-stopped
}

// nineEvents registers an endpoint and sends it one event of each type.
func nineEvents(ctx context.Context, svc *webhook.Service, m *client, url string, routes *http.ServeMux) error {
	var types []string
	for entry := range svc.Catalog().All() {
		if entry.Subscribable() {
			types = append(types, string(entry.Type))
		}
	}
	hook, err := m.register(ctx, url+"/webhooks", types)
	if err != nil {
		return err
	}
	fmt.Printf("Registered %s for %d event types at %s/webhooks\n\n", hook.ID, len(types), url)

	// The receiving side, whole.
	verified := make(chan event.Event, 16)
	routes.Handle("POST /webhooks", verifier.Middleware(hook.Secret, nil)(
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			e, _ := verifier.FromContext(r.Context())
			verified <- e
			w.WriteHeader(http.StatusOK)
		})))

	// Publish an example of each type. The ninth is sent on request.
	for entry := range svc.Catalog().All() {
		if !entry.Subscribable() {
			continue
		}
		example, err := event.Parse(entry.Example)
		if err != nil {
			return err
		}
		p, err := svc.Publish(ctx, merchant, event.NewRaw(entry.Type, example.Data))
		if err != nil {
			return err
		}
		if len(p.Deliveries) != 1 {
			return fmt.Errorf("%s made %d deliveries", entry.Type, len(p.Deliveries))
		}
	}
	if _, err := m.test(ctx, hook.ID); err != nil {
		return err
	}
	seen := map[event.Type]bool{}
	for len(seen) < len(types)+1 {
		select {
		case e := <-verified:
			seen[e.Type] = true
			fmt.Printf("  verified  %-24s %s\n", e.Type, e.ID)
		case <-ctx.Done():
			return fmt.Errorf("only %d of %d events arrived", len(seen), len(types)+1)
		}
	}
	return nil
}

// failingEndpoint registers an endpoint that answers 500 until it is disabled,
// mends it, enables it and tests it.
func failingEndpoint(ctx context.Context, svc *webhook.Service, m *client, url string,
	routes *http.ServeMux, notices <-chan webhook.Notice,
) error {
	hook, err := m.register(ctx, url+"/failing", []string{"document.created"})
	if err != nil {
		return err
	}
	var refused atomic.Int32
	mended := make(chan struct{})
	routes.Handle("POST /failing", verifier.Middleware(hook.Secret, nil)(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			select {
			case <-mended:
				w.WriteHeader(http.StatusOK)
			default:
				refused.Add(1)
				http.Error(w, "Internal Server Error", http.StatusInternalServerError)
			}
		})))
	fmt.Printf("\nRegistered %s, which answers 500\n\n", hook.ID)
	for range 10 {
		if _, err := svc.Publish(ctx, merchant, event.New(event.DocumentCreated{
			DocumentID: "doc_1", Type: "product", Title: "Wireless Bluetooth Headphones",
		})); err != nil {
			return err
		}
	}
	select {
	case n := <-notices:
		fmt.Printf("  notice    %s is disabled after %d consecutive failures\n", n.WebhookID, n.Failures)
		if n.Kind != webhook.NoticeDisabled || n.WebhookID != hook.ID || n.Failures != 10 {
			return fmt.Errorf("unexpected notice: %+v", n)
		}
	case <-ctx.Done():
		return errors.New("no notice came")
	}
	fmt.Printf("  attempts  %d in all: ten deliveries, each tried three times\n", refused.Load())
	if refused.Load() != 30 {
		return errors.New("expected 30 attempts")
	}
	var state struct{ Status string }
	if err := m.call(ctx, "GET", "/"+hook.ID, nil, &state); err != nil {
		return err
	}
	if state.Status != "disabled" {
		return fmt.Errorf("status is %q", state.Status)
	}

	close(mended)
	if err := m.call(ctx, "PUT", "/"+hook.ID, map[string]string{"status": "active"}, &state); err != nil {
		return err
	}
	fmt.Printf("  mended    %s is %s again\n", hook.ID, state.Status)
	outcome, err := m.test(ctx, hook.ID)
	if err != nil {
		return err
	}
	fmt.Printf("  test      %s\n", outcome)
	if outcome != "success" {
		return fmt.Errorf("the test event ended as %q", outcome)
	}

	fmt.Printf("\nIts delivery log, GET …/webhooks/%s/deliveries?limit=2\n\n", hook.ID)
	var log struct {
		Stats struct{ TotalDeliveries, SuccessfulDeliveries, FailedDeliveries int }
	}
	if err := m.show(ctx, "/"+hook.ID+"/deliveries?limit=2", &log); err != nil {
		return err
	}
	if s := log.Stats; s.TotalDeliveries != 11 || s.SuccessfulDeliveries != 1 || s.FailedDeliveries != 10 {
		return fmt.Errorf("unexpected stats: %+v", s)
	}
	return nil
}

// authenticate stands for the host's own login.
func authenticate(r *http.Request) (webhook.Principal, error) {
	if r.Header.Get("Authorization") != "Bearer demo" {
		return webhook.Principal{}, errors.New("no token")
	}
	return webhook.Principal{MerchantID: merchant}, nil
}

// client calls the management API as a merchant would.
type client struct{ base string }

type registered struct {
	ID     string `json:"webhookId"`
	Secret string `json:"secret"`
}

func (c *client) register(ctx context.Context, url string, types []string) (registered, error) {
	var hook registered
	err := c.call(ctx, "POST", "", map[string]any{"url": url, "events": types}, &hook)
	return hook, err
}

// test sends a test event and returns how it ended.
func (c *client) test(ctx context.Context, webhookID string) (string, error) {
	var d struct{ Status string }
	err := c.call(ctx, "POST", "/"+webhookID+"/test?wait=true", nil, &d)
	return d.Status, err
}

// show prints an answer as it came.
func (c *client) show(ctx context.Context, path string, data any) error {
	raw, err := c.do(ctx, "GET", path, nil)
	if err != nil {
		return err
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, raw, "  ", "  "); err != nil {
		return err
	}
	fmt.Printf("  %s\n", bytes.TrimSpace(pretty.Bytes()))
	return unwrap(raw, data)
}

func (c *client) call(ctx context.Context, method, path string, body, data any) error {
	raw, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	return unwrap(raw, data)
}

func unwrap(raw []byte, data any) error {
	envelope := struct{ Data any }{data}
	return json.Unmarshal(raw, &envelope)
}

func (c *client) do(ctx context.Context, method, path string, body any) ([]byte, error) {
	var sent io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		sent = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, sent)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer demo")
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]int{200, 201, 202}, resp.StatusCode) {
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, raw)
	}
	return raw, nil
}
