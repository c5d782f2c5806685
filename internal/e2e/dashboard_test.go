package e2e_test

import (
	"context"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/portal"
)

// dashboard is a page of the host that shows another in a frame. It returns its address.
func dashboard(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		of := r.URL.Query().Get("of")
		if of == "" {
			_, _ = io.WriteString(w, `<!doctype html><title>Acme</title><h1 id="home">Home</h1>`)
			return
		}
		_, _ = fmt.Fprintf(w, `<!doctype html><title>Acme</title><style>body{margin:0;font:15px sans-serif;display:flex;background:#123b2d;color:#fff}
			nav{padding:1.5rem;width:8rem}p{opacity:.8}iframe{border:0;flex:1;height:100vh;min-width:0}@media(max-width:700px){nav{display:none}}</style>
			<body><nav><h1>Acme</h1><p>Orders<p>Shops<p>Webhooks</nav><iframe src="%s"></iframe>`, html.EscapeString(of))
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestFraming(t *testing.T) {
	t.Parallel()
	ours, foreign := dashboard(t), dashboard(t)
	asked := make(chan string, 100)
	s := newStage(t, &portal.Options{
		RateLimit: func(_ context.Context, r webhook.RateLimitRequest) (time.Duration, error) {
			asked <- r.Route
			return 0, nil
		},
		Title: "Webhooks", FrameAncestors: []string{ours}, Radius: "4px", Accent: "#1a6b4f",
		Links: portal.Links{Back: portal.Link{Label: "Acme", URL: ours}, Help: portal.Link{URL: ours}, LogOut: portal.Link{URL: ours}},
	})
	hook, _ := history(s)
	id, address := strings.TrimPrefix(hook, "webhooks/"), "https://hooks.example.com/orders"
	_, err := s.svc.Update(t.Context(), merchant, id, webhook.Update{URL: &address})
	require.NoError(t, err)
	b := open(t, s.site)
	b.enter()

	t.Log("a page of the host shows the portal, and forms work in there")
	frame := b.framed(ours, s.site+hook)
	b.do(chromedp.WaitVisible(chromedp.CSS("h1.url"), chromedp.FromNode(frame)))
	b.picture("framed-light")
	b.look(390, 900, true)
	b.fits("framed")
	b.do(chromedp.Click(chromedp.CSS(".actions form button"), chromedp.FromNode(frame)))
	for route := ""; route != "POST webhooks/{webhookId}/status"; route = <-asked {
		require.NoError(t, b.ctx.Err())
	}
	require.Equal(t, "GET webhooks/{webhookId}", <-asked, "the page that the form leads to")
	w, err := s.svc.Webhook(t.Context(), merchant, id)
	require.NoError(t, err)
	require.Equal(t, webhook.Disabled, w.Status)

	t.Log("a link of the host leads the whole window")
	b.look(1280, 900, false)
	frame = b.framed(ours, s.site+"catalog")
	b.do(chromedp.Click(chromedp.CSS(".host-back"), chromedp.FromNode(frame)), chromedp.WaitVisible(chromedp.CSS("#home")))
	b.quiet()

	t.Log("another page of the same site does not show it, though the cookie goes along")
	b.framed(foreign, s.site+hook)
	require.True(t, b.refused(), "a foreign page frames the portal")

	t.Log("nobody frames a portal that names no origins")
	other := newStage(t, nil)
	closed := open(t, other.site)
	closed.enter()
	closed.framed(ours, other.site)
	require.True(t, closed.refused())
}

// framed shows a page in a frame of another, and returns the frame.
func (b *tab) framed(parent, of string) *chromedp.Node {
	b.t.Helper()
	b.do(chromedp.Navigate(parent + "/?of=" + url.QueryEscape(of)))
	frames, err := chromedp.Run(b.ctx, chromedp.Nodes(chromedp.CSS("iframe")))
	require.NoError(b.t, err)
	return frames[0]
}

// refused reports whether the browser shows an error in place of what the frame is of.
func (b *tab) refused() bool {
	b.t.Helper()
	tree, err := chromedp.Call(b.ctx, page.GetFrameTree, cdp.Empty{})
	require.NoError(b.t, err)
	require.Len(b.t, tree.FrameTree.ChildFrames, 1)
	return tree.FrameTree.ChildFrames[0].Frame.UnreachableURL != ""
}

// shop is a catalog of two hundred types, and of more.
func shop(t *testing.T, more ...event.Entry) *event.Catalog {
	t.Helper()
	entries := more
	for thing := range strings.FieldsSeq("order invoice product customer payment refund shipment coupon review cart inventory subscription plan tax theme app staff location giftcard payout") {
		for done := range strings.FieldsSeq("created updated deleted archived restored approved rejected imported exported failed") {
			entries = append(entries, event.Entry{Type: event.Type(thing + "." + done), Description: "Something of kind " + thing + " was " + done})
		}
	}
	c, err := event.NewCatalog(entries...)
	require.NoError(t, err)
	return c
}

func TestPicker(t *testing.T) {
	t.Parallel()
	s := newStageOf(t, webhook.ServiceOptions{Catalog: shop(t)}, &portal.Options{
		Title: "Acme", Radius: "20px", Font: `"DejaVu Serif", Georgia, serif`,
		Links: portal.Links{Back: portal.Link{Label: "Dashboard", URL: "/"}, Help: portal.Link{URL: "/help"}, LogOut: portal.Link{URL: "/logout"}},
	})
	b := open(t, s.site)
	b.enter()
	shown := func(selector string) int {
		t.Helper()
		n, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](fmt.Sprintf(`[...document.querySelectorAll(%q)].filter((e) => e.checkVisibility()).length`, selector)))
		require.NoError(t, err)
		return n
	}
	chosen := func(group int) string {
		t.Helper()
		text, err := chromedp.Run(b.ctx, chromedp.Text(chromedp.CSS(fmt.Sprintf(".group:nth-of-type(%d) .chosen", group))))
		require.NoError(t, err)
		return text
	}
	search := func(text string) {
		t.Helper()
		_, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](fmt.Sprintf(`document.querySelector("#f-search").value = %q`, text)))
		require.NoError(t, err)
		b.do(chromedp.SendKeys(chromedp.CSS("#f-search"), "x"+kb.Backspace))
	}
	b.visit("new")
	require.Equal(t, 20, shown(".group"))
	require.Zero(t, shown(".types .check"))

	t.Log("a search opens what fits, by name and by description")
	search("ORDER.cre")
	require.Equal(t, 1, shown(".group"))
	require.Equal(t, 1, shown(".types .check"))
	b.do(chromedp.Click(chromedp.CSS(`[value="order.created"]`)))
	require.Equal(t, "1/10", chosen(1))
	search("nothing such")
	b.shows("No event type has this")
	require.Zero(t, shown(".group"))
	search("")
	require.Equal(t, 20, shown(".group"))

	t.Log("a whole group takes the place of its types")
	b.do(chromedp.Click(chromedp.CSS(".group:nth-of-type(2) summary")), chromedp.Click(chromedp.CSS(`[value="invoice.*"]`)))
	require.Equal(t, "10/10", chosen(2))
	require.Zero(t, shown(".group:nth-of-type(2) .types .check"))
	b.do(chromedp.Click(chromedp.CSS(".group:nth-of-type(3) summary")), chromedp.Click(chromedp.CSS(`[value="product.updated"]`)))
	for _, c := range []struct {
		name  string
		width int64
		dark  bool
		keep  bool // for the documentation
	}{{"picker-light", 1280, false, true}, {"picker-dark", 1280, true, false}, {"picker-phone", 390, false, false}, {"picker-phone-dark", 390, true, true}} {
		b.look(c.width, 900, c.dark)
		b.fits(c.name)
		if c.keep {
			b.picture(c.name)
		}
		found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](faults))
		require.NoError(t, err)
		require.Empty(t, found, c.name)
	}
	b.quiet()

	t.Log("without scripts, every group is there")
	plain := open(t, s.site)
	plain.withoutScripts()
	plain.enter()
	plain.visit("new")
	plain.do(chromedp.Click(chromedp.CSS(".group:nth-of-type(1) summary")), chromedp.WaitVisible(chromedp.CSS(`[value="order.created"]`)))
	plain.quiet()
}

// TestPickerCountsWhatIsCovered has a type that is called as its group is: order.* does not
// cover order.
func TestPickerCountsWhatIsCovered(t *testing.T) {
	t.Parallel()
	s := newStageOf(t, webhook.ServiceOptions{Catalog: shop(t, event.Entry{Type: "order", Description: "An order"})}, nil)
	b := open(t, s.site)
	b.enter()
	b.visit("new")
	b.do(chromedp.Click(chromedp.CSS(".group:nth-of-type(1) summary")))
	for _, step := range []struct{ click, chosen string }{{"order.*", "10/11"}, {"order", "11/11"}} {
		b.do(chromedp.Click(chromedp.CSS(`[value="` + step.click + `"]`)))
		text, err := chromedp.Run(b.ctx, chromedp.Text(chromedp.CSS(".group:nth-of-type(1) .chosen")))
		require.NoError(t, err)
		require.Equal(t, step.chosen, text)
	}
	b.quiet()
}
