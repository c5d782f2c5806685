package portal_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
)

// Webhooks with problems come first, and what was disabled by failures is not like what its
// owner has disabled.
func TestProblemsComeFirst(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	hooks := map[string]string{}
	for _, name := range []string{"off", "well", "failing", "dead", "gone"} {
		reg, err := s.svc.Register(t.Context(), merchant, webhook.Registration{URL: endpoint + "/" + name, Events: []string{"document.created"}})
		require.NoError(t, err)
		hooks[name] = reg.Webhook.ID
		result := success()
		switch name {
		case "failing":
			result = failure("no")
			result.Outcome, result.Delay, result.Streak = store.Retry, time.Hour, store.StreakTry
		case "dead", "gone":
			result = failure("no")
			result.Streak, result.DisableAfter = store.StreakExtend, 1
			result.DisableReason = string(map[string]webhook.Reason{"dead": webhook.ReasonFailures, "gone": webhook.ReasonGone}[name])
		}
		_, err = s.svc.Test(t.Context(), merchant, reg.Webhook.ID) // To have one each to settle.
		require.NoError(t, err)
		s.settle(result)
	}
	status := webhook.Disabled
	_, err := s.svc.Update(t.Context(), merchant, hooks["off"], webhook.Update{Status: &status})
	require.NoError(t, err)
	p := s.do("/", nil).is(http.StatusOK)
	last := -1
	for _, name := range []string{"dead", "gone", "failing", "well", "off"} {
		at := strings.Index(p.text, endpoint+"/"+name)
		require.Greater(t, at, last, name)
		last = at
	}
	require.Contains(t, p.body, `<span class="pill bad">Disabled by failures</span>`)
	require.Contains(t, p.body, `<span class="pill bad">Disabled: 410 Gone</span>`)
	require.Contains(t, p.body, `<span class="pill off">Disabled</span>`)
	require.Contains(t, p.body, `<span class="pill wait">Failing</span>`, "at the first try that fails")
	p.says("failing: began just now", "disabled just now")
}

func TestChanges(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	hook := s.hook()
	id := hookID(hook)
	ctx := webhook.WithActor(t.Context(), "ada@example.com")
	url, encoding := endpoint+"/2", webhook.EncodingASCII
	_, err := s.svc.Update(ctx, merchant, id, webhook.Update{URL: &url, Events: []string{"*"}, Encoding: &encoding})
	require.NoError(t, err)
	_, err = s.svc.Rotate(ctx, merchant, id, time.Hour)
	require.NoError(t, err)
	s.do(hook, nil).says("Changed just now by ada@example.com", "All changes")
	dead := failure("no")
	dead.Streak, dead.DisableAfter, dead.DisableReason = store.StreakExtend, 1, string(webhook.ReasonFailures)
	s.delivered(hook, dead)
	active := webhook.Active
	_, err = s.svc.Update(webhook.WithActor(t.Context(), webhook.ActorProbe), merchant, id, webhook.Update{Status: &active})
	require.NoError(t, err)

	p := s.do(hook+"/changes", nil).is(http.StatusOK)
	last := -1
	for _, text := range []string{
		"Enabled", "by a probe of ours", "Disabled after too many failures in a row", "by failures", "Secret or key rotated", "by ada@example.com",
		"Payload encoding changed", "Endpoint URL: https://example.com/hook/2", "Events: all", "by ada@example.com",
		"Created", "Endpoint URL: https://example.com/hook", "Events: document.created", "by somebody whose name was not recorded",
	} {
		at := strings.Index(p.text[last+1:], text)
		require.GreaterOrEqual(t, at, 0, "%s after %d: %s", text, last, p.text)
		last += 1 + at
	}
}

// A chart is for those who see, and the same in figures is for all.
func TestPerformance(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		hook := s.hook()
		s.do(hook+"/performance", nil).is(http.StatusOK).says("Nothing sent yet")
		for i := range 50 {
			s.happens("evt_"+time.Now().Format("150405"), map[string]any{}, "document.created")
			time.Sleep(time.Duration(i+1) * 100 * time.Millisecond)
			result := success()
			if i%10 == 0 {
				result = failure("no")
			}
			s.settle(result)
			time.Sleep(time.Second)
		}
		p := s.do(hook+"/performance", nil).is(http.StatusOK).says(
			"90% of the last 50 deliveries succeeded", "Half of those that arrived took up to 2.6 s, 95 of 100 up to 4.8 s",
			"10 s1 s100 ms", "1 1 0 200 ms 200 ms", "2 0 0 4.9 s 5.0 s")
		require.Equal(t, 25, strings.Count(p.body, `class="l-median"`))
		require.Equal(t, 5, strings.Count(p.body, `class="b-bad"`))
		require.Equal(t, 2, strings.Count(p.body, `role="img" aria-label="`))
	})
}
