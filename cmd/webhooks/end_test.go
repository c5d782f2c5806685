package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// sender is a service with its API and dispatcher, over the memory store.
type sender struct {
	*webhook.Service

	url string
}

func startSender(t *testing.T) *sender {
	t.Helper()
	st := memstore.New(nil)
	inside := &egress.Options{InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true}
	svc, err := webhook.NewService(st, &webhook.ServiceOptions{Egress: inside})
	require.NoError(t, err)
	disp, err := webhook.NewDispatcher(st, &webhook.DispatcherOptions{Egress: inside})
	require.NoError(t, err)
	h, err := api.New(svc, func(r *http.Request) (webhook.Principal, error) {
		if r.Header.Get("Authorization") != "Bearer secret-token" {
			return webhook.Principal{}, webhook.ErrInvalidToken
		}
		return webhook.Principal{MerchantID: "m1"}, nil
	}, &api.Options{EnablePublish: true})
	require.NoError(t, err)
	return &sender{svc, up(t, disp, h)}
}

// up runs a dispatcher and serves an API until the test ends, and returns the API's address.
func up(t *testing.T, disp *webhook.Dispatcher, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- disp.Run(ctx) }()
	t.Cleanup(func() {
		server.Close()
		stop()
		require.NoError(t, <-done)
	})
	return server.URL
}

// TestEndToEnd goes through what the command is for: an event did not arrive.
func TestEndToEnd(t *testing.T) {
	t.Parallel()
	s := startSender(t)
	webhooks := func(want int, args ...string) string {
		t.Helper()
		got := run(t, append([]string{"--server", s.url, "--token", "secret-token"}, args...)...)
		require.Equal(t, want, got.code, "%v: %s%s", args, got.stdout, got.stderr)
		return got.stdout + got.stderr
	}
	got := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.Header.Get("webhook-id") }))
	defer receiver.Close()
	reg, err := s.Register(t.Context(), "m1", webhook.Registration{URL: receiver.URL, Events: []string{string(event.TypeDocumentCreated)}})
	require.NoError(t, err)
	id := reg.Webhook.ID
	publish := func(eventID string) {
		t.Helper()
		e := event.New(event.DocumentCreated{DocumentID: "doc_1"})
		e.ID = eventID
		_, err := s.Publish(t.Context(), "m1", e)
		require.NoError(t, err)
	}
	why := func(eventID, says string) {
		t.Helper()
		require.Eventually(t, func() bool { return strings.Contains(webhooks(0, "why", "m1", eventID), says) }, 30*time.Second, 10*time.Millisecond, says)
	}

	publish("order-7")
	require.Equal(t, "order-7", <-got)
	why("order-7", "delivered at ")
	require.Regexp(t, `success +200 +1`, webhooks(0, "deliveries", "m1", id, "--status", "success"))
	delivery := regexp.MustCompile(`whdel_\S+`).FindString(webhooks(0, "why", "m1", "order-7"))
	require.Contains(t, webhooks(0, "deliveries", "m1", id, delivery), `"documentId":"doc_1"`)

	require.Equal(t, id+" is disabled (requested)\n", webhooks(0, "disable", "m1", id))
	publish("order-8")
	why("order-8", "disabled: the webhook was disabled at ")
	require.Equal(t, id+" is active\n", webhooks(0, "enable", "m1", id))
	require.Contains(t, webhooks(0, "replay", "m1", id, "--status", "missed", "--dry-run"), "would send 1 delivery of 2 events")
	require.Contains(t, webhooks(0, "replay", "m1", id, "--status", "missed", "--wait"), "done: 1 delivery")
	require.Equal(t, "order-8", <-got)
	why("order-8", "delivered at ")
	why("nope", "This merchant has no event with this id.")
	require.Contains(t, webhooks(0, "replay", "m1", id, delivery), "order-7: pending")
	require.Equal(t, "order-7", <-got)
	require.Contains(t, webhooks(0, "test", "m1", id), "success (200)")
	require.Contains(t, webhooks(0, "test", "m1", id, "--type", "document.created"), "success (200)")
	require.Contains(t, webhooks(0, "types", "m1"), string(event.TypeAPIKeyExpiring))
	require.Regexp(t, `order-8\n.*order-7`, webhooks(0, "events", "m1"))
	require.Contains(t, webhooks(1, "ls", "m2"), "403 forbidden")
	require.Contains(t, webhooks(1, "deliveries", "m1", "whk_nope"), "404 not_found")
}

// Events of the log are handed on once each, signed with the developer's secret.
func TestForward(t *testing.T) {
	t.Parallel()
	const secret = "whsec_xyz789abc123def456ghi789jkl012mno345"
	s := startSender(t)
	publish := func(title string) string {
		t.Helper()
		p, err := s.Publish(t.Context(), "m1", event.New(event.DocumentCreated{DocumentID: "doc_1", Title: title}))
		require.NoError(t, err)
		return p.EventID
	}
	publish("before")
	got := make(chan string, 10)
	receiver := httptest.NewServer(verifier.Middleware(secret, nil)(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		e, _ := verifier.FromContext(r.Context())
		got <- e.ID
	})))
	defer receiver.Close()

	to, _, stderr := newTool()
	printed := &lines{}
	to.stdout, to.now = printed, time.Now
	ctx, stop := context.WithCancel(t.Context())
	var polls int
	greeted := make(chan struct{})
	to.pause = func(ctx context.Context) error {
		if polls++; polls == 1 {
			close(greeted)
		}
		select {
		case <-time.After(time.Millisecond):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	done := make(chan int, 1)
	go func() {
		done <- to.run(ctx, []string{"webhooks", "--server", s.url, "--token", "secret-token", "listen", "m1", "--forward", receiver.URL, "--secret", secret})
	}()
	<-greeted
	for range 3 {
		require.Equal(t, publish("after"), <-got, "not the one from before, and each once")
	}
	stop()
	require.Equal(t, 0, <-done, stderr.String())
	require.Contains(t, printed.String(), "document.created  answered 200 OK")
	require.Empty(t, got)
}

// lines may be read while they are written.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
