package portal_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"path"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/portal"
)

func TestDisableAndEnable(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	hook := s.hook()
	require.Equal(t, hook+"?done=disabled", s.do(hook+"/status", values("status", "disabled")).to())
	s.do(hook+"?done=disabled", nil).says("The webhook is disabled.", "This webhook is disabled.", "Enable")
	require.Equal(t, webhook.Disabled, s.webhook(hook).Status)
	s.do("/?show=active", nil).says("No active webhooks")
	require.Equal(t, hook+"?done=enabled", s.do(hook+"/status", values("status", "active")).to())
	s.do(hook+"?done=enabled", nil).says("active again")
	require.Equal(t, webhook.Active, s.webhook(hook).Status)
	s.do(hook+"?done=<script>", nil).is(http.StatusOK)
}

func TestDisabledByFailures(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	hook := s.hook()
	result := failure("no")
	result.Streak, result.DisableAfter, result.DisableReason = store.StreakExtend, 4, string(webhook.ReasonFailures)
	for range 3 {
		s.delivered(hook, result)
	}
	s.do(hook, nil).says("Failing", "Your endpoint is failing. It began just now. No try has succeeded yet. 3 failures in a row so far")
	s.delivered(hook, result)
	s.do(hook, nil).says("We disabled this webhook after 4 failures in a row", "Disabled by failures", "Enable", "0%")
}

// Without a script, the answer to a test comes with its outcome, if there is one.
func TestTestWithoutAScript(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	hook := s.hook()
	to := s.do(hook+"/test", values("a", "b")).to()
	d := s.youngest(hook)
	require.Equal(t, hook+"/deliveries/"+d.ID+"?done=tested", to)
	require.True(t, d.Test)
	s.do(to, nil).is(http.StatusOK).says("A test event was sent.", "On its way.", "webhook.test")
	s.settle(failure("what is this"))
	p := s.do(to, nil).says("The endpoint answered 500", "what is this", "1.5 s")
	require.NotContains(t, p.text, "Send again", "a test is sent once")

	s.do(hook, nil).says("document.created") // to choose from
	s.do(hook+"/test", values("type", "document.created")).to()
	d = s.youngest(hook)
	require.True(t, d.Test)
	require.Equal(t, "document.created", d.EventType)
	s.do(hook+"/test", values("type", "no.such")).is(http.StatusUnprocessableEntity)
}

func TestTestWithAScript(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	hook := s.hook()
	p := s.do(hook+"/test", values("a", "b"), "HX-Request", "true", "HX-Request-Type", "partial").is(http.StatusOK).says("Waiting for the answer")
	require.NotContains(t, p.body, "<html", "a part of a page")
	d := s.youngest(hook)
	// From the page of the webhook, on which it is shown.
	require.Contains(t, p.body, `data-hx-get="..`+hook+`/deliveries/`+d.ID+`/outcome"`)
	outcome := hook + "/deliveries/" + d.ID + "/outcome"
	s.do(outcome, nil, "HX-Request", "true").says("Waiting for the answer")
	s.settle(success())
	p = s.do(outcome, nil, "HX-Request", "true").says("Your endpoint answered 200 in 34 ms.")
	require.NotContains(t, p.body, "/outcome", "it has ended")
	require.Contains(t, p.body, `data-hx-get="..`+hook+`" data-hx-trigger="load" data-hx-select="#recent"`, "the list of deliveries has it, too")
	require.Empty(t, p.header.Get("HX-Refresh"))
	require.Equal(t, "true", s.do(outcome+"?reload", nil).header.Get("HX-Refresh"))
}

// A page that has seen nothing is loaded again after the first attempt, which may have
// failed while the delivery goes on.
func TestReloadAfterTheFirstAttempt(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	hook := s.hook()
	_, err := s.svc.Publish(t.Context(), merchant, event.New(event.DocumentCreated{DocumentID: "doc_1"}))
	require.NoError(t, err)
	outcome := hook + "/deliveries/" + s.youngest(hook).ID + "/outcome?reload"
	require.Empty(t, s.do(outcome, nil).header.Get("HX-Refresh"))
	again := failure("not yet")
	again.Outcome, again.Delay = store.Retry, time.Minute
	s.settle(again)
	require.Equal(t, "true", s.do(outcome, nil).header.Get("HX-Refresh"))
}

func TestNoAnswerForLong(t *testing.T) {
	t.Parallel()
	st := memstore.New(&memstore.Options{Now: func() time.Time { return time.Now().Add(-2 * time.Minute) }})
	s := newSiteOn(t, st, nil, nil)
	hook := s.hook()
	s.do(hook+"/test", values("a", "b"))
	d := s.youngest(hook)
	p := s.do(hook+"/deliveries/"+d.ID+"/outcome", nil).says("No answer yet.")
	require.NotContains(t, p.body, "/outcome", "it does not ask for ever")
	s.do(hook+"/deliveries/"+d.ID, nil).says("It waits to be sent.")
}

func TestTestsAreBounded(t *testing.T) {
	t.Parallel()
	s := newSite(t, &portal.Options{TestsPerMinute: 2, TestWait: time.Millisecond})
	hook := s.hook()
	for range 2 {
		s.do(hook+"/test", values("a", "b")).to()
	}
	p := s.do(hook+"/test", values("a", "b")).is(http.StatusTooManyRequests).says("Too many at once", "Try again in")
	require.NotEmpty(t, p.header.Get("Retry-After"))
	part := s.do(hook+"/test", values("a", "b"), "HX-Request", "true").is(http.StatusTooManyRequests).says("Too many at once")
	require.NotContains(t, part.body, "<html")
}

func TestRedeliveriesAreBounded(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	hook := s.hook()
	one := hook + "/deliveries/" + s.delivered(hook, failure("no"))
	again := func() page {
		return s.do(one+"/redeliver", values("token", s.do(one, nil).field("token")))
	}
	for i := range webhook.RedeliveriesPerMinute {
		to := again().to()
		if i%2 == 0 { // What is pending is brought forward, which counts as well.
			s.settle(failure("no"))
		}
		one, _, _ = strings.Cut(to, "?")
	}
	require.NotEmpty(t, again().is(http.StatusTooManyRequests).says("Too many at once").header.Get("Retry-After"))
}

// Clients that ask and do not read are bounded, for each merchant by himself.
func TestReadersAreBounded(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	as := func(who string) *http.Request {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, mount+"/", nil)
		r.Header.Set("As", who)
		return r
	}
	harness.RequireReaders(t, s.mux, func() *http.Request { return as(merchant) }, as("merchant_43"))
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	var asked []webhook.RateLimitRequest
	wait, fault := time.Duration(0), error(nil)
	s := newSite(t, &portal.Options{RateLimit: func(_ context.Context, r webhook.RateLimitRequest) (time.Duration, error) {
		asked = append(asked, r)
		return wait, fault
	}})
	hook := s.hook()
	s.do(hook, nil).is(http.StatusOK)
	require.Len(t, asked, 1, "a page reads what may be much")
	require.Equal(t, "GET webhooks/{webhookId}", asked[0].Route)
	wait, asked = 90*time.Second, nil
	s.do(hook, nil).is(http.StatusTooManyRequests).says("90 seconds")
	require.Len(t, asked, 1)
	asked = nil
	p := s.do(hook+"/rotate", values("grace", "0", "token", "form_1")).is(http.StatusTooManyRequests).says("90 seconds")
	require.Equal(t, "90", p.header.Get("Retry-After"))
	require.Equal(t, []webhook.RateLimitRequest{{
		Principal: webhook.Principal{MerchantID: merchant}, MerchantID: merchant, WebhookID: hookID(hook),
		Route: "POST webhooks/{webhookId}/rotate",
	}}, asked)
	wait, fault = 0, errors.New("a limiter at 10.0.0.1 is down")
	p = s.do(hook+"/rotate", values("grace", "0", "token", "form_1")).is(http.StatusInternalServerError)
	require.NotContains(t, p.text, "10.0.0.1")
}

func TestRedeliver(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	hook := s.hook()
	first := hook + "/deliveries/" + s.delivered(hook, failure("no"))
	form := values("token", s.do(first, nil).is(http.StatusOK).says("Send again").field("token"))
	to := s.do(first+"/redeliver", form).to()
	require.Contains(t, to, "?done=redelivered")
	require.NotContains(t, to, first)
	s.do(to, nil).is(http.StatusOK).says("The event is being sent again", "On its way.")
	again := s.do(first+"/redeliver", form).to()
	require.Equal(t, strings.Replace(to, "redelivered", "again", 1), again, "the same delivery")
	s.do(again, nil).says("Nothing was done a second time")
	stats, err := s.svc.Stats(t.Context(), merchant, hookID(hook))
	require.NoError(t, err)
	require.EqualValues(t, 2, stats.Total)

	// What is pending is brought forward.
	second, _, _ := strings.Cut(to, "?")
	form = values("token", s.do(second, nil).says("Try now").field("token"))
	s.do(s.do(second+"/redeliver", form).to(), nil).says("The delivery is brought forward")
	stats, err = s.svc.Stats(t.Context(), merchant, hookID(hook))
	require.NoError(t, err)
	require.EqualValues(t, 2, stats.Total)

	// Of a disabled webhook, it waits.
	s.do(hook+"/status", values("status", "disabled"))
	s.do(to, nil).says("It waits until the webhook is enabled.")
}

func TestCancel(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	hook := s.hook()
	require.NotContains(t, s.do(hook, nil).text, "Give up", "nothing is pending")
	s.do(hook+"/cancel", nil).says("Nothing is pending.")
	for range 3 {
		_, err := s.svc.Publish(t.Context(), merchant, event.New(event.DocumentCreated{DocumentID: "doc_1"}))
		require.NoError(t, err)
	}
	one := hook + "/deliveries/" + s.youngest(hook).ID
	s.do(one, nil).says("Cancel")
	to := s.do(one+"/cancel", values("a", "b")).to()
	require.Equal(t, one+"?done=cancelled", to)
	p := s.do(to, nil).says("The delivery is cancelled.", "The delivery was cancelled.", "Send again")
	require.NotContains(t, p.body, one+"/cancel", "it has ended")
	s.do(hook, nil).says("Give up what is pending.")
	s.do(hook+"/cancel", nil).says("2 deliveries will not be tried again", "Cancel 2 deliveries")
	to = s.do(hook+"/cancel", values("a", "b")).to()
	s.do(to, nil).says("2 deliveries will not be sent any more.")
}

func TestReplay(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	hook := s.hook()
	s.do(hook+"/status", values("status", "disabled"))
	_, err := s.svc.Publish(t.Context(), merchant, event.New(event.DocumentCreated{DocumentID: "doc_1"}))
	require.NoError(t, err)
	s.do(hook+"/status", values("status", "active"))
	s.delivered(hook, failure("no"))

	s.do(hook+"/replay", nil).is(http.StatusOK).says("Failed and missed", "2 events would be sent.", "Replay Count again")
	s.do(hook+"/replay", values("which", "missed", "count", "1")).is(http.StatusOK).says("would be sent")
	p := s.do(hook+"/replay", values("which", "failed", "since", "yesterday", "until", "2026-01-01T10:00")).is(http.StatusUnprocessableEntity).
		says("Write a date and a time")
	require.Contains(t, p.body, `value="failed" checked`)
	s.do(hook+"/replay", values("which", "both", "since", "2026-01-01T10:00", "until", "2026-01-01T09:00")).is(http.StatusUnprocessableEntity).
		says("The end has to be after the start.")
	s.do(hook+"/replay", values("which", "both", "until", "2026-01-01T09:00", "count", "1")).is(http.StatusOK).says("Nothing would be sent")

	// The form opens with the time since the endpoint was well.
	quiet := s.hook()
	p = s.do(quiet+"/replay", nil).says("Nothing would be sent.", "Count again Cancel")
	since := func(p page) time.Time {
		m := regexp.MustCompile(`name="since"[^>]* value="([^"]*)"`).FindStringSubmatch(p.body)
		require.NotNil(t, m, p.body)
		at, err := time.Parse("2006-01-02T15:04", m[1])
		require.NoError(t, err)
		return at
	}
	require.WithinDuration(t, time.Now().Add(-24*time.Hour), since(p), 2*time.Minute)
	s.do(quiet+"/status", values("status", "disabled"))
	require.WithinDuration(t, time.Now(), since(s.do(quiet+"/replay", nil)), 2*time.Minute)

	to := s.do(hook+"/replay", values("which", "missed")).to()
	running := s.do(to, nil).is(http.StatusOK).says("Running.").says("Missed events until").says("Sent again 0 events")
	require.Contains(t, running.body, `data-hx-trigger="every 2s"`)
	again := s.do(hook+"/replay", values("which", "failed")).to()
	require.Equal(t, to+"?done=replaying", again)
	s.do(again, nil).says("A replay of this webhook was running already.")
	harness.FinishReplay(t, s.svc, s.store, hookID(hook), path.Base(to))
	done := s.do(to, nil).says("Done.").says("Sent again 1 event").says("Looked at 2 events")
	require.NotContains(t, done.body, "data-hx-trigger")
	s.do(hook+"/replay", nil).says("Done").says("Missed, 1 event")

	to = s.do(hook+"/replay", values("which", "both")).to()
	require.Equal(t, to, s.do(to+"/stop", values()).to())
	s.do(to, nil).says("Stopped.")
	to = s.do(hook+"/replay", values("which", "missed")).to()
	harness.FinishReplay(t, s.svc, s.store, hookID(hook), path.Base(to))
	s.do(to, nil).says("There was nothing to send again in this range.")
}

// failing fails each read of a webhook.
type failing struct {
	webhook.ServiceStore

	err error
}

// Volatile is that of the store within.
func (f failing) Volatile() bool { return true }

func (f failing) Webhook(context.Context, string, string) (store.Webhook, error) {
	if f.err == nil {
		panic("no")
	}
	return store.Webhook{}, f.err
}

func TestFaultsOfTheStore(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		status int
	}{
		"away":   {store.ErrUnavailable, http.StatusServiceUnavailable},
		"broken": {errors.New("bad bytes at 10.0.0.1"), http.StatusInternalServerError},
		"panic":  {nil, http.StatusInternalServerError},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSiteOn(t, memstore.New(nil), func(st webhook.ServiceStore) webhook.ServiceStore { return failing{st, c.err} }, nil)
			for _, path := range views("/webhooks/whk_1", "whdel_1", "rpl_1") {
				if strings.HasSuffix(path, "deliveries/whdel_1/outcome") {
					continue // It reads no webhook.
				}
				p := s.do(path, nil).is(c.status)
				require.NotContains(t, p.text, "10.0.0.1")
				if c.err != nil {
					require.Regexp(t, `Reference req_[0-9a-f]+`, p.text)
				}
			}
			require.Contains(t, s.log.String(), "level=ERROR")
			if c.err != nil {
				require.Contains(t, s.log.String(), c.err.Error(), "the log says what the page does not")
			}
		})
	}
}
