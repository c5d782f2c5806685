package mailnotify_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/store/redisstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/mailnotify"
)

const merchant = "merchant_42"

// answer is what every endpoint answers.
type answer struct{ status atomic.Int64 }

func (a *answer) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: int(a.status.Load()), Header: http.Header{}, Body: io.NopCloser(strings.NewReader("s3cret"))}, nil
}

// noted is a store that tells when it has noted what became of a notice.
type noted struct {
	*redisstore.Store

	deferred, acked chan error
}

func (s noted) DeferNotice(ctx context.Context, merchantID, noticeID string, token int64, delay time.Duration) error {
	err := s.Store.DeferNotice(ctx, merchantID, noticeID, token, delay)
	s.deferred <- err
	return err
}

func (s noted) AckNotice(ctx context.Context, merchantID, noticeID string) error {
	err := s.Store.AckNotice(ctx, merchantID, noticeID)
	s.acked <- err
	return err
}

// TestOneMailForEachTransition lets two dispatchers share a Redis while the mail
// server is away, and then back.
func TestOneMailForEachTransition(t *testing.T) {
	t.Parallel()
	const hooks = 5
	client, prefix := redistest.Client(t), redistest.Prefix()
	t.Cleanup(func() { redistest.Forget(t, client, prefix) })
	var ahead atomic.Int64 // how far the store's clock is
	clock := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	deferred, acked := make(chan error, 1000), make(chan error, 1000)
	open := func() noted {
		st, err := redisstore.Open(t.Context(), client, &redisstore.Options{Prefix: prefix, Now: clock})
		require.NoError(t, err)
		return noted{st, deferred, acked}
	}
	svc, err := webhook.NewService(open(), &webhook.ServiceOptions{InsecurePlaintextSecrets: true})
	require.NoError(t, err)

	p := newPost(t).away(t)
	endpoint := &answer{}
	endpoint.status.Store(http.StatusInternalServerError)
	failures := make(chan error, 1000)
	settled := make(chan webhook.SettledInfo, 1000)
	for range 2 {
		address := func(_ context.Context, n webhook.Notice) ([]string, error) {
			return []string{n.WebhookID + "@example.com"}, nil
		}
		m := p.mailer(t, address, mailnotify.Options{Deliveries: svc.Deliveries})
		d, err := webhook.NewDispatcher(open(), &webhook.DispatcherOptions{
			Transport: endpoint, InsecurePlaintextSecrets: true, Retry: retry.Policy{MaxAttempts: 1}, WarnAfter: 2, DisableAfter: 4,
			Observer: webhook.Observer{Settled: func(_ context.Context, i webhook.SettledInfo) { settled <- i }},
			OnNotice: func(ctx context.Context, n webhook.Notice) error {
				err := m.Notify(ctx, n)
				if err != nil {
					failures <- err
				}
				return err
			},
		})
		require.NoError(t, err)
		ctx, stop := context.WithCancel(t.Context())
		stopped := make(chan error, 1)
		go func() { stopped <- d.Run(ctx) }()
		t.Cleanup(func() {
			stop()
			require.NoError(t, <-stopped)
		})
	}

	var ids []string
	for i := range hooks {
		reg, err := svc.Register(t.Context(), merchant, webhook.Registration{URL: fmt.Sprintf("https://example.com/%d", i), Events: []string{"*"}})
		require.NoError(t, err)
		ids = append(ids, reg.Webhook.ID)
	}
	deliver := func() {
		_, err := svc.Publish(t.Context(), merchant, event.New(event.DocumentDeleted{DocumentID: "doc_1"}))
		require.NoError(t, err)
		for range hooks {
			await(t, settled)
		}
	}
	for range 4 {
		deliver()
	}
	for range 2 * hooks {
		require.ErrorContains(t, await(t, failures), "connection refused")
		require.NoError(t, await(t, deferred))
	}
	p.start(t, false)
	ahead.Add(int64(2 * time.Minute))
	for range 2 * hooks {
		await(t, p.came)
		require.NoError(t, await(t, acked))
	}
	endpoint.status.Store(http.StatusOK)
	for _, id := range ids {
		_, err := svc.Update(t.Context(), merchant, id, webhook.Update{Status: new(webhook.Active)})
		require.NoError(t, err)
	}
	deliver()
	for range hooks {
		await(t, p.came)
		require.NoError(t, await(t, acked))
	}
	// Every lease and delay has ended, so a notice that was left would be sent now.
	ahead.Add(int64(48 * time.Hour))
	deliver()

	got := map[string]int{}
	messages := map[string]bool{}
	for _, m := range p.got() {
		header, subject, text, _ := m.read(t)
		messages[header.Get("Message-ID")] = true
		got[m.to[0]+" "+subject]++
		require.NotContains(t, text, "s3cret")
		require.True(t, strings.Contains(text, "answered with status 500") || strings.Contains(text, "works again"), text)
	}
	want := map[string]int{}
	for _, id := range ids {
		for _, what := range []string{"keeps failing", "has been disabled", "works again"} {
			want[id+"@example.com Your webhook for example.com "+what] = 1
		}
	}
	require.Equal(t, want, got)
	require.Len(t, messages, 3*hooks)
}

// await takes what comes from a channel.
func await[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(time.Minute):
		require.FailNow(t, "nothing comes")
		panic("unreachable")
	}
}
