package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/webhook"
)

// A merchant that registers without end gets as many webhooks as the limit says,
// and nothing of the rest stays anywhere.
func TestRegistrationsEndAtTheLimit(t *testing.T) {
	t.Parallel()
	const limit, clients = 50, 16
	requests := int64(10_000)
	if underRace {
		requests = 2_000 // Each is the same as the one before; the rest only takes time.
	}
	for name, open := range harness.Stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			s := newSite(t, b.Store, nil)
			var sent, created, refused atomic.Int64
			// register sends so many requests, clients at once.
			register := func(total int64) {
				var all sync.WaitGroup
				for range clients {
					all.Go(func() {
						for sent.Add(1) <= total {
							w := httptest.NewRecorder()
							s.api.ServeHTTP(w, s.request(http.MethodPost, hooks, goodBody))
							switch w.Code {
							case http.StatusCreated:
								created.Add(1)
							case http.StatusConflict:
								refused.Add(1)
							default:
								t.Errorf("%d: %s", w.Code, w.Body)
							}
						}
					})
				}
				all.Wait()
				sent.Store(total)
			}
			register(200) // Whoever is at the limit's edge at once, it holds.
			require.Equal(t, int64(limit), created.Load())
			full := b.Dump()
			register(requests)
			require.Equal(t, int64(limit), created.Load())
			require.Equal(t, requests-limit, refused.Load())
			require.Equal(t, full, b.Dump(), "a refused registration leaves nothing")
			list, err := s.svc.Webhooks(t.Context(), harness.Merchant, webhook.WebhookQuery{})
			require.NoError(t, err)
			require.Equal(t, limit, list.Total)
			s.do(http.MethodPost, "/api/merchants/"+harness.Victim+"/webhooks", goodBody, "Authorization", "Bearer "+harness.Victim).is(http.StatusCreated)
		})
	}
}

// bombs are bodies that cost a careless parser time or memory. N is how many times
// the part in braces comes.
func bombs(n int) map[string]string {
	repeat := func(format string) string {
		var b strings.Builder
		for i := range n {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	return map[string]string{
		"arrays":          strings.Repeat("[", n),
		"closed arrays":   `{"url":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`,
		"objects":         strings.Repeat(`{"events":`, n),
		"data":            `{"type":"document.created","data":` + strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) + "}",
		"keys":            `{` + repeat(`"k%d":0`) + `}`,
		"keys in data":    `{"type":"document.created","data":{` + repeat(`"k%d":0`) + `}}`,
		"one key":         `{` + repeat(`"url":%d`) + `}`,
		"one long key":    `{"` + strings.Repeat("k", 10*n) + `":[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]}`,
		"elements":        `{"events":[` + repeat(`%d`) + `]}`,
		"types":           `{"url":"https://example.com/","events":[` + repeat(`"document.created%d"`) + `]}`,
		"same type":       `{"url":"https://example.com/","events":[` + repeat(`"document.created"`) + `]}`,
		"string":          `{"url":"` + strings.Repeat("a", 10*n) + `"}`,
		"host":            `{"url":"https://` + strings.Repeat("a.", n) + `","events":["*"]}`,
		"escapes":         `{"status":"` + strings.Repeat(`\u0041`, n) + `"}`,
		"number":          `{"graceSeconds":` + strings.Repeat("9", n) + `}`,
		"exponent":        `{"graceSeconds":1e` + strings.Repeat("9", n) + `}`,
		"spaces":          strings.Repeat(" ", n),
		"spaces and more": `{"since":` + strings.Repeat("\n", n) + `1}`,
		"closers":         strings.Repeat("}", n),
	}
}

// A body costs little, however it is made and wherever it is sent, and the answer
// is short.
func TestBombs(t *testing.T) { //nolint:paralleltest // It counts the allocations of the process.
	const (
		mostOfBody  = 4 << 20  // What a request with a body of 64 KiB may allocate in all,
		mostOfEvent = 24 << 20 // and one with an event of 256 KiB: see docs/security.md.
		longest     = 16 << 10 // An answer.
	)
	s := newSite(t, nil, allRoutes(t))
	id := s.hook(harness.Merchant)
	deliveryID := s.delivered(harness.Merchant, id)
	before := s.belongings()
	published := 0
	for size, n := range map[string]int{"too large": 100_000, "as large as an event may be": 20_000, "as large as a body may be": 4_000} {
		for bomb, body := range bombs(n) {
			for _, o := range s.operations() {
				event := o.path == "/events"
				if !o.sends() || n == 20_000 && !event {
					continue
				}
				r, w := s.request(o.method, o.at(harness.Merchant, id, deliveryID), body), httptest.NewRecorder()
				var from, to runtime.MemStats
				runtime.ReadMemStats(&from)
				s.api.ServeHTTP(w, r)
				runtime.ReadMemStats(&to)
				most := uint64(mostOfBody)
				if event {
					most = mostOfEvent
				}
				require.Less(t, to.TotalAlloc-from.TotalAlloc, most, "%s: %s to %s", size, bomb, o)
				require.Less(t, w.Body.Len(), longest, "%s: %s to %s", size, bomb, o)
				if w.Code == http.StatusAccepted && event {
					published++ // Data may have as many keys as fit.
					continue
				}
				require.Contains(t, []int{http.StatusBadRequest, http.StatusRequestEntityTooLarge}, w.Code, "%s: %s to %s", size, bomb, o)
			}
		}
	}
	require.Equal(t, 2, published)
	require.Equal(t, before[:2], s.belongings()[:2], "the webhooks are as they were")
}
