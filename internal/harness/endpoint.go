package harness

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
)

// Endpoint is a receiver in this process. Its zero value answers 200.
type Endpoint struct {
	Mu     sync.Mutex
	calls  []Call
	Answer func(c Call) (Answer, error)
}

// Call is a request as an endpoint got it.
type Call struct {
	At     time.Time
	Header http.Header // canonical names, as after the wire
	URL    string
	Body   string
	Ctx    context.Context //nolint:containedctx // a hanging answer waits for it
}

// RoundTrip answers a request.
func (e *Endpoint) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	c := Call{At: time.Now(), Header: http.Header{}, URL: req.URL.String(), Body: string(body), Ctx: req.Context()}
	for k, v := range req.Header {
		for _, s := range v {
			c.Header.Add(k, s)
		}
	}
	e.Mu.Lock()
	e.calls = append(e.calls, c)
	f := e.Answer
	e.Mu.Unlock()
	a := Reply(http.StatusOK, "OK")
	if f != nil {
		if a, err = f(c); err != nil {
			return nil, err
		}
	}
	return &http.Response{
		StatusCode: a.Status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: a.header, Body: io.NopCloser(strings.NewReader(a.body)), ContentLength: int64(len(a.body)),
	}, nil
}

// Set says how the endpoint answers from now on.
func (e *Endpoint) Set(f func(c Call) (Answer, error)) {
	e.Mu.Lock()
	defer e.Mu.Unlock()
	e.Answer = f
}

// Seen returns the requests so far.
func (e *Endpoint) Seen() []Call {
	e.Mu.Lock()
	defer e.Mu.Unlock()
	return append([]Call(nil), e.calls...)
}

// Count is how many requests there were.
func (e *Endpoint) Count() int { return len(e.Seen()) }

// Answer is what an endpoint says.
type Answer struct {
	Status int
	body   string
	header http.Header
}

// Reply makes an answer; header holds pairs of key and value.
func Reply(status int, body string, header ...string) Answer {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return Answer{Status: status, body: body, header: h}
}

// Always answers with a status.
func Always(status int, header ...string) func(Call) (Answer, error) {
	return func(Call) (Answer, error) { return Reply(status, http.StatusText(status), header...), nil }
}

// Hang answers only when the sender gives up.
func Hang(c Call) (Answer, error) {
	<-c.Ctx.Done()
	return Answer{}, c.Ctx.Err()
}

// Knows answers as a receiver that holds one secret.
func Knows(t *testing.T, secret signer.Secret) func(Call) (Answer, error) {
	t.Helper()
	s, err := signer.New(secret)
	require.NoError(t, err)
	return func(c Call) (Answer, error) {
		if c.Header.Get(signer.HeaderSignature) != string(s.AppendSignature(nil, []byte(c.Body))) {
			return Reply(http.StatusUnauthorized, "Invalid signature"), nil
		}
		return Reply(http.StatusOK, "OK"), nil
	}
}

// Verify requires that both signatures are right, each on its own.
func Verify(t *testing.T, secret signer.Secret, c Call, o *verifier.Options) event.Event {
	t.Helper()
	s, err := signer.New(secret)
	require.NoError(t, err)
	require.True(t, s.Verify([]byte(c.Body), c.Header.Get(signer.HeaderSignature)), "X-Webhook-Signature")
	require.True(t, s.VerifyStandard(c.Header.Get(signer.HeaderStandardID), c.At, []byte(c.Body),
		c.Header.Get(signer.HeaderStandardSignature)), "the Standard Webhooks header")
	v, err := verifier.New(secret.Reveal(), o)
	require.NoError(t, err)
	e, err := v.Verify(c.Header, []byte(c.Body))
	require.NoError(t, err)
	return e
}

// Posts counts the requests of each delivery.
func (e *Endpoint) Posts() map[string]int {
	out := map[string]int{}
	for _, c := range e.Seen() {
		out[c.Header.Get("X-Webhook-Delivery-ID")]++
	}
	return out
}

// Rewrites answers as a receiver that verifies the body as it writes it itself.
func Rewrites(t *testing.T, secret signer.Secret, write func(body []byte) ([]byte, error)) func(Call) (Answer, error) {
	t.Helper()
	s, err := signer.New(secret)
	require.NoError(t, err)
	return func(c Call) (Answer, error) {
		body, err := write([]byte(c.Body))
		if err != nil {
			return Answer{}, err
		}
		if !s.Verify(body, c.Header.Get(signer.HeaderSignature)) {
			return Reply(http.StatusForbidden, "Invalid signature"), nil
		}
		return Reply(http.StatusOK, "OK"), nil
	}
}
