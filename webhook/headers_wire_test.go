package webhook_test

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// dumped keeps requests as HTTP/1.1 writes them.
type dumped struct{ bytes.Buffer }

func (w *dumped) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Write(w); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Body: io.NopCloser(strings.NewReader("OK"))}, nil
}

// TestRequestIsTheGolden compares every byte of a request, but for the two ids that are
// drawn at random, with one of the time when nothing of it could be chosen.
func TestRequestIsTheGolden(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out dumped
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{Transport: &out})
		defer r.Close()
		secret, err := signer.ParseSecret("whsec_xyz789abc123def456ghi789jkl012mno345")
		require.NoError(t, err)
		in := harness.Registration()
		in.Secret, in.Headers = secret, webhook.Headers{"Authorization": "Bearer theirs"}
		reg, err := r.Svc.Register(t.Context(), harness.Merchant, in)
		require.NoError(t, err)
		p, err := r.Svc.Publish(t.Context(), harness.Merchant, event.Event{
			ID: "evt_1", Type: event.TypeDocumentCreated, Created: time.Now(), Data: event.DocumentCreated{DocumentID: "doc_1", Title: "Café <b>"},
		})
		require.NoError(t, err)
		synctest.Wait()
		want, err := os.ReadFile("testdata/request.golden")
		require.NoError(t, err)
		got := strings.NewReplacer(reg.Webhook.ID, "WEBHOOK", p.Deliveries[0].ID, "DELIVERY", "\r\n", "\n").Replace(out.String())
		require.Equal(t, string(want), got+"\n")
	})
}
