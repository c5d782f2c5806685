package portal_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// happens publishes an event with a certain id.
func (s *site) happens(eventID string, data any, name event.Type) {
	s.t.Helper()
	e := event.NewRaw(name, data)
	e.ID = eventID
	_, err := s.svc.Publish(s.t.Context(), merchant, e)
	require.NoError(s.t, err)
}

func TestEvents(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 31, 12, 0, 0, 0, time.UTC)
	s := newSiteOn(t, memstore.New(&memstore.Options{Now: func() time.Time { return now }}), nil, nil)
	s.do("/events", nil).is(http.StatusOK).says("Nothing has happened yet")
	for i := range 120 { // Nobody subscribes to them.
		now = now.Add(time.Minute)
		s.happens(fmt.Sprintf("evt_%03d", i), map[string]any{"n": i}, []event.Type{"document.created", "document.deleted"}[i%2])
	}
	first := s.do("/events", nil).is(http.StatusOK).says("evt_119", "31 Mar 2026, 14:00:00 UTC", "evt_070")
	require.Equal(t, 50, first.rows())
	require.Less(t, strings.Index(first.text, "evt_119"), strings.Index(first.text, "evt_118"), "newest first")
	second := s.do(first.link("Older"), nil).says("evt_069", "evt_020")
	require.Equal(t, 50, second.rows())
	third := s.do(second.link("Older"), nil).says("evt_000")
	require.Equal(t, 20, third.rows())
	require.NotContains(t, third.text, "Older")
	s.do(third.link("Newest"), nil).says("evt_119")

	for query, want := range map[string]int{
		"type=document.deleted":                        50,
		"type=document.updated":                        0,
		"since=2026-03-31T13:51":                       10,
		"until=2026-03-31T12:11":                       10,
		"since=2026-03-31T13:51&type=document.created": 5,
	} {
		require.Equal(t, want, s.do("/events?"+query, nil).is(http.StatusOK).rows(), query)
	}
	require.Contains(t, s.do("/events?type=document.deleted", nil).link("Older"), "type=document.deleted", "the filter goes along")
	for query, want := range map[string]string{
		"since=now":   "Write a date and a time",
		"type=%3Cb":   "This is not an event type.",
		"id=evt%2F..": "This is not the id of an event.",
	} {
		s.do("/events?"+query, nil).is(http.StatusUnprocessableEntity).says(want)
	}
	require.Equal(t, "/events?type=document.deleted", s.do("/events?type=document.deleted&cursor=nonsense", nil).to())

	require.Equal(t, "/events/evt_007", s.do("/events?id=+evt_007+", nil).to())
	s.do("/events/evt_007", nil).is(http.StatusOK).says("document.deleted", "evt_007", `"n": 7`, "You have no webhook that it could have been sent to.")
	s.do("/events/evt_gone", nil).is(http.StatusNotFound).says(
		"Unknown event", "evt_gone", "older than 31 Mar 2026, 12:01:00 UTC, when the oldest event")
	s.do("/events/evt_007", nil, "As", "merchant_43").is(http.StatusNotFound).says("no event of the merchant is kept")
}

// An event's page says of each webhook what became of it, in words and in a colour.
func TestEventVerdicts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, verdicts)
}

func verdicts(t *testing.T) {
	s := newSite(t, nil)
	register := func(path string, events ...string) string {
		reg, err := s.svc.Register(t.Context(), merchant, webhook.Registration{URL: endpoint + path, Events: events})
		require.NoError(t, err)
		return reg.Webhook.ID
	}
	register("/fails", "document.created")
	off := register("/off", "*")
	register("/other", "document.deleted")
	status := webhook.Disabled
	_, err := s.svc.Update(t.Context(), merchant, off, webhook.Update{Status: &status})
	require.NoError(t, err)
	s.happens("evt_1", map[string]any{}, "document.created")
	s.settle(failure("no"))
	time.Sleep(time.Hour)
	late := register("/late", "*")

	p := s.do("/events/evt_1", nil).is(http.StatusOK).says(
		"Failed https://example.com/hook/fails At 1 Jan 2000, 00:00:00 UTC after 1 attempt. The endpoint answered 500 Internal Server Error.",
		"Disabled https://example.com/hook/off The webhook was disabled at 1 Jan 2000, 00:00:00 UTC",
		"Not subscribed https://example.com/hook/other Since",
		"Not registered yet https://example.com/hook/late The webhook was registered later, at 1 Jan 2000, 01:00:00 UTC.",
		"Deliveries", "example.com",
	)
	for word, tone := range map[string]string{"Failed": "bad", "Disabled": "off", "Not subscribed": "off"} {
		require.Contains(t, p.body, `<span class="pill `+tone+`">`+word+`</span><a class="mono url"`)
	}
	require.Contains(t, p.body, `<time datetime="2000-01-01T01:00:00Z" data-full>`, "a script can say it locally")
	s.do(p.link("See the delivery"), nil).is(http.StatusOK).says("Attempt 1")

	s.happens("evt_2", map[string]any{}, "document.deleted")
	s.do("/events/evt_2", nil).says("Pending https://example.com/hook/late In line, due now.")
	retry := failure("")
	retry.Outcome, retry.Delay = "retry", time.Minute
	retry.Attempt.StatusCode, retry.Attempt.Code = 0, string(webhook.CodeTimeout)
	s.settle(retry)
	s.do("/events/evt_2", nil).says(
		"Waiting for the next try at 1 Jan 2000, 01:01:00 UTC. 1 attempt failed so far, the last one so: No answer in time.")
	time.Sleep(time.Minute)
	s.settle(success())
	p = s.do("/events/evt_2", nil).says("Delivered https://example.com/hook/late At 1 Jan 2000, 01:01:00 UTC, status 200, at attempt 2.")
	require.Equal(t, 2, p.rows())

	test, err := s.svc.Test(t.Context(), merchant, late)
	require.NoError(t, err)
	s.do("/events/"+url.PathEscape(test.EventID), nil).is(http.StatusOK).says("webhook.test", "Test", "In line, due now.")
}
