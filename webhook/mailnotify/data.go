package mailnotify

import (
	"context"
	"embed"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/bareurl"
)

//go:embed templates
var templates embed.FS

// Data is what a template can show.
type Data struct {
	Title      string             // Options.Title; may be empty
	Kind       webhook.NoticeKind // disabled, warning, recovered, moved, crowded or enabled
	MerchantID string
	WebhookID  string

	URL  string // scheme, host and path; empty if it cannot be read
	Name string // the URL's host, or the id of the webhook

	Reason webhook.Reason // of a disabled webhook

	Failures     int // in a row; 0 if the webhook has recovered
	DisableAfter int // the failures that disable the webhook; 0: none do

	Since time.Time // when the failures began, in UTC
	At    time.Time // when it happened, in UTC

	Missed     int  // events, while a webhook that is enabled again was disabled
	MissedMore bool // there may be more than Missed

	Last []Failure // the last failures, newest first, at most 5
	Link string    // where to enable the webhook; may be empty
}

// Failure is a delivery whose last attempt failed.
type Failure struct {
	At        time.Time // in UTC
	EventType string
	What      string // in fixed words
}

const (
	maxFailures   = 5
	maxSubject    = 200
	maxDeliveries = 20 // deliveries, to find the failures
)

// content is a mail without its addresses.
type content struct{ subject, text, html string }

// data collects what templates can show.
func (m *Mailer) data(ctx context.Context, n webhook.Notice) Data {
	d := Data{
		Kind: n.Kind, MerchantID: oneLine(n.MerchantID), WebhookID: oneLine(n.WebhookID), URL: bareurl.Of(n.URL), Name: oneLine(n.WebhookID),
		Reason: n.Reason, Failures: n.Failures, DisableAfter: n.DisableAfter, Since: n.Since.UTC(), At: n.At.UTC(),
		Missed: n.Missed, MissedMore: n.MissedMore, Title: m.opts.Title,
	}
	if u, err := url.Parse(d.URL); err == nil && u.Hostname() != "" {
		d.Name = u.Hostname()
	}
	if m.opts.PortalURL != nil {
		d.Link = webLink(m.opts.PortalURL(n))
	}
	if m.opts.Deliveries == nil || n.Kind == webhook.NoticeRecovered || n.Kind == webhook.NoticeMoved || n.Kind == webhook.NoticeEnabled {
		return d
	}
	page, err := m.opts.Deliveries(ctx, n.MerchantID, n.WebhookID, webhook.DeliveryQuery{Limit: maxDeliveries})
	if err != nil {
		return d // The webhook may be deleted by now. The mail goes without the list.
	}
	for _, l := range page.Deliveries {
		failed := l.Code != "" && l.Status != webhook.DeliverySucceeded && !l.LastAttemptAt.IsZero()
		if failed && !l.Test && len(d.Last) < maxFailures {
			d.Last = append(d.Last, Failure{At: l.LastAttemptAt.UTC(), EventType: oneLine(l.EventType), What: sayer{m.opts.Words}.inWords(l.Code, l.StatusCode)})
		}
	}
	return d
}

// webLink returns link if it leads to a web page.
func webLink(link string) string {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return ""
	}
	return u.String()
}

// oneLine makes one line of s, at most maxSubject characters long, so that nothing in
// a subject or an id can begin another header or line.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > maxSubject {
		s = string(r[:maxSubject])
	}
	return s
}
