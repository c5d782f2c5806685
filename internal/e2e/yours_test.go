package e2e_test

import (
	"path"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/portal"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// TestYours shows a page as it is by default, and as a host has made it its own, on a small
// and a large window in both colours.
func TestYours(t *testing.T) {
	t.Parallel()
	w, err := words.New(&words.Options{Tenant: "shop"})
	require.NoError(t, err)
	catalog, err := event.NewCatalog(event.Entry{Type: "order.paid", Description: "An order was paid"},
		event.Entry{Type: "parcel.handed_over", Description: "A parcel was handed over to the carrier"})
	require.NoError(t, err)
	back := portal.Link{Label: "Acme", URL: "https://app.acme.example"}
	for name, s := range map[string]*stage{
		"before": newStage(t, nil),
		"after": newStageOf(t, webhook.ServiceOptions{Catalog: catalog, Wire: signer.Wire{Prefix: "X-Acme-", Untimed: signer.Untimed{Base64: true}}}, &portal.Options{
			Title: "Acme", Words: w, Accent: "#b91c1c", AccentDark: "#fca5a5", Radius: "2px", Font: "Georgia, serif",
			Links: portal.Links{Back: back, Help: portal.Link{URL: "https://help.acme.example"}, LogOut: portal.Link{URL: "/login"}},
		}),
	} {
		at := map[string]string{"before": "merchants/merchant_42", "after": "shops/shop_42"}[name]
		hook, err := s.svc.Register(t.Context(), path.Base(at), webhook.Registration{URL: "https://hooks.example.com/orders", Events: []string{"*"}})
		require.NoError(t, err)
		b := open(t, s.site)
		b.enterAsOperator()
		b.visit(at + "/webhooks/" + hook.Webhook.ID + "/verify?lang=python")
		for _, dark := range []bool{false, true} {
			for _, width := range []int64{1280, 390} {
				b.look(width, 600, dark)
				b.fits(name)
			}
		}
		b.look(1280, 600, false)
		b.picture("yours-" + name)
	}
}
