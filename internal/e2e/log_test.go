package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// A log of ten thousand deliveries is as good to use as one of ten.
func TestLongLog(t *testing.T) {
	t.Parallel()
	const deliveries, failures = 10_000, 400
	s := newStage(t, nil)
	w := s.register(webhook.Registration{URL: s.ep.URL(), Events: []string{"*"}})
	batch := make([]event.Event, 500)
	for range deliveries / len(batch) {
		for i := range batch {
			batch[i] = event.New(event.DocumentDeleted{DocumentID: fmt.Sprint("doc_", i), Title: "Headphones"})
		}
		_, err := s.svc.PublishBatch(t.Context(), merchant, batch)
		require.NoError(t, err)
	}
	done, failed := 0, 0
	for done < deliveries {
		done += s.settle(func(int, store.Lease) store.Result {
			r := store.Result{Outcome: store.Succeeded, Attempt: store.Attempt{StatusCode: 200, Duration: 30 * time.Millisecond}}
			if failed < failures {
				failed++
				r = store.Result{Outcome: store.Failed, Attempt: store.Attempt{StatusCode: 503, Code: string(webhook.CodeStatus), Duration: time.Second}}
			}
			return r
		})
	}

	b := open(t, s.site)
	b.enter()
	b.visit("webhooks/" + w.ID + "/deliveries")
	b.shows("1–50 of 10,000")
	seen := map[string]bool{}
	rows := func() {
		hrefs, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](`[...document.querySelectorAll('.rows .row-link')].map(a => a.href)`))
		require.NoError(t, err)
		require.Len(t, hrefs, 50)
		for _, href := range hrefs {
			require.False(t, seen[href], "shown twice: %s", href)
			seen[href] = true
		}
	}
	rows()
	b.press("Older")
	b.shows("51–100 of 10,000")
	rows()
	s.publish(event.TypeDocumentCreated) // A newer delivery does not shift the pages.
	b.press("Older")
	b.shows("101–150 of 10,001")
	rows()
	b.press("Newest")
	b.shows("1–50 of 10,001")

	// A filter replaces the table, and its address can be kept.
	b.do(chromedp.SetValue(chromedp.CSS("#status"), "failed"))
	b.press("Filter")
	b.shows("1–50 of 400")
	at, err := chromedp.Run(b.ctx, chromedp.Location())
	require.NoError(t, err)
	require.Contains(t, at, "status=failed")
	b.press("Older")
	b.shows("51–100 of 400")
	b.do(chromedp.NavigateBack())
	b.shows("1–50 of 400")
	b.quiet()
}
