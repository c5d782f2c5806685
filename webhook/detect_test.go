package webhook_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/internal/jcs"
	"github.com/rag-assistant/webhooks/webhook/internal/webui"
)

func TestDetect(t *testing.T) {
	t.Parallel()
	type receiver = func(t *testing.T, secret signer.Secret) func(harness.Call) (harness.Answer, error)
	rewriting := func(as jcs.Encoding) receiver {
		return func(t *testing.T, secret signer.Secret) func(harness.Call) (harness.Answer, error) {
			t.Helper()
			return harness.Rewrites(t, secret, written(as))
		}
	}
	plainly := func(f func(harness.Call) (harness.Answer, error)) receiver {
		return func(*testing.T, signer.Secret) func(harness.Call) (harness.Answer, error) { return f }
	}
	for name, c := range map[string]struct {
		receiver receiver
		finding  webhook.ReceiverKind
		encoding webhook.Encoding
		sent     string
		says     string
	}{
		"raw bytes": {harness.Knows, webhook.FoundRaw, webhook.EncodingStandard, "standard+ escaped+ forged-", "the right way"},
		"JavaScript": {
			rewriting(jcs.Standard), webhook.FoundRewrites, webhook.EncodingStandard, "standard+ escaped-", "JSON.stringify",
		},
		"Python": {rewriting(jcs.ASCII), webhook.FoundRewrites, webhook.EncodingASCII, "standard- ascii+", "json.dumps"},
		"Go":     {rewriting(jcs.HTML), webhook.FoundRewrites, webhook.EncodingHTML, "standard- ascii- html+", "json.Marshal"},
		"no verification": {
			plainly(harness.Always(http.StatusOK)), webhook.FoundOpen, "", "standard+ escaped+ forged+", "Anyone who knows its URL",
		},
		"no mercy": {
			plainly(harness.Always(http.StatusBadRequest)), webhook.FoundNone, "", "standard- ascii- html-",
			"(400 to standard, 400 to ascii, 400 to html)",
		},
		"redirect": {
			plainly(harness.Always(http.StatusFound, "Location", "https://example.com/")), webhook.FoundNothing, "", "standard-", "redirects to",
		},
		"too many":        {inTurn(200, 200, 429), webhook.FoundNothing, "", "standard+ escaped+ forged-", "answered 429"},
		"away":            {inTurn(200, 503), webhook.FoundNothing, "", "standard+ escaped-", "answered 503"},
		"not up at first": {inTurn(503, 200), webhook.FoundNothing, "", "standard-", "answered 503"},
		"nobody there": {
			plainly(func(harness.Call) (harness.Answer, error) {
				return harness.Answer{}, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
			}),
			webhook.FoundNothing, "", "standard-", "nobody listens there",
		},
		"no answer": {plainly(harness.Hang), webhook.FoundNothing, "", "standard-", "ended with timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := harness.NewRig(t, nil, nil)
				defer r.Close()
				reg := r.Register(event.TypeDocumentCreated)
				r.Endpoint.Set(c.receiver(t, reg.Secret))
				d, err := r.Svc.Detect(t.Context(), harness.Merchant, reg.Webhook.ID)
				require.NoError(t, err)
				require.Equal(t, c.finding, d.Receiver)
				require.Equal(t, c.encoding, d.Encoding)
				require.Equal(t, c.sent, probes(d))
				require.Contains(t, webui.Explain(d, reg.Webhook).String(), c.says)
				require.Equal(t, len(d.Probes), r.Endpoint.Count(), "each probe is sent once")
				w := r.Webhook(reg.Webhook.ID)
				require.Equal(t, reg.Webhook, w, "nothing has changed, the count of failures included")
			})
		})
	}
}

// inTurn answers with one status after the other.
func inTurn(statuses ...int) func(*testing.T, signer.Secret) func(harness.Call) (harness.Answer, error) {
	return func(t *testing.T, _ signer.Secret) func(harness.Call) (harness.Answer, error) {
		t.Helper()
		var asked atomic.Int64
		return func(harness.Call) (harness.Answer, error) { return harness.Reply(statuses[asked.Add(1)-1], ""), nil }
	}
}

// probes is what was sent and whether it was accepted.
func probes(d webhook.Detection) string {
	out := make([]string, len(d.Probes))
	for i, p := range d.Probes {
		out[i] = string(p.Sent) + map[bool]string{true: "+", false: "-"}[p.Accepted()]
	}
	return strings.Join(out, " ")
}

// What it says about the encoding depends on the one that is set.
func TestDetectionKnowsWhatIsSet(t *testing.T) {
	t.Parallel()
	d := webhook.Detection{Receiver: webhook.FoundRewrites, Encoding: webhook.EncodingASCII}
	require.Contains(t, webui.Explain(d, webhook.Webhook{Encoding: webhook.EncodingASCII}).String(), "suits it")
	require.Contains(t, webui.Explain(webhook.Detection{Receiver: webhook.FoundNothing}, webhook.Webhook{}).String(), "none was sent")
	require.Contains(t, webui.Explain(d, webhook.Webhook{Encoding: webhook.EncodingHTML}).String(), "Set this webhook's payloadEncoding to ascii")
}

// The encoding that is set makes no difference to what is found.
func TestDetectWhateverIsSet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, nil)
		defer r.Close()
		reg := r.Register(event.TypeDocumentCreated)
		r.Endpoint.Set(harness.Rewrites(t, reg.Secret, written(jcs.ASCII)))
		for _, set := range []webhook.Encoding{webhook.EncodingASCII, webhook.EncodingHTML} {
			_, err := r.Svc.Update(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.Update{Encoding: &set})
			require.NoError(t, err)
			d, err := r.Svc.Detect(t.Context(), harness.Merchant, reg.Webhook.ID)
			require.NoError(t, err)
			require.Equal(t, webhook.EncodingASCII, d.Encoding)
		}
	})
}

// A forged probe is sent once, also where the right signature would be tried with
// the old secret too.
func TestForgedProbeDuringARotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, nil)
		defer r.Close()
		reg := r.Register(event.TypeDocumentCreated)
		_, err := r.Svc.Rotate(t.Context(), harness.Merchant, reg.Webhook.ID, time.Hour)
		require.NoError(t, err)
		r.Endpoint.Set(harness.Knows(t, reg.Secret))
		d, err := r.Svc.Detect(t.Context(), harness.Merchant, reg.Webhook.ID)
		require.NoError(t, err)
		require.Equal(t, webhook.FoundRaw, d.Receiver)
		require.Equal(t, 2+2+1, r.Endpoint.Count(), "the old secret is tried second, but not for a forgery")
	})
}

func TestDetectEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, nil)
		r.Close() // Nobody sends.
		reg := r.Register(event.TypeDocumentCreated)
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
		defer cancel()
		began := time.Now()
		d, err := r.Svc.Detect(ctx, harness.Merchant, reg.Webhook.ID)
		require.NoError(t, err)
		require.Equal(t, webhook.FoundNothing, d.Receiver)
		require.Len(t, d.Probes, 1)
		require.Equal(t, 15*time.Second, time.Since(began))
		require.Contains(t, webui.Explain(d, reg.Webhook).String(), "no outcome in time")
	})
}

// written writes a body again, in an encoding.
func written(as jcs.Encoding) func([]byte) ([]byte, error) {
	return func(body []byte) ([]byte, error) {
		parsed, err := jcs.Canonicalize(body)
		return jcs.Encode(parsed, as), err
	}
}
