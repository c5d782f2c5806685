package api_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
	"github.com/rag-assistant/webhooks/webhook/internal/jcs"
)

func TestDetectOverHTTP(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{SecretKeys: []webhook.SecretKey{harness.KeyOne()}})
		defer r.Close()
		s := newSite(t, r.Store, nil)
		reg := harness.Register(t, s.svc, harness.Merchant, "document.created")
		one := hooks + "/" + reg.Webhook.ID
		r.Endpoint.Set(harness.Rewrites(t, reg.Secret, written(jcs.ASCII)))
		found := func(query string) map[string]any {
			return s.do(http.MethodPost, one+"/test"+query, "").is(http.StatusOK).object()
		}
		v := found("?detect=true")
		require.Equal(t, "rewrites", v["receiver"])
		require.Equal(t, "ascii", v["payloadEncoding"])
		require.Equal(t, false, v["set"])
		require.Equal(t, webhook.EncodingStandard, r.Webhook(reg.Webhook.ID).Encoding)
		sent, ok := v["probes"].([]any)
		require.True(t, ok)
		require.Len(t, sent, 2)
		first, ok := sent[0].(map[string]any)
		require.True(t, ok)
		require.Equal(t, "standard", first["sent"])
		require.Equal(t, false, first["accepted"])
		require.Equal(t, 403.0, first["statusCode"])

		// Three of five tests in a minute were paid for.
		s.do(http.MethodPost, one+"/test?detect=true", "").waits()
		harness.Pass(time.Minute + time.Second)
		v = found("?detect=true&set=true")
		require.Equal(t, true, v["set"])
		require.Contains(t, v["explanation"], "suits it")
		require.Equal(t, webhook.EncodingASCII, r.Webhook(reg.Webhook.ID).Encoding)
		harness.Pass(time.Minute + time.Second)
		require.Equal(t, false, found("?detect=true&set=true")["set"], "it had that encoding")
		harness.Pass(time.Minute + time.Second)

		r.Endpoint.Set(harness.Always(http.StatusOK))
		v = found("?detect=true&set=true")
		require.Equal(t, "open", v["receiver"])
		require.NotContains(t, v, "payloadEncoding")
		require.Equal(t, webhook.EncodingASCII, r.Webhook(reg.Webhook.ID).Encoding)

		require.Equal(t, []string{"set"}, s.do(http.MethodPost, one+"/test?set=true", "").faults())
		s.do(http.MethodPost, hooks+"/whk_unknown/test?detect=true", "").is(http.StatusNotFound)
	})
}

// A limit below what a detection takes does not forbid it.
func TestDetectWithFewTests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{SecretKeys: []webhook.SecretKey{harness.KeyOne()}})
		defer r.Close()
		s := newSite(t, r.Store, &api.Options{TestsPerMinute: 1})
		one := hooks + "/" + s.hook(harness.Merchant)
		require.Equal(t, "open", s.do(http.MethodPost, one+"/test?detect=true", "").is(http.StatusOK).object()["receiver"])
		s.do(http.MethodPost, one+"/test?detect=true", "").waits()
	})
}

// written writes a body again, in an encoding.
func written(as jcs.Encoding) func([]byte) ([]byte, error) {
	return func(body []byte) ([]byte, error) {
		parsed, err := jcs.Canonicalize(body)
		return jcs.Encode(parsed, as), err
	}
}
