package jwtauth_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/jwtauth"
)

const jwksURL = "https://login.example.com/.well-known/jwks.json?api_key=hunter2"

// answer is what a login makes of a request.
type answer func(*http.Request) (status int, body io.ReadCloser, err error)

// login publishes keys, in process, to tests in fake time. It counts who asks.
type login struct {
	t       *testing.T
	mu      sync.Mutex
	answer  answer
	fetches []time.Time
	logs    bytes.Buffer
}

func (l *login) RoundTrip(r *http.Request) (*http.Response, error) {
	l.mu.Lock()
	l.fetches = append(l.fetches, time.Now())
	does := l.answer
	l.mu.Unlock()
	if r.URL.String() != jwksURL || r.Method != http.MethodGet || !r.Close {
		l.t.Errorf("unexpected request: %s %s", r.Method, r.URL)
	}
	status, body, err := does(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Request: r, Body: body}, nil
}

// Write takes a line of the log.
func (l *login) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.logs.Write(p)
}

func (l *login) logged() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.logs.String()
}

// does makes the login answer like that from now on.
func (l *login) does(a answer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answer = a
}

// publishes makes it answer with these keys.
func (l *login) publishes(kids ...string) { l.does(says(http.StatusOK, string(published(kids...)))) }

// count is how often it was asked.
func (l *login) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.fetches)
}

func says(status int, body string) answer {
	return func(*http.Request) (int, io.ReadCloser, error) {
		return status, io.NopCloser(strings.NewReader(body)), nil
	}
}

// breaks is a login that cannot be reached.
func breaks(reason string) answer {
	return func(*http.Request) (int, io.ReadCloser, error) { return 0, nil, errors.New(reason) }
}

// hangs answers when the client gives up.
func hangs(r *http.Request) (int, io.ReadCloser, error) {
	<-r.Context().Done()
	return 0, nil, r.Context().Err()
}

// named is a key that is made from its id.
func named(kid string) issuer {
	seed := sha256.Sum256([]byte(kid))
	return issuer{jwt.SigningMethodEdDSA, ed25519.NewKeyFromSeed(seed[:])}
}

func published(kids ...string) []byte {
	var keys []map[string]any
	for _, kid := range kids {
		keys = append(keys, named(kid).jwk(map[string]any{"kid": kid, "use": "sig", "alg": "EdDSA"}))
	}
	return document(keys...)
}

// of is a token that names its key.
func of(kid string) string { return named(kid).token("header.kid", strconv.Quote(kid)) }

// service is a Remote with its login, and an Authenticator over it.
type service struct {
	*login

	remote *jwtauth.Remote
	auth   *jwtauth.Authenticator
}

func newService(t *testing.T, o jwtauth.RemoteOptions) *service {
	t.Helper()
	l := &login{t: t}
	l.publishes("k1")
	o.Transport = l
	o.Logger = slog.New(slog.NewTextHandler(l, nil))
	remote, err := jwtauth.NewRemote(jwksURL, &o)
	require.NoError(t, err)
	return &service{login: l, remote: remote, auth: newAuth(t, remote, jwtauth.Options{InsecureAnyAudience: true})}
}

// run starts Run. The returned function stops it and waits for its end.
func (s *service) run() (stop func()) {
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- s.remote.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(s.t, <-done)
	}
}

// verify is the error of a token of this key.
func (s *service) verify(kid string) error {
	_, err := s.auth.Verify(s.t.Context(), of(kid))
	return err
}
