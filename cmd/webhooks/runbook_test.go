package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/cmd/webhooks/serve"
	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/operator"
)

// runbookStores are the stores that the runbook is played on. A file that race builds leave
// out adds another.
var runbookStores = map[string]func(t *testing.T) string{
	"memory":     func(*testing.T) string { return "memory" },
	"redis":      func(t *testing.T) string { t.Helper(); return "redis://" + redistest.Start(t, "appendonly yes").Addr },
	"postgresql": database,
}

// database makes a database of the test's in the PostgreSQL that the environment names.
func database(t *testing.T) string {
	t.Helper()
	server := os.Getenv("WEBHOOK_TEST_POSTGRES_URL")
	if server == "" {
		require.Empty(t, os.Getenv("WEBHOOK_TEST_REQUIRE_POSTGRES"), "WEBHOOK_TEST_POSTGRES_URL is not set; run the tests with tools/with-postgres.sh")
		t.Skip("WEBHOOK_TEST_POSTGRES_URL is not set; tools/with-postgres.sh starts a PostgreSQL for tests")
	}
	conn, err := pgx.Connect(t.Context(), server)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	_, err = conn.Exec(t.Context(), "create database runbook")
	require.NoError(t, err)
	return strings.Replace(server, "/postgres?", "/runbook?", 1)
}

// TestRunbook runs each command of docs/runbook.md, in order, after an outage that has
// disabled a webhook and let it miss an event. At the end it has everything, once.
func TestRunbook(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/runbook.md")
	require.NoError(t, err)
	commands := regexp.MustCompile("(?m)^webhooks .*|`webhooks [^`]*`").FindAllString(string(text), -1)
	require.Greater(t, len(commands), 30)
	for name, where := range runbookStores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := playOutage(t, where(t))
			for _, line := range commands {
				line = strings.Trim(line, "`")
				args := strings.Fields(os.Expand(line, func(name string) string {
					require.Contains(t, o.names, name, line)
					return o.names[name]
				}))
				to, stdout, stderr := newTool()
				to.now = time.Now
				code := to.run(t.Context(), append([]string{"webhooks", "--server", o.url, "--token", "t"}, args[1:]...))
				require.Zero(t, code, "%s: %s%s", line, stdout, stderr)
				require.NotEmpty(t, stdout.String(), line)
			}
			require.Eventually(t, func() bool { return o.arrived.Load() == 2 }, 30*time.Second, 10*time.Millisecond, "what failed and what was missed")
			to, stdout, _ := newTool()
			require.Zero(t, to.run(t.Context(), []string{"webhooks", "--server", o.url, "--token", "t", "why", "m1", "evt_missed"}))
			require.Contains(t, stdout.String(), "delivered at ")
		})
	}
}

// outage is a service after one.
type outage struct {
	url     string
	names   map[string]string // what the runbook's variables stand for
	arrived atomic.Int64      // events other than tests
}

func playOutage(t *testing.T, place string) *outage {
	t.Helper()
	state := serve.State{Store: place, SecretKey: []string{"k1:a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="}, Migrate: true}
	st, keys, closeStore, err := state.Open(t.Context(), slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(closeStore)
	inside := &egress.Options{InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true}
	svc, err := webhook.NewService(st, &webhook.ServiceOptions{Egress: inside, SecretKeys: keys})
	require.NoError(t, err)
	ops, err := operator.New(st, svc, nil)
	require.NoError(t, err)
	opts := &webhook.DispatcherOptions{Egress: inside, SecretKeys: keys, DisableAfter: 1, Jobs: ops.Jobs()}
	opts.Retry.MaxAttempts = 1
	disp, err := webhook.NewDispatcher(st, opts)
	require.NoError(t, err)
	h, err := api.New(svc, func(*http.Request) (webhook.Principal, error) {
		return webhook.Principal{AnyMerchant: true, Subject: "ann"}, nil
	}, &api.Options{Operator: ops})
	require.NoError(t, err)

	o := &outage{url: up(t, disp, h)}
	var down atomic.Bool
	down.Store(true)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			w.WriteHeader(http.StatusBadGateway)
		} else if r.Header.Get("X-Webhook-Event") != string(event.TypeWebhookTest) {
			o.arrived.Add(1)
		}
	}))
	t.Cleanup(receiver.Close)
	reg, err := svc.Register(t.Context(), "m1", webhook.Registration{URL: receiver.URL, Events: []string{"*"}})
	require.NoError(t, err)
	publish := func(id string) webhook.Publication {
		t.Helper()
		e := event.New(event.DocumentCreated{DocumentID: "doc_1"})
		e.ID = id
		p, err := svc.Publish(t.Context(), "m1", e)
		require.NoError(t, err)
		return p
	}
	failed := publish("evt_failed")
	require.Eventually(t, func() bool {
		w, err := svc.Webhook(t.Context(), "m1", reg.Webhook.ID)
		return err == nil && w.Status == webhook.Disabled
	}, 30*time.Second, 10*time.Millisecond)
	publish("evt_missed")
	down.Store(false)
	at, err := url.Parse(receiver.URL)
	require.NoError(t, err)
	o.names = map[string]string{
		"MERCHANT": "m1", "WEBHOOK": reg.Webhook.ID, "EVENT": "evt_failed", "DELIVERY": failed.Deliveries[0].ID, "HOST": at.Host,
	}
	return o
}
