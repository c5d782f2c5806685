package verifier_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook/event"
)

func newRequest(t *testing.T, body string) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(signer.HeaderSignature, untimedHeader(secretA, body))
	setStandard(t, r.Header, time.Now(), body, secretA)
	return r
}

func TestHandlerFindsEventAndBody(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]io.Reader{
		"with a length":    strings.NewReader(eventBody),
		"without a length": io.MultiReader(strings.NewReader(eventBody)),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			called := false
			handler := verifier.Middleware(secretA, nil)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				called = true
				e, ok := verifier.FromContext(r.Context())
				assert.True(t, ok)
				assert.Equal(t, "evt_1", e.ID)
				m, ok := verifier.MessageFromContext(r.Context())
				assert.True(t, ok)
				assert.Equal(t, verifier.Message{Event: e, Header: r.Header, Body: []byte(eventBody)}, m)
				assert.Equal(t, event.TypeWebhookTest, e.Type)
				assert.Equal(t, int64(len(eventBody)), r.ContentLength)
				assert.Empty(t, r.TransferEncoding)
				assert.Equal(t, "kept", r.Header.Get("X-Other"))
				for range 2 {
					again, err := r.GetBody()
					assert.NoError(t, err)
					assert.Equal(t, eventBody, readAll(t, again))
				}
				assert.Equal(t, eventBody, readAll(t, r.Body))
				w.WriteHeader(http.StatusNoContent)
			}))
			req := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", body)
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("X-Other", "kept")
			if req.ContentLength < 0 {
				req.TransferEncoding = []string{"chunked"}
			}
			setStandard(t, req.Header, time.Now(), eventBody, secretA)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, req)
			require.True(t, called)
			require.Equal(t, http.StatusNoContent, w.Code)
			_, ok := verifier.FromContext(req.Context())
			require.False(t, ok, "the caller's request is not changed")
		})
	}
}

func readAll(t *testing.T, body io.ReadCloser) string {
	t.Helper()
	text, err := io.ReadAll(body)
	assert.NoError(t, err)
	assert.NoError(t, body.Close())
	return string(text)
}

func TestFromContextWithoutEvent(t *testing.T) {
	t.Parallel()
	e, ok := verifier.FromContext(context.Background())
	require.False(t, ok)
	require.Zero(t, e)
}

// TestBodyReadBefore: what an earlier middleware has done with the body is the
// receiver's own fault, which a 401 would hide.
func TestBodyReadBefore(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		before func(r *http.Request)
		status int // with a length
		chunks int // in chunks, where less is known
	}{
		{"nothing", func(*http.Request) {}, 200, 200},
		{"read", func(r *http.Request) { _, _ = io.ReadAll(r.Body) }, 500, 500},
		{"read and closed", func(r *http.Request) { _, _ = io.ReadAll(r.Body); _ = r.Body.Close() }, 500, 500},
		{"closed", func(r *http.Request) { _ = r.Body.Close() }, 500, 500},
		{"read in part", func(r *http.Request) { _, _ = r.Body.Read(make([]byte, 3)) }, 500, 401},
		{"replaced by nothing", func(r *http.Request) { r.Body = http.NoBody }, 500, 500},
		{"replaced by less", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader("{}")) }, 500, 401},
		{"read and put back", func(r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
		}, 200, 200},
		{"removed", func(r *http.Request) { r.Body = nil }, 401, 500},
	} {
		for _, chunked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, chunked %t", tt.name, chunked), func(t *testing.T) {
				t.Parallel()
				var status int
				var reason error
				v := newVerifier(t, secretA, &verifier.Options{
					OnReject: func(_ *http.Request, s int, err error) { status, reason = s, err },
				})
				next := v.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					tt.before(r)
					next.ServeHTTP(w, r)
				}))
				defer server.Close()
				req := newRequest(t, eventBody)
				out, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(eventBody))
				require.NoError(t, err)
				out.Header = req.Header
				want := tt.status
				if chunked {
					out.ContentLength, want = -1, tt.chunks
				}
				resp, err := server.Client().Do(out)
				require.NoError(t, err)
				defer resp.Body.Close()
				body := readAll(t, resp.Body)
				require.Equal(t, want, resp.StatusCode)
				if want == 500 {
					require.Equal(t, 500, status)
					require.ErrorContains(t, reason, "verify before any middleware that reads")
					require.Contains(t, body, "before its verifier")
				}
			})
		}
	}
}

func TestOnReject(t *testing.T) {
	t.Parallel()
	type rejection struct {
		path   string
		body   string
		status int
		reason error
	}
	var got []rejection
	v := newVerifier(t, secretA, &verifier.Options{
		MaxBody: 500,
		OnReject: func(r *http.Request, status int, reason error) {
			got = append(got, rejection{r.URL.Path, readAll(t, r.Body), status, reason})
		},
	})
	handler := v.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, tt := range []struct {
		name   string
		change func(r *http.Request)
		status int
		is     error
		says   string
		body   string
	}{
		{"accepted", func(*http.Request) {}, 200, nil, "", ""},
		{"method", func(r *http.Request) { r.Method = http.MethodPut }, 405, nil, "method", ""},
		{"type", func(r *http.Request) { r.Header.Del("Content-Type") }, 415, nil, "Content-Type", ""},
		{"coding", func(r *http.Request) { r.Header.Set("Content-Encoding", "br") }, 415, nil, "Content-Encoding", ""},
		{"length", func(r *http.Request) { r.ContentLength = 501 }, 413, nil, "500 bytes", ""},
		{"size", func(r *http.Request) {
			r.ContentLength, r.Body = -1, io.NopCloser(strings.NewReader(strings.Repeat(" ", 501)))
		}, 413, nil, "500 bytes", strings.Repeat(" ", 500)},
		{"broken", func(r *http.Request) {
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader("{"), brokenReader{}))
		}, 400, errBroken, "incomplete", "{"},
		{"missing", func(r *http.Request) { r.Header.Del(signer.HeaderStandardID) }, 401, verifier.ErrMissingSignature, "", eventBody},
		{"mismatch", func(r *http.Request) { r.Header.Set(signer.HeaderStandardSignature, "v1,") }, 401, verifier.ErrMismatch, "", eventBody},
		{"event", func(r *http.Request) { r.Header.Set(signer.HeaderEvent, "x") }, 400, verifier.ErrEventType, "", eventBody},
	} {
		got = nil
		r := newRequest(t, eventBody)
		tt.change(r)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		require.Equal(t, tt.status, w.Code, tt.name)
		if tt.status == 200 {
			require.Empty(t, got)
			continue
		}
		require.Len(t, got, 1, tt.name)
		require.Equal(t, "/", got[0].path)
		require.Equal(t, tt.body, got[0].body, tt.name)
		require.Equal(t, tt.status, got[0].status)
		require.ErrorContains(t, got[0].reason, tt.says)
		if tt.is != nil {
			require.ErrorIs(t, got[0].reason, tt.is)
		}
		require.NotContains(t, got[0].reason.Error(), "evt_1", "no body in an error")
		require.Regexp(t, `^\{"error":"[A-Za-z0-9 :/-]+"\}$`, w.Body.String())
		require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	}
}

var errBroken = errors.New("broken")

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errBroken }

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, secretA, &verifier.Options{OtherSecrets: []string{secretB}})
	handler := v.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, _ := verifier.FromContext(r.Context())
		_, _ = io.WriteString(w, e.ID)
	}))
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			id := fmt.Sprintf("evt_%d", i)
			body := strings.Replace(eventBody, "evt_1", id, 1)
			good, bad := newRequest(t, body), newRequest(t, body)
			setStandard(t, bad.Header, time.Now(), body, secretC)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, good)
			assert.Equal(t, id, w.Body.String())
			w = httptest.NewRecorder()
			handler.ServeHTTP(w, bad)
			assert.Equal(t, http.StatusUnauthorized, w.Code)
		})
	}
	wg.Wait()
}

func TestHTTP2(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, secretA, &verifier.Options{MaxBody: 500})
	server := httptest.NewUnstartedServer(v.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, _ := verifier.FromContext(r.Context())
		_, _ = io.WriteString(w, e.ID)
	})))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	for _, tt := range []struct {
		body   string
		status int
	}{{eventBody, 200}, {eventBody + strings.Repeat(" ", 500), 413}, {"{}", 400}} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader(tt.body))
		require.NoError(t, err)
		req.Header = newRequest(t, tt.body).Header
		resp, err := server.Client().Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		require.Equal(t, 2, resp.ProtoMajor)
		require.Equal(t, tt.status, resp.StatusCode)
		body := readAll(t, resp.Body)
		if tt.status == 200 {
			require.Equal(t, "evt_1", body)
		}
	}
}

// otherScheme is another sender's way to sign.
type otherScheme string

var errToken = errors.New("another token")

func (t otherScheme) Verify(header http.Header, body []byte) (event.Event, error) {
	switch header.Get("X-Token") {
	case string(t):
		return event.ParseStandard(body, header.Get("X-ID"), testTime)
	case "typed":
		return event.Event{}, verifier.ErrEventType
	}
	return event.Event{}, errToken
}

// TestSecretsOfEachRequest changes secrets without a new Verifier.
func TestSecretsOfEachRequest(t *testing.T) {
	t.Parallel()
	current, fault := []string{secretA}, error(nil)
	var reason error
	key := signer.NewPrivateKey()
	v := newVerifier(t, "", &verifier.Options{
		Secrets:    func() ([]string, error) { return current, fault },
		PublicKeys: []string{key.Public().String()},
		OnReject:   func(_ *http.Request, _ int, err error) { reason = err },
	})
	got := -1
	handler := v.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		m, _ := verifier.MessageFromContext(r.Context())
		got = m.Key
	}))
	asymmetric, err := signer.NewAsymmetric(key)
	require.NoError(t, err)
	for _, tt := range []struct {
		name    string
		secrets []string
		fault   error
		by      *signer.Signer
		status  int
		key     int
		says    string
	}{
		{"the first", []string{secretA}, nil, newSigner(t, secretA), 200, 0, ""},
		{"one that is new", []string{secretA}, nil, newSigner(t, secretB), 401, 0, "does not match"},
		{"it has come", []string{secretB, secretA}, nil, newSigner(t, secretB), 200, 0, ""},
		{"the old one", []string{secretB, secretA}, nil, newSigner(t, secretA), 200, 1, ""},
		{"both", []string{secretC, secretB, secretA}, nil, newSigner(t, secretA, secretB), 200, 1, ""},
		{"a public key", []string{secretB, secretA}, nil, asymmetric, 200, 2, ""},
		{"it has gone", []string{secretB}, nil, newSigner(t, secretA), 401, 0, "does not match"},
		{"the function fails", nil, errBroken, newSigner(t, secretA), 503, 0, "broken"},
		{"none", nil, nil, newSigner(t, secretA), 503, 0, "there are none"},
		{"a broken one", []string{secretA, "x" + secretB}, nil, newSigner(t, secretA), 503, 0, "other secret 1"},
	} {
		current, fault, got = tt.secrets, tt.fault, -1
		r, w := newRequest(t, eventBody), httptest.NewRecorder()
		signAsymmetric(t, r.Header, time.Now(), tt.by)
		handler.ServeHTTP(w, r)
		require.Equal(t, tt.status, w.Code, tt.name)
		if tt.status == 200 {
			require.Equal(t, tt.key, got, tt.name)
			continue
		}
		require.ErrorContains(t, reason, tt.says, tt.name)
		require.Equal(t, tt.status == 503, errors.Is(reason, verifier.ErrSecrets))
		require.NotContains(t, reason.Error(), secretB[6:16])
	}
	for says, opts := range map[string]*verifier.Options{
		"broken":                             {Secrets: func() ([]string, error) { return nil, errBroken }},
		"there are secrets beside":           {Secrets: func() ([]string, error) { return []string{secretA}, nil }, OtherSecrets: []string{secretB}},
		"other secret 1: signer: parse: sec": {Secrets: func() ([]string, error) { return []string{secretA, ""}, nil }},
	} {
		_, err := verifier.New("", opts)
		require.ErrorContains(t, err, says)
	}
}

func TestMiddlewareFor(t *testing.T) {
	t.Parallel()
	var reason error
	middleware, err := verifier.MiddlewareFor(otherScheme("right"), &verifier.Options{
		MaxBody: 20, OnReject: func(_ *http.Request, _ int, err error) { reason = err },
	})
	require.NoError(t, err)
	handler := middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m, _ := verifier.MessageFromContext(r.Context())
		_, _ = io.WriteString(w, m.Event.ID+string(m.Event.Type)+string(m.Body))
	}))
	for _, tt := range []struct {
		token, body string
		status      int
		answer      string
		reason      error
	}{
		{"right", `{"type":"x"}`, 200, `id_1x{"type":"x"}`, nil},
		{"wrong", `{"type":"x"}`, 401, `{"error":"invalid signature"}`, errToken},
		{"typed", `{"type":"x"}`, 400, `{"error":"invalid event"}`, verifier.ErrEventType},
		{"right", `{}`, 400, `{"error":"invalid event"}`, event.ErrMalformed},
		{"right", strings.Repeat(" ", 21), 413, `{"error":"body too large"}`, nil},
	} {
		r, w := newRequest(t, tt.body), httptest.NewRecorder()
		r.Header.Set("X-Token", tt.token)
		r.Header.Set("X-ID", "id_1")
		handler.ServeHTTP(w, r)
		require.Equal(t, tt.status, w.Code)
		require.Equal(t, tt.answer, w.Body.String())
		if tt.reason != nil {
			require.ErrorIs(t, reason, tt.reason)
		}
	}
	_, err = verifier.MiddlewareFor(nil, &verifier.Options{MaxBody: -1})
	require.ErrorContains(t, err, "nothing to verify with")
	require.ErrorContains(t, err, "max body")
}

// asking is a sender that asks first, sends forms, and has two secrets.
type asking struct{ otherScheme }

func (asking) ContentTypes() []string { return []string{"text/x-form"} }

func (asking) Challenge(h http.Header, body []byte) ([]byte, bool) {
	return []byte(h.Get("X-Answer")), string(body) == "ask"
}

func (a asking) VerifyKey(h http.Header, body []byte) (event.Event, int, error) {
	e, err := a.Verify(h, body)
	return e, 7, err
}

func TestMiddlewareForOneThatKnowsMore(t *testing.T) {
	t.Parallel()
	middleware, err := verifier.MiddlewareFor(asking{"right"}, nil)
	require.NoError(t, err)
	handler := middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m, _ := verifier.MessageFromContext(r.Context())
		_, _ = io.WriteString(w, strconv.Itoa(m.Key))
	}))
	for _, tt := range []struct {
		name, body, contentType, token, challenge string
		status                                    int
		answer, answered                          string
	}{
		{"event", `{"type":"x"}`, "text/x-form", "right", "", 200, "7", "text/plain; charset=utf-8"},
		{"wrong", `{"type":"x"}`, "text/x-form", "wrong", "", 401, `{"error":"invalid signature"}`, "application/json"},
		{"other type of content", `{"type":"x"}`, "application/json", "right", "", 415, `{"error":"unsupported media type: send text/x-form in UTF-8"}`, "application/json"},
		{"challenge", "ask", "text/x-form", "wrong", "42", 200, "42", "text/plain; charset=utf-8"},
		{"challenge in JSON", "ask", "text/x-form", "wrong", `{"a":1}`, 200, `{"a":1}`, "application/json"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, w := newRequest(t, tt.body), httptest.NewRecorder()
			r.Header.Set("Content-Type", tt.contentType)
			r.Header.Set("X-Token", tt.token)
			r.Header.Set("X-ID", "id_1")
			r.Header.Set("X-Answer", tt.challenge)
			handler.ServeHTTP(w, r)
			require.Equal(t, tt.status, w.Code)
			require.Equal(t, tt.answer, w.Body.String())
			require.Equal(t, tt.answered, w.Header().Get("Content-Type"))
		})
	}
}

func TestPanicOfOnReject(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	v := newVerifier(t, secretA, &verifier.Options{OnReject: func(*http.Request, int, error) { panic("told too much") }})
	server := httptest.NewUnstartedServer(v.Middleware(http.NotFoundHandler()))
	server.Config.ErrorLog = stdlog.New(&log, "", 0)
	server.Start()
	resp, err := server.Client().Post(server.URL, "application/json", strings.NewReader(eventBody))
	require.NoError(t, err)
	defer resp.Body.Close()
	require.JSONEq(t, `{"error":"invalid signature"}`, readAll(t, resp.Body))
	require.Equal(t, http.StatusUnauthorized, resp.StatusCode)
	server.Close()
	require.Contains(t, log.String(), "OnReject panicked: told too much")
	require.Contains(t, log.String(), "TestPanicOfOnReject", "with its stack")
}

func TestPanicOfHandlerIsNotCaught(t *testing.T) {
	t.Parallel()
	handler := verifier.Middleware(secretA, nil)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("handler") }))
	require.PanicsWithValue(t, "handler", func() { handler.ServeHTTP(httptest.NewRecorder(), newRequest(t, eventBody)) })
}

// TestMiddlewareForEach verifies with what the request's tenant has, whose body the Finder may
// read.
func TestMiddlewareForEach(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, secretB, &verifier.Options{OtherSecrets: []string{secretA}})
	var reasons []error
	middleware, err := verifier.MiddlewareForEach(func(r *http.Request) (string, verifier.Checker, error) {
		assert.Equal(t, eventBody, readAll(t, r.Body))
		switch name := r.Header.Get("X-Tenant"); name {
		case "away":
			return "", nil, errors.New("no route to the database")
		case "":
			return "", nil, verifier.ErrUnknownTenant
		default:
			return name, v, nil
		}
	}, &verifier.Options{OnReject: func(_ *http.Request, _ int, reason error) { reasons = append(reasons, reason) }})
	require.NoError(t, err)
	handler := middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m, _ := verifier.MessageFromContext(r.Context())
		fmt.Fprint(w, m.Tenant, m.Key, readAll(t, r.Body))
	}))
	for _, tt := range []struct {
		tenant, answer string
		status         int
		reason         error
	}{
		{"acme", "acme1" + eventBody, 200, nil},
		{"", `{"error":"invalid signature"}`, 401, verifier.ErrUnknownTenant},
		{"away", `{"error":"unavailable"}`, 503, verifier.ErrSecrets},
	} {
		reasons = nil
		r, w := newRequest(t, eventBody), httptest.NewRecorder()
		r.Header.Set("X-Tenant", tt.tenant)
		handler.ServeHTTP(w, r)
		require.Equal(t, tt.status, w.Code)
		require.Equal(t, tt.answer, w.Body.String())
		if tt.reason != nil {
			require.Len(t, reasons, 1)
			require.ErrorIs(t, reasons[0], tt.reason)
		}
	}
	_, err = verifier.MiddlewareForEach(nil, nil)
	require.ErrorContains(t, err, "there is nothing to verify with")
}

// TestHandlerHasTheServersWriter: nothing is put around it, so it flushes, sets deadlines and
// hijacks.
func TestHandlerHasTheServersWriter(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(verifier.Middleware(secretA, nil)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c := http.NewResponseController(w)
		assert.NoError(t, c.SetWriteDeadline(time.Now().Add(time.Minute)))
		assert.NoError(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
		assert.NoError(t, c.Flush())
		conn, _, err := c.Hijack()
		if assert.NoError(t, err) {
			_, _ = io.WriteString(conn, "6\r\nhijack\r\n0\r\n\r\n")
			assert.NoError(t, conn.Close())
		}
	})))
	defer server.Close()
	r := newRequest(t, eventBody)
	out, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, r.Body)
	require.NoError(t, err)
	out.Header = r.Header
	resp, err := server.Client().Do(out)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, "hijack", readAll(t, resp.Body))
}
