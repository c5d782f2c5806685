//go:build chaos

package chaos_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// bubble is a store in memory with dispatchers, in fake time. Nothing but waiting takes
// time in it, so what an event waits for is another's doing.
type bubble struct {
	t   *testing.T
	svc *webhook.Service

	// answer is what an endpoint does.
	answer func(req *http.Request) (*http.Response, error)

	mu       sync.Mutex
	promised map[string]time.Time // when a delivery was published
	first    map[string]time.Time // when it was received first
	posts    map[string]int       // how often it was received
}

// newBubble starts dispatchers, which end with the test.
func newBubble(t *testing.T, dispatchers int, o webhook.DispatcherOptions, limits webhook.Limits, answer func(*http.Request) (*http.Response, error)) *bubble {
	t.Helper()
	b := &bubble{t: t, answer: answer, promised: map[string]time.Time{}, first: map[string]time.Time{}, posts: map[string]int{}}
	st := memstore.New(nil)
	var err error
	b.svc, err = webhook.NewService(st, &webhook.ServiceOptions{Limits: limits})
	require.NoError(t, err)
	o.Transport = b
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for range dispatchers {
		d, err := webhook.NewDispatcher(st, &o)
		require.NoError(t, err)
		running.Go(func() {
			if err := d.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() {
		stop()
		running.Wait()
	})
	return b
}

// RoundTrip is an endpoint's part. What it answers with 200 was received.
func (b *bubble) RoundTrip(req *http.Request) (*http.Response, error) {
	_, _ = io.Copy(io.Discard, req.Body)
	resp, err := b.answer(req)
	if err == nil && resp.StatusCode == http.StatusOK {
		b.receive(deliveryOf(req))
	}
	return resp, err
}

func (b *bubble) receive(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.posts[id]++; b.posts[id] == 1 {
		b.first[id] = time.Now()
	}
}

// deliveryOf finds the delivery of a request, whose headers have their names as written.
func deliveryOf(req *http.Request) string {
	for name, values := range req.Header {
		if name == signer.HeaderDeliveryID {
			return values[0]
		}
	}
	return ""
}

// say makes an answer; header holds pairs of key and value.
func say(status int, body io.Reader, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: h, Body: io.NopCloser(body), ContentLength: -1}
}

// after lets an endpoint take its time, unless the sender gives up.
func after(req *http.Request, d time.Duration) error {
	select {
	case <-req.Context().Done():
		return req.Context().Err()
	case <-time.After(d):
		return nil
	}
}

// register makes a merchant with a webhook on a host of its own, and returns its id.
func (b *bubble) register(merchant string) string {
	b.t.Helper()
	reg, err := b.svc.Register(b.t.Context(), merchant, webhook.Registration{URL: fmt.Sprintf("https://%s.example.com/", merchant), Events: []string{"*"}})
	require.NoError(b.t, err)
	return reg.Webhook.ID
}

// publish publishes an event of a merchant who is to get all that he is promised.
func (b *bubble) publish(merchant string) {
	b.t.Helper()
	at := time.Now()
	p, err := b.svc.Publish(b.t.Context(), merchant, event.New(event.DocumentCreated{DocumentID: "doc_1"}))
	require.NoError(b.t, err)
	require.Len(b.t, p.Deliveries, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.promised[p.Deliveries[0].ID] = at
}

// kept requires that everything promised was received, and once, and returns how long
// each waited for that.
func (b *bubble) kept() waits {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var out waits
	for id, at := range b.promised {
		require.Equal(b.t, 1, b.posts[id], "how often %s was received", id)
		out = append(out, b.first[id].Sub(at))
	}
	slices.Sort(out)
	return out
}

// host is the first part of an endpoint's name.
func host(req *http.Request) string {
	name, _, _ := strings.Cut(req.URL.Host, ".")
	return name
}
