package mailnotify_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/mailnotify"
)

// history is what Deliveries answers.
func history(_ context.Context, _, _ string, _ webhook.DeliveryQuery) (webhook.DeliveryPage, error) {
	at := time.Date(2026, 2, 27, 12, 58, 0, 0, time.FixedZone("", 3600))
	failed := func(code webhook.Code, status int) webhook.Delivery {
		at = at.Add(-time.Minute)
		return webhook.Delivery{
			Status: webhook.DeliveryFailed, EventType: "document.created", Code: code, StatusCode: status,
			LastAttemptAt: at, ResponseBody: "s3cret",
		}
	}
	test, fine, paused := failed(webhook.CodeTimeout, 0), failed("", 200), failed(webhook.CodeWebhookDisabled, 0)
	test.Test, fine.Status, paused.LastAttemptAt = true, webhook.DeliverySucceeded, time.Time{}
	markup := failed(webhook.CodeStatus, 503)
	markup.EventType = "<script>\r\nBcc: evil@example.com"
	return webhook.DeliveryPage{Deliveries: []webhook.Delivery{
		test, fine, paused, failed(webhook.CodeStatus, 500), failed(webhook.CodeTimeout, 0), failed(webhook.CodeRedirect, 301),
		markup, failed(webhook.CodeDNS, 0), failed(webhook.CodeTLS, 0),
	}}, nil
}

// TestGolden compares whole mails with those in testdata.
func TestGolden(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, subject string
		n             webhook.Notice
		link          string
		deliveries    func(context.Context, string, string, webhook.DeliveryQuery) (webhook.DeliveryPage, error)
	}{
		{"disabled", "Your webhook for example.com has been disabled", webhook.Notice{Kind: webhook.NoticeDisabled, Failures: 10, DisableAfter: 10}, "https://portal.example.com/webhooks/whk_1?a=1&b=2", history},
		{"gone", "Your webhook for example.com has been disabled", webhook.Notice{Kind: webhook.NoticeDisabled, Reason: webhook.ReasonGone, Failures: 1, DisableAfter: 1}, "https://portal.example.com/webhooks/whk_1?a=1&b=2", history},
		{"warning", "Your webhook for example.com keeps failing", webhook.Notice{Kind: webhook.NoticeWarning, Failures: 5, DisableAfter: 10}, "javascript:alert(1)", history},
		{"recovered", "Your webhook for example.com works again", webhook.Notice{Kind: webhook.NoticeRecovered}, "https://portal.example.com/", history},
		{"moved", "Your webhook leads to example.com now", webhook.Notice{Kind: webhook.NoticeMoved}, "https://portal.example.com/", history},
		{"enabled", "Your webhook for example.com is enabled again", webhook.Notice{Kind: webhook.NoticeEnabled, Missed: 10_000, MissedMore: true}, "https://portal.example.com/", nil},
		{"crowded", "Your webhook for example.com misses events", webhook.Notice{Kind: webhook.NoticeCrowded}, "https://portal.example.com/", nil},
		{"bare", "Your webhook for whk_1 keeps failing", webhook.Notice{Kind: webhook.NoticeWarning, Failures: 5, URL: "https://example.com/\r\nBcc: evil@example.com"}, "", func(context.Context, string, string, webhook.DeliveryQuery) (webhook.DeliveryPage, error) {
			return webhook.DeliveryPage{}, errors.New("no such webhook")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPost(t).start(t, false)
			m := p.mailer(t, to("Öwner <a@example.com>"), mailnotify.Options{Deliveries: tt.deliveries, PortalURL: func(webhook.Notice) string { return tt.link }})
			n := tt.n
			n.ID, n.MerchantID, n.WebhookID = "id", "merchant_42", "whk_1"
			if n.URL == "" {
				n.URL = "https://me:s3cret@example.com/hooks/%3Cb%3E?token=s3cret"
			}
			n.At = time.Date(2026, 2, 27, 13, 0, 0, 0, time.FixedZone("", 3600))
			n.Since = n.At.Add(-3 * time.Hour)
			require.NoError(t, m.Notify(t.Context(), n))
			got := p.got()
			require.Len(t, got, 1)
			require.Equal(t, []string{"a@example.com"}, got[0].to)
			require.NotContains(t, got[0].data, "s3cret")
			header, subject, text, html := got[0].read(t)
			require.Equal(t, tt.subject, subject)
			require.Equal(t, []string{
				"Auto-Submitted", "Content-Type", "Date", "From", "Message-Id", "Mime-Version", "Subject", "To",
			}, slices.Sorted(maps.Keys(header)), "no header that somebody has put in")
			for name, body := range map[string]string{tt.name + ".txt": text, tt.name + ".html": html} {
				want, err := os.ReadFile("testdata/" + name)
				require.NoError(t, err)
				require.Equal(t, string(want), strings.TrimRight(body, "\n")+"\n", "of testdata/%s", name)
			}
		})
	}
}
