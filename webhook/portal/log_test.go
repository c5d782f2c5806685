package portal_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// rows counts the deliveries on a page.
func (p page) rows() int { return strings.Count(p.body, `class="row-link`) }

// link returns the address of the link with this text, below the mount.
func (p page) link(text string) string {
	p.t.Helper()
	m := regexp.MustCompile(`href="([^"]*)">` + text + `</a>`).FindStringSubmatch(p.body)
	require.NotNil(p.t, m, "no link %s: %s", text, p.text)
	from := &url.URL{Path: p.at}
	to, err := from.Parse(html.UnescapeString(m[1]))
	require.NoError(p.t, err)
	return strings.TrimPrefix(to.String(), mount)
}

func TestLog(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	s := newSiteOn(t, memstore.New(&memstore.Options{Now: func() time.Time { return now }}), nil, nil)
	hook := s.hook()
	log := hook + "/deliveries"
	s.do(log, nil).is(http.StatusOK).says("Nothing sent yet")
	for i := range 120 {
		now = now.Add(time.Minute)
		if i%4 == 0 {
			s.delivered(hook, failure("no"))
		} else {
			s.delivered(hook, success())
		}
	}
	p := s.do(log, nil).is(http.StatusOK).says("1–50")
	require.Equal(t, 50, p.rows())
	p = s.do(p.link("Older"), nil).says("51–100 of 120")
	require.Equal(t, 50, p.rows())
	p = s.do(p.link("Older"), nil).says("101–120 of 120")
	require.Equal(t, 20, p.rows())
	require.NotContains(t, p.text, "Older")
	s.do(p.link("Newest"), nil).says("1–50")

	for query, want := range map[string]string{
		"status=failed":          "1–30 of 30",
		"status=success":         "1–50 of 90",
		"status=pending":         "Nothing in the log fits this filter.",
		"type=document.created":  "1–50",
		"type=document.deleted":  "Nothing in the log fits this filter.",
		"type=gone.since":        "Nothing in the log fits this filter.",
		"since=2026-03-31T13:00": "1–50",
		"until=2026-03-31T12:11": "1–10",
		"since=2026-03-31T12:10:00Z&until=2026-03-31T12:20:00%2B00:00": "1–10",
		"since=2026-03-31T13:00&status=failed":                         "1–15",
	} {
		s.do(log+"?"+query, nil).is(http.StatusOK).says(want)
	}
	p = s.do(log+"?status=success&since=2026-03-31T12:00", nil)
	require.Contains(t, p.body, `value="success" selected`)
	require.Contains(t, p.body, `value="2026-03-31T12:00"`)
	next := p.link("Older")
	require.Contains(t, next, "status=success", "the filter goes along")
	s.do(next, nil).says("51–90")

	for query, want := range map[string]string{
		"status=gone":  "There is no such status.",
		"type=%3Cb%3E": "This is not an event type.",
		"since=now":    "Write a date and a time",
		"until=1":      "Write a date and a time",
		"since=2026-03-31T13:00&until=2026-03-31T13:00": "The end has to be after the start.",
	} {
		s.do(log+"?"+query, nil).is(http.StatusUnprocessableEntity).says(want)
	}
	require.Equal(t, log+"?status=failed", s.do(log+"?status=failed&cursor=nonsense&page=7", nil).to(), "a cursor of nobody")
}

func TestDeliveryPage(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	hook := s.hook()
	encoding := webhook.EncodingHTML
	_, err := s.svc.Update(t.Context(), merchant, hookID(hook), webhook.Update{Encoding: &encoding})
	require.NoError(t, err)
	result := failure("")
	result.Attempt = store.Attempt{Code: string(webhook.CodeTimeout), Duration: 10 * time.Second}
	at := hook + "/deliveries/" + s.delivered(hook, result)
	s.do(at, nil).is(http.StatusOK).says(
		"document.created", "Failed", "No answer in time", "Answer with 2xx as soon as", "Attempt 1", "10.0 s", `"title": "A & B"`,
		"Delivery ID", "Event ID", "<, > and & as")
	at = hook + "/deliveries/" + s.delivered(hook, success())
	s.do(at, nil).says("Delivered", "200", "34 ms", "OK")

	// Between attempts.
	retry := failure("wait")
	retry.Outcome, retry.Delay = "retry", 5*time.Minute
	at = hook + "/deliveries/" + s.delivered(hook, retry)
	p := s.do(at, nil).says("Pending", "The next attempt is due in 4 minutes, at ", " UTC.", "wait", "Try now", "were not kept")
	require.Equal(t, at+"?done=forward", s.do(at+"/redeliver", values("token", p.field("token"))).to())
	s.do(at, nil).says("The next attempt is due just now")
}

// hostile is what an endpoint or an event may hold.
const hostile = `</pre></script><script>alert(1)</script><img src=x onerror=alert(2)>"'{{.}}`

func TestHostileTextIsEscaped(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	reg, err := s.svc.Register(t.Context(), merchant, webhook.Registration{
		URL: endpoint + `?q='onload=alert(1)`, Events: []string{"*"}, Description: hostile, Metadata: map[string]string{"<b>'\"": hostile},
	})
	require.NoError(t, err)
	hook := "/webhooks/" + reg.Webhook.ID
	_, err = s.svc.Publish(t.Context(), merchant, event.NewRaw("document.created", map[string]any{hostile: hostile}))
	require.NoError(t, err)
	s.settle(failure(hostile))
	youngest := s.youngest(hook)
	deliveryID := youngest.ID
	shown := 0
	q := url.QueryEscape(hostile)
	for _, path := range append(views(hook, deliveryID, s.replaying(hook)), "/", "/events/"+youngest.EventID, "/events?id="+q+"&type="+q, hook+"/deliveries?type="+q+"&since="+q, hook+"?done="+q, "/?merchant="+q) {
		p := s.do(path, nil)
		require.NotContains(t, p.body, "<script>alert", path)
		require.NotContains(t, p.body, "<img src=x", path)
		shown += strings.Count(p.body, "alert(1)")
	}
	require.Greater(t, shown, 8, "it is there to be read")
	form := edited(s, hook, "url", hostile, "description", hostile+strings.Repeat("x", 600), "metadata-key", hostile, "metadata-value", hostile)
	p := s.do(hook+"/edit", form).is(http.StatusUnprocessableEntity)
	require.NotContains(t, p.body, "<script>alert")
}
