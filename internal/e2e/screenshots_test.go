package e2e_test

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/portal"
)

// maxPicture is the most bytes of one that goes into the documentation.
const maxPicture = 150 << 10

// TestScreenshots requires that each page fits its window, and leaves pictures of some
// where WEBHOOK_PORTAL_SCREENSHOTS says.
func TestScreenshots(t *testing.T) {
	t.Parallel()
	s := newStage(t, &portal.Options{Title: "RAG Assistant"})
	hook, _ := history(s)
	failed := s.outage(path.Base(hook))
	published := s.lastEvent()
	b := open(t, s.site)
	b.enter()
	for _, c := range []struct {
		name, path    string
		width, height int64
		dark          bool
		keep          bool // for the documentation
	}{
		{"webhooks-light", "", 1280, 640, false, true},
		{"webhook-light", hook, 1280, 1240, false, false},
		{"webhook-dark", hook, 1280, 1180, true, true},
		{"deliveries-dark", hook + "/deliveries", 1280, 900, true, false},
		{"deliveries-light", hook + "/deliveries", 1280, 900, false, false},
		{"delivery-light", hook + "/deliveries/" + failed, 1280, 1000, false, true},
		{"delivery-dark", hook + "/deliveries/" + failed, 1280, 1100, true, false},
		{"verify-light", hook + "/verify?lang=python", 1280, 940, false, true},
		{"verify-dark", hook + "/verify?lang=python", 1280, 1100, true, false},
		{"new-light", "new", 1280, 1100, false, false},
		{"catalog-light", "catalog", 1280, 900, false, false},
		{"events-light", "events", 1280, 900, false, false},
		{"event-light", published, 1280, 900, false, true},
		{"changes-light", hook + "/changes", 1280, 700, false, false},
		{"performance-light", hook + "/performance", 1280, 900, false, true},
		{"performance-dark", hook + "/performance", 1280, 900, true, false},
		{"rotate-dark", hook + "/rotate", 1280, 700, true, false},
		{"delete-light", hook + "/delete", 1280, 700, false, false},
		{"replay-dark", hook + "/replay", 1280, 760, true, false},
		{"webhooks-phone", "", 390, 844, false, false},
		{"webhook-phone", hook, 390, 1000, false, true},
		{"deliveries-phone-dark", hook + "/deliveries", 390, 844, true, true},
		{"delivery-phone", hook + "/deliveries/" + failed, 390, 1400, false, false},
		{"verify-phone", hook + "/verify", 390, 844, false, false},
		{"events-phone", "events", 390, 844, false, false},
		{"event-phone-dark", published, 390, 1200, true, false},
		{"performance-phone", hook + "/performance", 390, 1000, false, false},
		{"new-phone-dark", "new", 390, 1200, true, false},
	} {
		b.look(c.width, c.height, c.dark)
		b.visit(c.path)
		b.fits(c.name)
		if c.keep {
			b.picture(c.name)
		}
	}

	b.enterAsOperator()
	b.look(1280, 700, false)
	b.visit("operator/webhooks")
	b.fits("operator")
	b.picture("operator-light")
	b.enter()

	// A secret, and an outcome that came by itself.
	s.dispatch()
	b.look(1280, 700, false)
	b.visit("new")
	b.do(
		chromedp.SetValue(chromedp.CSS("#f-url"), s.ep.URL()), chromedp.Click(chromedp.CSS(`input[name="all"]`)),
	)
	b.press("Create webhook")
	b.do(chromedp.WaitVisible(chromedp.CSS("#secret")))
	// The picture has the documented secret, and no address of this machine.
	b.do(
		chromedp.SetJavascriptAttribute(chromedp.CSS("#secret"), "textContent", "whsec_xyz789abc123def456ghi789jkl012mno345"),
		chromedp.SetJavascriptAttribute(chromedp.CSS(".crumbs li:last-child a"), "textContent", "hooks.example.com"),
	)
	b.fits("secret")
	b.picture("secret-light")
	b.look(1280, 820, true)
	b.press("Send a test event")
	b.do(chromedp.WaitVisible(chromedp.CSS("#h-test")))
	b.press("Send test event")
	b.do(chromedp.WaitVisible(chromedp.CSS("#outcome .outcome.bad"))) // It has not been told the secret.
	b.fits("test")
	b.quiet()
}

// look sets the size of the window and its colours.
func (b *tab) look(width, height int64, dark bool) {
	b.t.Helper()
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	})
	require.NoError(b.t, err)
	b.do(chromedp.EmulateViewport(width, height))
}

// fits requires that the page does not scroll sideways.
func (b *tab) fits(name string) {
	b.t.Helper()
	wide, err := chromedp.Run(b.ctx, chromedp.Evaluate[int](`document.documentElement.scrollWidth - document.documentElement.clientWidth`))
	require.NoError(b.t, err)
	require.Zero(b.t, wide, "%s scrolls sideways", name)
}

// picture takes one of the window, if it is wanted.
func (b *tab) picture(name string) {
	b.t.Helper()
	dir := os.Getenv("WEBHOOK_PORTAL_SCREENSHOTS")
	if dir == "" {
		return
	}
	shot, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	require.NoError(b.t, err)
	small := fewerColours(b.t, shot)
	require.LessOrEqual(b.t, len(small), maxPicture, name)
	require.NoError(b.t, os.WriteFile(filepath.Join(dir, name+".png"), small, 0o644))
}

// fewerColours writes a PNG with a palette of 256 colours: those that it has most of,
// and that can be told apart.
func fewerColours(t *testing.T, shot []byte) []byte {
	t.Helper()
	from, err := png.Decode(bytes.NewReader(shot))
	require.NoError(t, err)
	counts := map[color.RGBA]int{}
	bounds := from.Bounds()
	at := func(x, y int) color.RGBA {
		c, ok := color.RGBAModel.Convert(from.At(x, y)).(color.RGBA)
		require.True(t, ok)
		return c
	}
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			counts[at(x, y)]++
		}
	}
	byCount := slices.SortedFunc(maps.Keys(counts), func(a, b color.RGBA) int { return counts[b] - counts[a] })
	near := func(a, b color.RGBA) bool {
		d := func(x, y uint8) int { return max(int(x)-int(y), int(y)-int(x)) }
		return d(a.R, b.R)+d(a.G, b.G)+d(a.B, b.B) < 14
	}
	var chosen []color.RGBA
	for _, c := range byCount {
		if len(chosen) < 256 && !slices.ContainsFunc(chosen, func(o color.RGBA) bool { return near(o, c) }) {
			chosen = append(chosen, c)
		}
	}
	palette := make(color.Palette, len(chosen))
	for i, c := range chosen {
		palette[i] = c
	}
	nearest := map[color.RGBA]uint8{}
	for _, c := range byCount {
		nearest[c] = uint8(palette.Index(c))
	}
	to := image.NewPaletted(bounds, palette)
	for y := bounds.Min.Y; y < bounds.Max.Y; y++ {
		for x := bounds.Min.X; x < bounds.Max.X; x++ {
			to.SetColorIndex(x, y, nearest[at(x, y)])
		}
	}
	var out bytes.Buffer
	require.NoError(t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, to))
	return out.Bytes()
}

// outage sends an event to a webhook whose endpoint is down, and returns its delivery. The
// other endpoints answer, and nothing leaves this machine.
func (s *stage) outage(webhookID string) string {
	s.t.Helper()
	disp, err := webhook.NewDispatcher(s.store, &webhook.DispatcherOptions{
		Transport: answers{"hooks.example.com": http.StatusServiceUnavailable}, Retry: retry.Policy{Delays: []time.Duration{time.Second, time.Second}},
	})
	require.NoError(s.t, err)
	ctx, stop := context.WithCancel(s.t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- disp.Run(ctx) }()
	s.publish(event.TypeDocumentUpdated)
	s.await(webhookID, webhook.DeliveryFailed)
	stop()
	require.NoError(s.t, <-ended)
	page, err := s.svc.Deliveries(s.t.Context(), merchant, webhookID, webhook.DeliveryQuery{Limit: 1})
	require.NoError(s.t, err)
	return page.Deliveries[0].ID
}

// answers are the statuses of hosts that do not answer 200.
type answers map[string]int

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.Header().Set("X-Request-Id", "req_7f3a")
	if status, down := a[r.URL.Host]; down {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.WriteString(`{"error":"database is locked","retry":true}`)
	}
	return w.Result(), nil
}

// lastEvent is the path of the event that was published last.
func (s *stage) lastEvent() string {
	s.t.Helper()
	page, err := s.svc.Events(s.t.Context(), merchant, webhook.EventQuery{Limit: 1})
	require.NoError(s.t, err)
	return "events/" + page.Events[0].ID
}

// history is a merchant with three webhooks and a day behind them. It returns the
// path of one and the id of a delivery of it that failed.
func history(s *stage) (hook, failed string) {
	s.t.Helper()
	const day = 24 * time.Hour
	s.back.Store(int64(day))
	// No address of this machine is to be in a picture: nothing is sent to these.
	orders := s.register(webhook.Registration{
		URL: "https://hooks.example.com/rag/orders", Description: "Order sync, production",
		Events:   []string{"document.created", "document.updated", "document.deleted", "chat.query.completed"},
		Encoding: webhook.EncodingASCII, RateLimit: 20, Headers: webhook.Headers{"X-Tenant": "eu-1"},
		Metadata: map[string]string{"team": "integrations"},
	})
	s.register(webhook.Registration{URL: "https://crm.example.com/in/webhooks", Description: "CRM", Events: []string{"*"}})
	old := s.register(webhook.Registration{URL: "https://staging.example.com/hooks", Description: "Staging", Events: []string{"usage.limit.exceeded"}})
	dice := rand.New(rand.NewPCG(4, 2))
	types := []event.Type{event.TypeDocumentCreated, event.TypeDocumentUpdated, event.TypeChatQueryCompleted, event.TypeDocumentDeleted}
	for i := range 220 {
		at := day * time.Duration(220-i) / 220
		s.back.Store(int64(max(at-time.Duration(dice.Int64N(int64(2*time.Minute))), time.Second)))
		if i%90 == 17 {
			s.publish(event.TypeUsageLimitExceeded)
		}
		s.publish(types[dice.IntN(len(types))])
		took := 20 + dice.Int64N(160)
		s.back.Add(-took * int64(time.Millisecond))
		bad := i > 120 && i < 134 || dice.IntN(40) == 0 || i == 216
		// Three attempts, if the first two fail.
		for range 3 {
			pause := time.Minute
			s.settle(func(_ int, l store.Lease) store.Result {
				switch {
				case l.WebhookID == old.ID || l.WebhookID == orders.ID && bad:
					r := store.Result{
						Outcome: store.Retry, Delay: pause, Attempt: store.Attempt{
							StatusCode: 503, Code: string(webhook.CodeStatus), Duration: 1200 * time.Millisecond,
							ResponseBody: `{"error":"database is locked","retry":true}`,
						},
					}
					if l.Attempts == 2 {
						r.Outcome, r.Streak = store.Failed, store.StreakExtend
						if l.WebhookID == old.ID {
							r.DisableAfter, r.DisableReason = 3, string(webhook.ReasonFailures)
						}
					}
					return r
				}
				return store.Result{Outcome: store.Succeeded, Streak: store.StreakReset, Attempt: store.Attempt{
					StatusCode: 200, ResponseBody: "OK", Duration: time.Duration(took) * time.Millisecond,
				}}
			})
			s.back.Add(-int64(pause))
		}
	}
	s.back.Store(int64(40 * time.Second))
	s.publish(event.TypeDocumentUpdated)
	s.back.Store(0)
	page, err := s.svc.Deliveries(context.Background(), merchant, orders.ID, webhook.DeliveryQuery{Limit: 1, Status: webhook.DeliveryFailed})
	require.NoError(s.t, err)
	return strings.Join([]string{"webhooks", orders.ID}, "/"), page.Deliveries[0].ID
}
