package e2e_test

import (
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/portal"
	"github.com/rag-assistant/webhooks/webhook/webhooktest"
)

// hostile tries to run in the browser of whoever looks at it. It is in an endpoint's
// answer, in an event and in the merchant's own notes.
const hostile = `</pre></textarea></code><script>alert(1)</script><img src=x onerror=alert(2)>` +
	`<svg onload=alert(3)><div hx-get="/login" hx-trigger="load" data-hx-on:load="alert(4)" hx-on::load="alert(5)"></div>` +
	`<a href="javascript:alert(6)">x</a><style>*{display:none}</style>"'` + "`{{.}}${alert(7)}"

func TestHostileTextIsText(t *testing.T) {
	t.Parallel()
	s := newStage(t, &portal.Options{Title: hostile})
	s.dispatch()
	w := s.register(webhook.Registration{
		URL: s.ep.URL(), Events: []string{"*"}, Description: hostile, Metadata: map[string]string{"<b>": hostile},
	})
	s.ep.Otherwise(webhooktest.Status(500).Body(hostile))
	_, err := s.svc.Publish(t.Context(), merchant, event.NewRaw("document.created", map[string]any{"title": hostile, hostile: hostile}))
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, s.ep.Next(t).Err)
	}
	s.await(w.ID, webhook.DeliveryFailed)
	page, err := s.svc.Deliveries(t.Context(), merchant, w.ID, webhook.DeliveryQuery{Limit: 1})
	require.NoError(t, err)

	b := open(t, s.site)
	b.enter()
	hook := "webhooks/" + w.ID
	for _, path := range []string{
		"", hook, hook + "/edit", hook + "/deliveries", hook + "/deliveries/" + page.Deliveries[0].ID, hook + "/verify", hook + "/delete",
	} {
		b.visit(path)
		live, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](
			`document.querySelectorAll('main script, main img, main style, [onerror], [onload], [hx-get], a[href^="javascript:"]').length`))
		require.NoError(t, err)
		require.Zero(t, live, path)
	}
	b.visit(hook + "/deliveries/" + page.Deliveries[0].ID)
	require.Contains(t, b.text(), `<script>alert(1)</script>`, "it is there to be read")

	// What the endpoint answers comes into the page by a script, too.
	b.visit(hook)
	b.press("Send test event")
	b.do(chromedp.WaitVisible(chromedp.CSS("#outcome .outcome.bad")))
	require.Contains(t, b.text(), `<img src=x onerror=alert(2)>`)
	b.quiet()
}

// TestPolicyStopsWhatIsInline plays a bug in escaping. Then only the Content Security
// Policy protects, so the browser must enforce it.
func TestPolicyStopsWhatIsInline(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	b := open(t, s.site)
	b.enter()
	ran, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](`(() => {
		const script = document.createElement('script');
		script.textContent = 'window.ran = true';
		document.body.append(script);
		return window.ran === true;
	})()`))
	require.NoError(t, err)
	require.False(t, ran)
	require.Eventually(t, func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return len(b.messages) > 0
	}, stepPatience, stepPatience/1000, "the breach is what quiet looks for")
}
