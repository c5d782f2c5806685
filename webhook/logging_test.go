package webhook_test

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// textLogger writes every line, without its time.
func textLogger(to io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}

// anonymous replaces ids by their kind.
func anonymous(text string) []string {
	text = regexp.MustCompile(`(whk|whdel|evt)_[\w-]+`).ReplaceAllString(text, "$1")
	return strings.Split(strings.TrimSpace(text), "\n")
}

const ids = "merchant_id=merchant_42 webhook_id=whk delivery_id=whdel event_id=evt event_type=document.created"

func TestLogHasALineForEachAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logs strings.Builder
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{
			Logger: textLogger(&logs), DisableAfter: 1, Retry: retry.Policy{MaxAttempts: 2}, AttemptTimeout: time.Second,
		})
		reg := r.Register(event.TypeDocumentCreated)
		lines := func() []string {
			harness.Pass(2 * time.Minute)
			defer logs.Reset()
			return anonymous(logs.String())
		}
		r.Publish()
		require.Equal(t, []string{`level=DEBUG msg="webhook attempt" outcome=success ` + ids + ` attempt=1 status_code=200`}, lines())

		r.Endpoint.Set(harness.Hang)
		r.Publish()
		require.Equal(t, []string{
			`level=INFO msg="webhook attempt" outcome=retry ` + ids + ` attempt=1 code=timeout took=1s retry_in=1m0s`,
			`level=WARN msg="webhook attempt" outcome=failed ` + ids + ` attempt=2 code=timeout took=1s`,
			`level=WARN msg="webhook disabled by its failures" merchant_id=merchant_42 webhook_id=whk`,
		}, lines())

		r.Endpoint.Set(harness.Always(http.StatusGone))
		_, err := r.Svc.Test(t.Context(), harness.Merchant, reg.Webhook.ID)
		require.NoError(t, err)
		require.Equal(t, []string{
			`level=WARN msg="webhook attempt" outcome=failed merchant_id=merchant_42 webhook_id=whk delivery_id=whdel event_id=evt ` +
				`event_type=webhook.test attempt=1 test=true status_code=410 code=status`,
		}, lines())
		r.Close()
	})
}

func TestLogHasALineForEachPublication(t *testing.T) {
	t.Parallel()
	var logs strings.Builder
	svc, err := webhook.NewService(memstore.New(nil), &webhook.ServiceOptions{Logger: textLogger(&logs), Limits: webhook.Limits{Pending: 1}})
	require.NoError(t, err)
	harness.Register(t, svc, harness.Merchant, "document.created")
	e := event.New(event.DocumentCreated{DocumentID: "doc_1"})
	e.ID = "evt_1"
	_, err = svc.PublishBatch(t.Context(), harness.Merchant, []event.Event{e, e, event.New(event.DocumentDeleted{DocumentID: "doc_1"}), event.New(event.DocumentCreated{DocumentID: "doc_2"})})
	require.NoError(t, err)
	const line = `level=DEBUG msg="webhook event published" merchant_id=merchant_42 event_id=evt event_type=`
	require.Equal(t, []string{
		line + "document.created deliveries=1 missed=0 duplicate=false",
		line + "document.created deliveries=1 missed=0 duplicate=true",
		line + "document.deleted deliveries=0 missed=0 duplicate=false",
		line + "document.created deliveries=0 missed=1 duplicate=false",
	}, anonymous(logs.String()))
}

func TestLogHasALineForAReplay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logs strings.Builder
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{Logger: textLogger(&logs)})
		reg := r.Register(event.TypeDocumentCreated)
		j, err := r.Svc.Replay(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.Replay{})
		require.NoError(t, err)
		harness.Pass(time.Minute)
		require.Equal(t, []string{`level=INFO msg="webhook replay ended" merchant_id=merchant_42 webhook_id=whk replay=` + j.ID + ` status=done deliveries=0 left_out=0`},
			anonymous(logs.String()))
		r.Close()
	})
}

func TestLogNamesWhatThisSideCouldNotDo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := memstore.New(nil)
		var logs strings.Builder
		r := harness.NewRig(t, st, &webhook.DispatcherOptions{
			Logger:     textLogger(&logs),
			SecretKeys: []webhook.SecretKey{{ID: "other", Key: [32]byte{1}}},
		})
		var err error
		r.Svc, err = webhook.NewService(st, &webhook.ServiceOptions{SecretKeys: []webhook.SecretKey{{ID: "k1", Key: [32]byte{2}}}})
		require.NoError(t, err)
		r.Register(event.TypeDocumentCreated)
		r.Publish()
		harness.Pass(time.Second)
		lines := anonymous(logs.String())
		require.Len(t, lines, 2)
		require.Regexp(t, `^level=ERROR msg="webhook secret or headers cannot be opened; give .+" `+ids+` in=attempt error=.+$`, lines[0])
		require.Equal(t, `level=DEBUG msg="webhook attempt" outcome=released `+ids+` attempt=1 code=secret_lost retry_in=1m0s`, lines[1])
		r.Close()
	})
}

// What is behind a code helps an operator, and is not for the owner of the endpoint.
func TestCausesAreForOperators(t *testing.T) {
	t.Parallel()
	inside := netip.MustParseAddrPort("10.1.2.3:443")
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: net.TCPAddrFromAddrPort(inside), Err: syscall.ECONNREFUSED}
	for name, tt := range map[string]struct {
		fault error
		code  webhook.Code
		cause string
	}{
		"connect": {refused, webhook.CodeConnect, "dial tcp 10.1.2.3:443: connection refused"},
		"tls": {
			x509.UnknownAuthorityError{}, webhook.CodeTLS, "x509: certificate signed by unknown authority",
		},
		"a URL with a secret": {
			&url.Error{Op: "Post", URL: "https://10.1.2.3/?token=s3cret", Err: refused},
			webhook.CodeConnect, "dial tcp 10.1.2.3:443: connection refused",
		},
		"more than a line": {
			&net.OpError{Op: "remote error", Err: errors.New("tls: a\nb" + strings.Repeat("c", 1000))},
			webhook.CodeTLS, "remote error: tls: a b" + strings.Repeat("c", 278) + "…",
		},
		"what the endpoint sent": {errors.New(`malformed HTTP response "s3cret 10.1.2.3"`), webhook.CodeBadResponse, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var logs strings.Builder
				var seen []webhook.AttemptInfo
				r := harness.NewRig(t, nil, &webhook.DispatcherOptions{
					Logger: textLogger(&logs), Retry: retry.Policy{MaxAttempts: 1},
					Observer: webhook.Observer{Attempted: func(_ context.Context, i webhook.AttemptInfo) { seen = append(seen, i) }},
				})
				r.Endpoint.Set(func(harness.Call) (harness.Answer, error) { return harness.Answer{}, tt.fault })
				reg := r.Register(event.TypeDocumentCreated)
				p := r.Publish()
				harness.Pass(time.Minute)
				require.Len(t, seen, 1)
				require.Equal(t, tt.code, seen[0].Code)
				require.Equal(t, tt.cause, seen[0].Cause)
				require.Equal(t, tt.cause != "", strings.Contains(logs.String(), " cause="))
				require.Contains(t, logs.String(), tt.cause)
				require.NotContains(t, logs.String(), "s3cret")

				d, err := r.Svc.Delivery(t.Context(), harness.Merchant, reg.Webhook.ID, p.Deliveries[0].ID)
				require.NoError(t, err)
				shown := fmt.Sprintf("%+v", d)
				require.Contains(t, shown, string(tt.code))
				for _, hidden := range []string{"10.1.2.3", "x509", "refused", "s3cret"} {
					require.NotContains(t, shown, hidden)
				}
				r.Close()
			})
		})
	}
}
