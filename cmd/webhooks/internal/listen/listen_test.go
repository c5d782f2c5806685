package listen

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/cmd/webhooks/internal/terminal"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/webhooktest"
)

const (
	secret = "whsec_xyz789abc123def456ghi789jkl012mno345"
	other  = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
)

func none(string) string { return "" }

// output may be read while the program writes it.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
	came chan struct{} // capacity 1: something was written
}

func newOutput() *output { return &output{came: make(chan struct{}, 1)} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	select {
	case o.came <- struct{}{}:
	default:
	}
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// await waits until the output matches pattern, and returns the match.
func (o *output) await(t *testing.T, pattern string) []string {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		if found := regexp.MustCompile(pattern).FindStringSubmatch(o.String()); found != nil {
			return found
		}
		select {
		case <-o.came:
		case <-deadline:
			require.FailNow(t, "not printed", "%s in:\n%s", pattern, o)
		}
	}
}

// receive returns the handler that c makes, and its output.
func receive(t *testing.T, c Config) (http.Handler, *output) {
	t.Helper()
	c, err := c.Checked()
	require.NoError(t, err)
	out := newOutput()
	r, err := newReceiver(c, &printer{terminal.New(out, none)})
	require.NoError(t, err)
	return r, out
}

func created() event.Event {
	e := event.New(event.DocumentCreated{DocumentID: "doc_1", Title: "Café \u009b2J & \U000e0001"})
	e.ID = "evt_1"
	return e
}

func serve(h http.Handler, r *http.Request) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

func TestPrintsVerifiedEvents(t *testing.T) {
	t.Parallel()
	h, out := receive(t, Config{Secret: secret})
	r := webhooktest.Request(t, secret, created(), &webhooktest.RequestOptions{WebhookID: "whk_1", DeliveryID: "whdel_1"})
	require.Equal(t, http.StatusOK, serve(h, r))
	for _, want := range []string{
		"document.created  verified  answered 200 OK\n", "event     evt_1, created ", "webhook   whk_1\n", "delivery  whdel_1\n",
		"    \"data\": {\n      \"documentId\": \"doc_1\",\n",
		`Café \u009b2J & \udb40\udc01`, // what a terminal would act upon, or hide
	} {
		require.Contains(t, out.String(), want)
	}
	require.NotContains(t, out.String(), "\x1b", "no terminal, no colour")
	require.NotContains(t, out.String(), "again")

	require.Equal(t, http.StatusOK, serve(h, webhooktest.Request(t, secret, created(), nil)))
	require.Contains(t, out.String(), "this event has come 2 times")
}

func TestSaysWhyItRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*http.Request)
		secret string
		status int
		says   string
	}{
		{"another secret", nil, other, 401, "unmatched"},
		{"headed with its type", nil, other, 401, "document.created  REFUSED"},
		{"a type in the header alone", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("{}")) }, secret, 401, "document.created  REFUSED"},
		{"headers", func(r *http.Request) { r.Header.Set("X-Topic", "\x1b") }, other, 401, `  > X-Topic: \u001b`},
		{"credentials", func(r *http.Request) { r.SetBasicAuth("a", secret[6:16]) }, other, 401, "  > Authorization: (hidden)\n"},
		{"no signature", func(r *http.Request) { clear(r.Header) }, secret, 401, "header_missing"},
		{"a body that was written again", func(r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(strings.NewReader(strings.ReplaceAll(string(body), `":`, `": `)))
		}, secret, 401, "body_rewritten"},
		{"another type in the header", func(r *http.Request) { r.Header.Set("X-Webhook-Event", "document.deleted") }, secret, 400, "event_type"},
		{"not JSON", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("\x1b[2J")) }, secret, 401, `not JSON: "\x1b[2J"`},
		{"a header for the terminal", func(r *http.Request) { r.Header.Set("X-Webhook-ID", "\x1b[2J") }, other, 401, `webhook   \u001b[2J`},
		{"too long to explain", func(r *http.Request) {
			r.Body = io.NopCloser(strings.NewReader(`"` + strings.Repeat("x", maxExplain) + `"`))
		}, secret, 401, "too long to look"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h, out := receive(t, Config{Secret: secret})
			r := webhooktest.Request(t, tt.secret, created(), nil)
			if tt.change != nil {
				tt.change(r)
			}
			require.Equal(t, tt.status, serve(h, r))
			require.Contains(t, out.String(), "REFUSED")
			require.Contains(t, out.String(), tt.says)
			require.NotContains(t, out.String(), secret[6:16])
		})
	}
}

func TestWithoutASecretItSaysSo(t *testing.T) {
	t.Parallel()
	h, out := receive(t, Config{})
	require.Equal(t, http.StatusOK, serve(h, webhooktest.Request(t, other, created(), nil)))
	require.Contains(t, out.String(), "document.created  NOT VERIFIED, no secret  answered 200 OK\n")
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(`{"test": "data"}`))
	require.Equal(t, http.StatusOK, serve(h, r), "a request without any signature, as by curl")
	require.Contains(t, out.String(), "no event  NOT VERIFIED")
}

func TestAnswersAsItIsTold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		c    Config
		want []int
	}{
		{"by default", Config{}, []int{200, 200}},
		{"failing at first", Config{Fail: 2}, []int{500, 500, 200, 200}},
		{"with a status at first", Config{Fail: 1, Status: 429}, []int{429, 200}},
		{"with a status always", Config{Status: 204}, []int{204, 204}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.c.Secret = secret
			h, _ := receive(t, tt.c)
			require.Equal(t, 401, serve(h, webhooktest.Request(t, other, created(), nil)), "whatever the flags")
			for _, want := range tt.want {
				require.Equal(t, want, serve(h, webhooktest.Request(t, secret, created(), nil)))
			}
		})
	}
}

func TestRefusesWhatIsNoWebhook(t *testing.T) {
	t.Parallel()
	h, out := receive(t, Config{Secret: secret})
	require.Equal(t, 405, serve(h, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/favicon.ico", nil)))
	require.Contains(t, out.String(), "GET /favicon.ico: not a webhook")
	long := strings.NewReader(strings.Repeat(" ", maxBody+1))
	require.Equal(t, 413, serve(h, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", long)))
}

// start runs the program until the test ends.
func start(t *testing.T, c Config) (url string, out *output, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out = newOutput()
	done := make(chan error, 1)
	c.Addr = "127.0.0.1:0"
	go func() { done <- Run(ctx, c, terminal.New(out, none)) }()
	t.Cleanup(cancel)
	url = out.await(t, `Listening on (http://\S+), `)[1]
	return url, out, func() error { cancel(); return <-done }
}

func TestRun(t *testing.T) {
	t.Parallel()
	url, out, stop := start(t, Config{Secret: secret, Fail: 1, Delay: time.Millisecond})
	out.await(t, "The first 1 get 500 Internal Server Error.\nAnswers wait for 1ms.\n")
	for _, want := range []int{500, 200} {
		signed := webhooktest.Request(t, secret, created(), nil)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/any/path", signed.Body)
		require.NoError(t, err)
		r.Header = signed.Header
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, want, resp.StatusCode)
	}
	out.await(t, "answered 200 OK")

	err := Run(t.Context(), Config{Addr: strings.TrimPrefix(url, "http://")}, terminal.New(io.Discard, none))
	require.ErrorContains(t, err, "another program listens on 127.0.0.1")
	require.NoError(t, stop())
}

func TestStopsWhileAnAnswerWaits(t *testing.T) {
	t.Parallel()
	url, out, stop := start(t, Config{Delay: time.Hour})
	out.await(t, "NOTHING IS VERIFIED")
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	sent := make(chan error, 1)
	body := &signalling{reader: strings.NewReader("{}"), read: make(chan struct{})}
	go func() {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
		if err == nil {
			_, err = http.DefaultClient.Do(r) //nolint:bodyclose // there is no response
		}
		sent <- err
	}()
	<-body.read
	require.NoError(t, stop())
	require.Error(t, <-sent)
}

// signalling closes read when all of it was sent.
type signalling struct {
	reader io.Reader
	read   chan struct{}
	once   sync.Once
}

func (s *signalling) Read(p []byte) (int, error) {
	n, err := s.reader.Read(p)
	if err != nil {
		s.once.Do(func() { close(s.read) })
	}
	return n, err
}

func TestConfigsThatAreWrong(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]Config{
		"must not be negative": {Fail: -1},
		"must be 200 to 599":   {Status: 99},
		"cannot be used":       {Secret: `"` + secret + `"`},
		"give host:port":       {Addr: "3000"},
	} {
		err := Run(t.Context(), c, terminal.New(io.Discard, none))
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), secret[6:16])
	}
}
