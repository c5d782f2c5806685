package mailnotify_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/mailnotify"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// A language that puts every text between « and » leaves nothing outside but what the notice
// holds.
func TestEveryTextCanBeTranslated(t *testing.T) {
	t.Parallel()
	texts := map[string]string{}
	for _, text := range words.Texts() {
		texts[text] = "«" + text + "»"
	}
	pseudo, err := words.New(&words.Options{Texts: texts})
	require.NoError(t, err)
	for _, n := range []webhook.Notice{
		{Kind: webhook.NoticeDisabled, Failures: 10},
		{Kind: webhook.NoticeDisabled, Reason: webhook.ReasonGone},
		{Kind: webhook.NoticeWarning, Failures: 5, DisableAfter: 10},
		{Kind: webhook.NoticeRecovered},
		{Kind: webhook.NoticeMoved},
		{Kind: webhook.NoticeCrowded},
		{Kind: webhook.NoticeEnabled},
		{Kind: webhook.NoticeEnabled, Missed: 1},
		{Kind: webhook.NoticeEnabled, Missed: 2},
		{Kind: webhook.NoticeEnabled, Missed: 2, MissedMore: true},
	} {
		p := newPost(t).start(t, false)
		m := p.mailer(t, to(owner("a")), mailnotify.Options{
			Words: pseudo, Title: "Acme", Deliveries: history, PortalURL: func(webhook.Notice) string { return "https://portal.example.com/" },
		})
		n.ID, n.MerchantID, n.WebhookID, n.URL, n.At, n.Since = "id", "m", "whk_1", "https://example.com/", time.Now(), time.Now()
		require.NoError(t, m.Notify(t.Context(), n))
		_, subject, text, html := p.got()[0].read(t)
		require.True(t, strings.HasPrefix(subject, "Acme: «"), subject)
		html = regexp.MustCompile(`<[^>]*>`).ReplaceAllString(html, "")
		for _, said := range []string{subject, text, html} {
			require.Contains(t, said, "«")
			left := regexp.MustCompile(`Acme|whk_1|https://[a-z.]*/|document\.created|&lt;script&gt;|<script>|Bcc: evil@example\.com`).ReplaceAllString(outside(said), "")
			require.NotRegexp(t, `[A-Za-z]`, left, "%s:\n%s", n.Kind, said)
		}
	}
}

// outside returns what of s is not between « and ».
func outside(s string) string {
	depth := 0
	return strings.Map(func(r rune) rune {
		switch {
		case r == '«':
			depth++
		case r == '»':
			depth--
		case depth == 0:
			return r
		}
		return -1
	}, s)
}

// The words of a mail are the host's, with its nouns and in its order.
func TestATranslation(t *testing.T) {
	t.Parallel()
	own, err := words.New(&words.Options{Tenant: "Laden", Tenants: "Läden", Segment: "laeden", Texts: map[string]string{
		"Your webhook for %s keeps failing":            "Der Webhook Ihres {tenant}s für %s scheitert",
		"your webhook has *failed %d times in a row*.": "Ihr Webhook ist *%dmal* gescheitert.",
		"2 January 2006, 15:04 UTC":                    "2.1.2006, 15:04 UTC",
	}})
	require.NoError(t, err)
	p := newPost(t).start(t, false)
	n := notice(webhook.NoticeWarning)
	n.Since = time.Date(2026, 2, 27, 13, 0, 0, 0, time.UTC)
	require.NoError(t, p.mailer(t, to(owner("a")), mailnotify.Options{Words: own}).Notify(t.Context(), n))
	_, subject, text, html := p.got()[0].read(t)
	require.Equal(t, "Der Webhook Ihres Ladens für example.com scheitert", subject)
	require.Contains(t, text, "Ihr Webhook ist 10mal gescheitert.")
	require.Contains(t, text, "27.2.2026, 13:00 UTC")
	require.Contains(t, html, "Ihr Webhook ist <strong>10mal</strong> gescheitert.")
}
