package e2e_test

import (
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/webhooktest"
)

// A merchant from the first webhook to the last, with a receiver that verifies.
func TestLifeCycle(t *testing.T) {
	t.Parallel()
	for name, scripts := range map[string]bool{"with scripts": true, "without scripts": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, nil)
			s.dispatch()
			b := open(t, s.site)
			if !scripts {
				b.withoutScripts()
			}
			live(s, b, scripts)
			b.quiet()
		})
	}
}

func live(s *stage, b *tab, scripts bool) {
	t := s.t
	b.enter()

	// Create. A mistake first.
	b.press("Create your first webhook")
	b.do(chromedp.WaitVisible(chromedp.CSS("#f-url")), chromedp.SendKeys(chromedp.CSS("#f-url"), "http://example.com/hook"))
	b.press("Create webhook")
	b.shows("Nothing was saved")
	b.shows("must start with https://")
	b.do(
		chromedp.SetValue(chromedp.CSS("#f-url"), s.ep.URL()),
		chromedp.SendKeys(chromedp.CSS("#f-description"), "Order sync"),
		chromedp.Click(chromedp.CSS(`input[value="document.created"]`)),
	)
	b.press("Create webhook")
	b.do(chromedp.WaitVisible(chromedp.CSS("#secret")))
	secret, err := chromedp.Run(b.ctx, chromedp.Text(chromedp.CSS("#secret")))
	require.NoError(t, err)
	require.Regexp(t, `^whsec_[A-Za-z0-9+/]{36}$`, secret)
	s.ep.SetSecret(secret)

	// Test, with the outcome.
	b.press("Send a test event")
	b.do(chromedp.WaitVisible(chromedp.CSS("#h-test")))
	b.press("Send test event")
	if scripts {
		b.do(chromedp.WaitVisible(chromedp.CSS("#outcome .outcome.ok")))
		b.shows("Your endpoint answered 200")
		b.press("See the delivery")
	}
	b.do(chromedp.WaitVisible(chromedp.CSS("#h-payload")))
	b.shows("webhook.test")
	require.NoError(t, s.ep.Next(t).Err, "it verified")

	// What does the endpoint verify?
	hook := s.only()
	b.visit("webhooks/" + hook.ID)
	b.press("Find out what my endpoint needs")
	b.shows("Your endpoint verifies the bytes as they arrive.")
	for range 3 {
		s.ep.Next(t)
	}

	// An event fails, the log shows why, and it is sent again.
	s.ep.Answer(webhooktest.Status(500).Body("boom"), webhooktest.Status(500).Body("boom"), webhooktest.Status(500).Body("boom"))
	s.publish(event.TypeDocumentCreated)
	for range 3 {
		require.NoError(t, s.ep.Next(t).Err)
	}
	s.await(hook.ID, webhook.DeliveryFailed)
	b.visit("webhooks/" + hook.ID + "/deliveries?status=failed")
	b.shows("document.created")
	b.do(chromedp.Click(chromedp.CSS(".rows .row-link")), chromedp.WaitVisible(chromedp.CSS("#h-attempts")))
	b.shows("The endpoint answered 500 Internal Server Error")
	b.shows("boom")
	s.ep.Answer(webhooktest.Status(200).After(4 * time.Second))
	b.press("Send again")
	b.shows("The event is being sent again")
	require.NoError(t, s.ep.Next(t).Err)
	if scripts {
		b.shows("On its way.")
		b.shows("Delivered") // By itself.
	}

	// Rotate.
	b.visit("webhooks/" + hook.ID + "/rotate")
	b.press("Rotate and show the new secret")
	b.do(chromedp.WaitVisible(chromedp.CSS("#secret")))
	second, err := chromedp.Run(b.ctx, chromedp.Text(chromedp.CSS("#secret")))
	require.NoError(t, err)
	require.NotEqual(t, secret, second)
	b.shows("The previous secret stays valid for 24 hours")

	// Edit, disable, enable.
	b.visit("webhooks/" + hook.ID)
	b.press("Edit")
	b.do(chromedp.WaitVisible(chromedp.CSS("#f-url")), chromedp.Click(chromedp.CSS(`input[name="all"]`)))
	b.press("Save changes")
	b.shows("Your changes are saved.")
	require.Equal(t, []string{"*"}, s.only().Events)
	b.press("Disable")
	b.shows("The webhook is disabled.")
	require.Equal(t, webhook.Disabled, s.only().Status)
	s.publish(event.TypeDocumentDeleted)
	b.press("Enable")
	b.shows("The webhook is active again.")

	// What it missed is replayed.
	b.press("Replay…")
	b.do(chromedp.WaitVisible(chromedp.CSS("#since")))
	b.shows("1 event would be sent.") // It was counted before.
	b.press("Replay")
	b.shows("The new deliveries are in the log.") // A script has loaded the page again.
	require.Equal(t, event.TypeDocumentDeleted, s.ep.Next(t).Event.Type)

	// Verify, in another language.
	b.visit("webhooks/" + hook.ID + "/verify")
	b.press("Python")
	b.shows("needs Flask")

	// Delete.
	b.visit("webhooks/" + hook.ID)
	b.press("Delete…")
	b.shows("This cannot be undone.")
	b.press("Delete webhook")
	b.shows("The webhook is deleted.")
	b.shows("Create your first webhook")
}

// only returns the merchant's one webhook.
func (s *stage) only() webhook.Webhook {
	s.t.Helper()
	page, err := s.svc.Webhooks(s.t.Context(), merchant, webhook.WebhookQuery{Limit: 2})
	require.NoError(s.t, err)
	require.Len(s.t, page.Webhooks, 1)
	return page.Webhooks[0]
}

// await waits for the youngest delivery to end.
func (s *stage) await(webhookID string, status webhook.DeliveryStatus) {
	s.t.Helper()
	page, err := s.svc.Deliveries(s.t.Context(), merchant, webhookID, webhook.DeliveryQuery{Limit: 1})
	require.NoError(s.t, err)
	d, err := s.svc.Await(s.t.Context(), merchant, webhookID, page.Deliveries[0].ID)
	require.NoError(s.t, err)
	require.Equal(s.t, status, d.Status)
}
