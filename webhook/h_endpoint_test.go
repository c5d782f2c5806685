package webhook_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/internal/jcs"
)

// endpoint is a receiver in this process. Its zero value answers 200.
type endpoint struct {
	mu     sync.Mutex
	calls  []call
	answer func(c call) (answer, error)
}

type call struct {
	at     time.Time
	header http.Header // canonical names, as after the wire
	url    string
	body   string
	ctx    context.Context //nolint:containedctx // a hanging answer waits for it
}

func (e *endpoint) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	c := call{at: time.Now(), header: http.Header{}, url: req.URL.String(), body: string(body), ctx: req.Context()}
	for k, v := range req.Header {
		for _, s := range v {
			c.header.Add(k, s)
		}
	}
	e.mu.Lock()
	e.calls = append(e.calls, c)
	f := e.answer
	e.mu.Unlock()
	a := reply(http.StatusOK, "OK")
	if f != nil {
		if a, err = f(c); err != nil {
			return nil, err
		}
	}
	return &http.Response{
		StatusCode: a.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, Body: io.NopCloser(strings.NewReader(a.body)), ContentLength: int64(len(a.body)),
	}, nil
}

func (e *endpoint) set(f func(c call) (answer, error)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.answer = f
}

func (e *endpoint) seen() []call {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]call(nil), e.calls...)
}

func (e *endpoint) count() int { return len(e.seen()) }

type answer struct {
	status int
	body   string
	header http.Header
}

func reply(status int, body string, header ...string) answer {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return answer{status: status, body: body, header: h}
}

func always(status int, header ...string) func(call) (answer, error) {
	return func(call) (answer, error) { return reply(status, http.StatusText(status), header...), nil }
}

// hang answers only when the sender gives up.
func hang(c call) (answer, error) {
	<-c.ctx.Done()
	return answer{}, c.ctx.Err()
}

// knows answers as a receiver of the guide that holds one secret.
func knows(t *testing.T, secret signer.Secret) func(call) (answer, error) {
	t.Helper()
	s, err := signer.New(secret)
	require.NoError(t, err)
	return func(c call) (answer, error) {
		if c.header.Get(signer.HeaderSignature) != string(s.AppendSignature(nil, []byte(c.body))) {
			return reply(http.StatusUnauthorized, "Invalid signature"), nil
		}
		return reply(http.StatusOK, "OK"), nil
	}
}

// verify requires that both signatures are right, each on its own.
func verify(t *testing.T, secret signer.Secret, c call, o *verifier.Options) event.Event {
	t.Helper()
	s, err := signer.New(secret)
	require.NoError(t, err)
	require.True(t, s.Verify([]byte(c.body), c.header.Get(signer.HeaderSignature)), "the guide's header")
	require.True(t, s.VerifyStandard(c.header.Get(signer.HeaderStandardID), c.at, []byte(c.body),
		c.header.Get(signer.HeaderStandardSignature)), "the Standard Webhooks header")
	v, err := verifier.New(secret.Reveal(), o)
	require.NoError(t, err)
	e, err := v.Verify(c.header, []byte(c.body))
	require.NoError(t, err)
	return e
}

// posts counts the requests of each delivery.
func (e *endpoint) posts() map[string]int {
	out := map[string]int{}
	for _, c := range e.seen() {
		out[c.header.Get("X-Webhook-Delivery-ID")]++
	}
	return out
}

// rewrites answers as a receiver that verifies the body as it writes it itself.
func rewrites(t *testing.T, secret signer.Secret, as jcs.Encoding) func(call) (answer, error) {
	t.Helper()
	s, err := signer.New(secret)
	require.NoError(t, err)
	return func(c call) (answer, error) {
		parsed, err := jcs.Canonicalize([]byte(c.body))
		if err != nil {
			return answer{}, err
		}
		if !s.Verify(jcs.Encode(parsed, as), c.header.Get(signer.HeaderSignature)) {
			return reply(http.StatusForbidden, "Invalid signature"), nil
		}
		return reply(http.StatusOK, "OK"), nil
	}
}
