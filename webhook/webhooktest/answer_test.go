package webhooktest_test

import (
	"context"
	"errors"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/webhooktest"
)

// answers are all kinds of answer, and what a sender sees of each.
var answers = []struct {
	name   string
	answer webhooktest.Answer
	want   egress.Response
	code   egress.Code
}{
	{"status", webhooktest.Status(204), egress.Response{StatusCode: 204}, ""},
	{"status with a body that it cannot have", webhooktest.Status(204).Body("x"), egress.Response{StatusCode: 204}, ""},
	{"body", webhooktest.Status(200).Body("OK"), egress.Response{StatusCode: 200, Body: "OK"}, ""},
	{
		"header", webhooktest.Status(503).Header("Retry-After", "120").Header("X-Other", "y").Body("busy"),
		egress.Response{StatusCode: 503, Body: "busy", RetryAfter: "120"},
		"",
	},
	{"redirect", webhooktest.Redirect("https://example.com/"), egress.Response{StatusCode: 307}, ""},
	{"after a while", webhooktest.Status(200).After(time.Millisecond), egress.Response{StatusCode: 200}, ""},
	{"too late", webhooktest.Status(200).After(time.Hour), egress.Response{}, egress.CodeTimeout},
	{"reset", webhooktest.Reset(), egress.Response{}, egress.CodeConnection},
	{"reset after a while", webhooktest.Reset().After(time.Millisecond), egress.Response{}, egress.CodeConnection},
	{"never", webhooktest.Never(), egress.Response{}, egress.CodeTimeout},
	{"endless body", webhooktest.Status(200).Body("O").Hang(), egress.Response{StatusCode: 200, Body: "O"}, ""},
	{"strange status", webhooktest.Status(999), egress.Response{}, egress.CodeBadResponse},
}

func checkAnswer(t *testing.T, rt http.RoundTripper, url string, want egress.Response, code egress.Code) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got, err := egress.Post(ctx, rt, url, http.Header{"X-Sent": {"1", "2"}}, []byte("{}"))
	if refused, ok := errors.AsType[*egress.Error](err); ok {
		require.Equal(t, code, refused.Code)
	} else {
		require.NoError(t, err)
		require.Empty(t, code)
	}
	got.Header = nil
	require.Equal(t, want, got)
}

// checkSilence sends a request that is not answered, and gives up once it has
// arrived.
func checkSilence(t *testing.T, ep *webhooktest.Endpoint, rt http.RoundTripper) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	failed := make(chan error, 1)
	go func() {
		_, err := egress.Post(ctx, rt, ep.URL(), http.Header{"X-Sent": {"1", "2"}}, []byte("{}"))
		failed <- err
	}()
	ep.Next(t)
	cancel()
	require.ErrorIs(t, <-failed, context.Canceled)
}

func TestAnswersOverHTTPS(t *testing.T) {
	t.Parallel()
	for _, tt := range answers {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ep := webhooktest.NewEndpoint(t, nil)
			out, err := egress.New(ep.Egress())
			require.NoError(t, err)
			t.Cleanup(out.Transport().CloseIdleConnections)
			ep.Answer(tt.answer)
			if tt.code == egress.CodeTimeout {
				checkSilence(t, ep, out.Transport())
			} else {
				checkAnswer(t, out.Transport(), ep.URL(), tt.want, tt.code)
			}
			checkAnswer(t, out.Transport(), ep.URL(), egress.Response{StatusCode: 200}, "")
			checkReceived(t, ep)
		})
	}
}

func TestAnswersInProcess(t *testing.T) {
	t.Parallel()
	for _, tt := range answers {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ep := webhooktest.NewEndpoint(t, &webhooktest.Options{InProcess: true})
				ep.Answer(tt.answer)
				checkAnswer(t, ep.Transport(), ep.URL(), tt.want, tt.code)
				checkAnswer(t, ep.Transport(), ep.URL(), egress.Response{StatusCode: 200}, "")
				checkReceived(t, ep)
			})
		})
	}
}

// checkReceived compares what arrived with what checkAnswer has sent, twice.
func checkReceived(t *testing.T, ep *webhooktest.Endpoint) {
	t.Helper()
	require.Len(t, ep.All(), 2)
	for _, got := range ep.All() {
		require.Equal(t, []string{"1", "2"}, got.Header["X-Sent"])
		require.NotContains(t, got.Header, "X-Idempotency-Key", "a key without a value is not sent")
		require.Equal(t, "{}", string(got.Body))
		require.Equal(t, ep.URL(), got.URL)
	}
}

// TestResetIsAReset: a connection that is merely closed is another fault.
func TestResetIsAReset(t *testing.T) {
	t.Parallel()
	over, inside := webhooktest.NewEndpoint(t, nil), webhooktest.NewEndpoint(t, &webhooktest.Options{InProcess: true})
	out, err := egress.New(over.Egress())
	require.NoError(t, err)
	t.Cleanup(out.Transport().CloseIdleConnections)
	for ep, rt := range map[*webhooktest.Endpoint]http.RoundTripper{over: out.Transport(), inside: inside.Transport()} {
		ep.Answer(webhooktest.Reset())
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, ep.URL(), http.NoBody)
		require.NoError(t, err)
		_, err = rt.RoundTrip(r) //nolint:bodyclose // there is no response
		require.ErrorIs(t, err, syscall.ECONNRESET)
		require.Zero(t, ep.Next(t).Status)
	}
}

// A header of one answer is none of the answer that it was made from.
func TestAnswersAreValues(t *testing.T) {
	t.Parallel()
	one := webhooktest.Status(503).Header("Retry-After", "1")
	two := one.Header("Retry-After", "2")
	ep := webhooktest.NewEndpoint(t, &webhooktest.Options{InProcess: true})
	ep.Answer(one, two, one)
	for _, want := range [][]string{{"1"}, {"1", "2"}, {"1"}} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, ep.URL(), http.NoBody)
		require.NoError(t, err)
		resp, err := ep.Transport().RoundTrip(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, want, resp.Header["Retry-After"])
	}
}

// TestEndOfATestEndsWhatHangs ends while requests are in flight that nobody cancels.
func TestEndOfATestEndsWhatHangs(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]webhooktest.Answer{
		"never": webhooktest.Never(), "after": webhooktest.Status(200).After(time.Hour), "hang": webhooktest.Status(200).Hang(),
	} {
		for _, inProcess := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				ended := make(chan error, 1)
				message := try(t.Context(), func(tb *trial) {
					ep := webhooktest.NewEndpoint(tb, &webhooktest.Options{InProcess: inProcess})
					ep.Answer(answer)
					rt := ep.Transport()
					if !inProcess {
						out, err := egress.New(ep.Egress())
						require.NoError(tb, err)
						rt = out.Transport()
						tb.Cleanup(out.Transport().CloseIdleConnections)
					}
					r, err := http.NewRequestWithContext(tb.Context(), http.MethodPost, ep.URL(), http.NoBody)
					require.NoError(tb, err)
					go func() {
						resp, err := rt.RoundTrip(r)
						if err == nil {
							_, err = resp.Body.Read(make([]byte, 1))
							_ = resp.Body.Close()
						}
						ended <- err
					}()
					ep.Next(tb)
				})
				require.Empty(t, message)
				require.Error(t, <-ended)
			})
		}
	}
}
