package e2e_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/portal"
)

// TestSessionEnds lets the session end while a form is open. The login is on another
// origin, to which the policy of the portal's pages lets no form lead.
func TestSessionEnds(t *testing.T) {
	t.Parallel()
	for name, scripts := range map[string]bool{"with scripts": true, "without scripts": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, &portal.Options{Login: loginElsewhere(t)})
			hook := s.register(webhook.Registration{URL: s.ep.URL(), Events: []string{"*"}})
			b := open(t, s.site)
			if !scripts {
				b.withoutScripts()
			}
			for _, form := range []struct{ page, button, back string }{
				{"webhooks/" + hook.ID, "Disable", "webhooks/" + hook.ID},
				{"webhooks/" + hook.ID, "Send test event", "webhooks/" + hook.ID},
				{"webhooks/" + hook.ID + "/edit", "Save changes", "webhooks/" + hook.ID + "/edit"},
			} {
				b.enter()
				b.visit(form.page)
				b.forget("merchant")
				b.press(form.button)
				if !scripts || form.button != "Send test event" { // That one has the page loaded again.
					b.shows("nothing was changed")
					b.press("Log in")
				}
				b.shows("to " + mount + "/" + form.back)
				require.Equal(t, webhook.Active, s.only().Status)
			}
			b.quiet()
		})
	}
}

// loginElsewhere redirects to a page of another origin, which says whereto it would
// lead back.
func loginElsewhere(t *testing.T) http.Handler {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "<!doctype html><main><h1>Elsewhere</h1><p>to "+r.URL.Query().Get("to")+"</p></main>")
	}))
	t.Cleanup(server.Close)
	at := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, at+"/?to="+url.QueryEscape(r.RequestURI), http.StatusSeeOther)
	})
}

// forget loses a cookie of the portal's site.
func (b *tab) forget(name string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, network.DeleteCookies, network.DeleteCookiesParams{Name: name, URL: b.site})
	require.NoError(b.t, err)
}
