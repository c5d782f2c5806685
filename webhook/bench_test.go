package webhook_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// kilobyte is an event of about 1 KiB.
var kilobyte = event.DocumentCreated{
	DocumentID: "doc_1", Type: "product", Title: strings.Repeat("Wireless Bluetooth Headphones ", 28),
}

func BenchmarkPublish(b *testing.B) {
	for name, subscribers := range map[string]int{"subscribers=0": 0, "subscribers=1": 1, "subscribers=50": 50} {
		b.Run(name, func(b *testing.B) {
			svc, err := webhook.NewService(memstore.New(nil), nil)
			require.NoError(b, err)
			for range subscribers {
				_, err := svc.Register(b.Context(), harness.Merchant, webhook.Registration{
					URL: "https://example.com/", Events: []string{"document.created"},
				})
				require.NoError(b, err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := svc.Publish(b.Context(), harness.Merchant, event.New(kilobyte)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDispatch compares deliveries from a full queue with the floor: a loop
// over the same number of workers that signs the same body and posts it with a
// tuned http.Client. Both post to a server in this process.
func BenchmarkDispatch(b *testing.B) {
	const workers = 64
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	b.Cleanup(receiver.Close)

	b.Run("floor", func(b *testing.B) {
		secret := signer.NewSecret()
		s, err := signer.New(secret)
		require.NoError(b, err)
		body := bytes.Repeat([]byte("x"), 1024)
		client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers, DisableCompression: true}}
		jobs := make(chan struct{}, b.N)
		for range b.N {
			jobs <- struct{}{}
		}
		close(jobs)
		b.ReportAllocs()
		b.ResetTimer()
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for range jobs {
					ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
					req, _ := http.NewRequestWithContext(ctx, http.MethodPost, receiver.URL, bytes.NewReader(body))
					req.Header.Set("Content-Type", "application/json")
					req.Header.Set(signer.HeaderSignature, string(s.AppendSignature(nil, body)))
					resp, err := client.Do(req)
					if err == nil {
						_, _ = io.Copy(io.Discard, resp.Body)
						_ = resp.Body.Close()
					}
					cancel()
				}
			})
		}
		wg.Wait()
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
	})

	b.Run("memory", func(b *testing.B) { dispatch(b, receiver, workers, nil, false) })
	b.Run("memory, no exchange", func(b *testing.B) { dispatch(b, receiver, workers, nil, true) })
	b.Run("memory, 5 headers", func(b *testing.B) {
		dispatch(b, receiver, workers, webhook.Headers{
			"Authorization": "Bearer " + strings.Repeat("x", 100), "X-Tenant": "42", "X-Stage": "test", "X-A": "a", "X-B": "b",
		}, false)
	})
}

// dispatch delivers b.N events to a webhook, and keeps the headers of each attempt or omits them.
func dispatch(b *testing.B, receiver *httptest.Server, workers int, headers webhook.Headers, omit bool) {
	b.Helper()
	st := memstore.New(nil)
	out := &egress.Options{InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true}
	svc, err := webhook.NewService(st, &webhook.ServiceOptions{Egress: out})
	require.NoError(b, err)
	_, err = svc.Register(b.Context(), harness.Merchant, webhook.Registration{
		URL: receiver.URL, Events: []string{"document.created"}, Headers: headers,
	})
	require.NoError(b, err)
	left := make(chan struct{}, b.N)
	disp, err := webhook.NewDispatcher(st, &webhook.DispatcherOptions{
		Egress: out, Concurrency: workers, PerWebhook: workers, OmitExchange: omit,
		Observer: webhook.Observer{Settled: func(_ context.Context, i webhook.SettledInfo) {
			if i.Code != "" {
				b.Error(i.Code)
			}
			left <- struct{}{}
		}},
	})
	require.NoError(b, err)
	batch := make([]event.Event, 0, 100)
	for i := range b.N {
		if batch = append(batch, event.New(kilobyte)); len(batch) == cap(batch) || i == b.N-1 {
			_, err := svc.PublishBatch(b.Context(), harness.Merchant, batch)
			require.NoError(b, err)
			batch = batch[:0]
		}
	}
	ctx, cancel := context.WithCancel(b.Context())
	stopped := make(chan error)
	b.ReportAllocs()
	b.ResetTimer()
	go func() { stopped <- disp.Run(ctx) }()
	for range b.N {
		<-left
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
	cancel()
	require.NoError(b, <-stopped)
}
