package jwtauth_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/jwtauth"
)

// serveTLS is a real server with a certificate of its own authority.
func serveTLS(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(srv.Close)
	return srv
}

// trusting fetches from an address with the servers' authorities. Run ends with
// the test.
func trusting(t *testing.T, address string, servers ...*httptest.Server) *jwtauth.Authenticator {
	t.Helper()
	pool := x509.NewCertPool()
	for _, srv := range servers {
		pool.AddCert(srv.Certificate())
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, ForceAttemptHTTP2: true}
	remote, err := jwtauth.NewRemote(address, &jwtauth.RemoteOptions{Transport: transport})
	require.NoError(t, err)
	s := &service{login: &login{t: t}, remote: remote}
	t.Cleanup(s.run())
	return newAuth(t, remote, jwtauth.Options{InsecureAnyAudience: true})
}

func TestOverTLS(t *testing.T) {
	t.Parallel()
	var keys atomic.Pointer[[]byte]
	publish := func(kids ...string) {
		text := published(kids...)
		keys.Store(&text)
	}
	publish("k1")
	srv := serveTLS(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Accept"), "json") {
			_, _ = w.Write(*keys.Load())
		}
	}))
	auth := trusting(t, srv.URL, srv)
	accept(t, auth, of("k1"))
	publish("k1", "k2")
	accept(t, auth, of("k2"))
	accept(t, auth, of("k1"))
}

func TestUntrustedServer(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	srv := serveTLS(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write(published("k1"))
	}))
	for _, address := range []string{srv.URL, strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)} {
		auth := trusting(t, address)
		if address != srv.URL {
			auth = trusting(t, address, srv) // the right authority for another name
		}
		_, err := auth.Verify(t.Context(), of("k1"))
		require.ErrorIs(t, err, webhook.ErrUnavailable)
	}
	require.Zero(t, asked.Load())
}

func TestRedirects(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write(published("k1"))
	}))
	t.Cleanup(plain.Close)
	to := func(target string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, target, http.StatusFound) }
	}
	routes := http.NewServeMux()
	routes.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(published("k1")) })
	routes.Handle("/once", to("/keys"))
	routes.Handle("/three", to("/two"))
	routes.Handle("/two", to("/once"))
	routes.Handle("/four", to("/three"))
	routes.Handle("/loop", to("/loop"))
	routes.Handle("/down", to(plain.URL))
	routes.Handle("/down2", to("/down"))
	routes.Handle("/file", to("file:///etc/passwd"))
	srv := serveTLS(t, routes)
	for path, good := range map[string]bool{
		"/keys": true, "/once": true, "/three": true, "/four": false, "/loop": false, "/down": false, "/down2": false, "/file": false,
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			auth := trusting(t, srv.URL+path, srv)
			if good {
				accept(t, auth, of("k1"))
				return
			}
			_, err := auth.Verify(t.Context(), of("k1"))
			require.ErrorIs(t, err, webhook.ErrUnavailable)
			require.Zero(t, asked.Load())
		})
	}
}
