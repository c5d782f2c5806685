package portal_test

import (
	"context"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/portal"
)

// The page of a delivery says where each attempt went and with what, and has a command that
// sends the same.
func TestExchangeIsShown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil)
		reg, err := s.svc.Register(t.Context(), merchant, webhook.Registration{
			URL: endpoint + "?a=[1]&b='", Events: []string{"*"}, Encoding: webhook.EncodingASCII, Headers: webhook.Headers{"X-Tenant": "eu-1"},
		})
		require.NoError(t, err)
		s.happens("evt_1", map[string]any{"name": "Zoë's"}, "document.created")
		receiver := &harness.Endpoint{Answer: harness.Always(http.StatusOK, "X-Request-Id", "r1")}
		disp, err := webhook.NewDispatcher(s.store, &webhook.DispatcherOptions{Transport: receiver})
		require.NoError(t, err)
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		require.NoError(t, disp.Run(ctx))
		call := receiver.Seen()[0]

		hook := "/webhooks/" + reg.Webhook.ID
		p := s.do(hook+"/deliveries/"+s.youngest(hook).ID, nil).is(http.StatusOK).says(
			"Sent to https://example.com/hook?a=[1]&b='", "X-Tenant hidden: we do not keep this value", "X-Request-Id r1",
			"X-Webhook-Signature "+call.Header.Get("X-Webhook-Signature"), `-H 'X-Tenant: HIDDEN'`,
			`--data-binary '`+strings.ReplaceAll(call.Body, "'", `'\''`)+`'`, `\u00eb`, "after five minutes",
		)
		require.NotContains(t, p.text, "eu-1")
		require.NotContains(t, p.text, "was changed since")
		s.do(p.link("evt_1"), nil).is(http.StatusOK).says("Delivered")

		again := s.do(hook+"/deliveries/"+s.youngest(hook).ID+"/redeliver", values("token", p.field("token"))).to()
		s.do(again, nil).says("Sent before or again Delivered 1 Jan 2000, 00:00:00 UTC")
		_, err = s.svc.Update(t.Context(), merchant, reg.Webhook.ID, webhook.Update{Events: []string{"document.created"}})
		require.NoError(t, err)
		s.do(strings.TrimPrefix(p.at, mount), nil).says("The webhook was changed since")
	})
}

// What curl is told has to be what was sent, whatever is in it.
func TestCurlCommands(t *testing.T) {
	t.Parallel()
	e := &webhook.Exchange{URL: "https://example.com/{a}?x=$(id)'`", Request: []webhook.HeaderField{
		{Name: "A", Value: `"\'$HOME;|&`}, {Name: "B"}, {Name: "C", Hidden: true},
	}}
	body := `{"a":"it's $(id) \\u00e9"}`
	command := portal.Curl(e, []byte(body))
	out, err := exec.CommandContext(t.Context(), "sh", "-c", `curl() { printf '%s\n' "$@"; }; `+command).Output()
	require.NoError(t, err)
	require.Equal(t, []string{
		"-i", "--globoff", e.URL, "-H", `A: "\'$HOME;|&`, "-H", "B;", "-H", "C: HIDDEN", "--data-binary", body,
	}, strings.Split(strings.TrimSuffix(string(out), "\n"), "\n"))
	require.Contains(t, portal.Curl(e, make([]byte, 64<<10)), "@body.json")
}
