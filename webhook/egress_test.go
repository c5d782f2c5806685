package webhook_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// resolvesTo answers every look-up with the same address.
type resolvesTo string

func (r resolvesTo) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr(string(r))}, nil
}

// sending is a dispatcher on the real transport, and what became of its attempts.
type sending struct {
	svc     *webhook.Service
	reg     webhook.Registered
	settled chan webhook.SettledInfo
	logs    *syncBuffer
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// startSending runs a dispatcher until the test ends and publishes an event for url.
func startSending(t *testing.T, rules *egress.Options, url string) (*sending, webhook.SettledInfo) {
	t.Helper()
	st := memstore.New(nil)
	s := &sending{settled: make(chan webhook.SettledInfo, 10), logs: &syncBuffer{}}
	var err error
	s.svc, err = webhook.NewService(st, &webhook.ServiceOptions{Egress: rules})
	require.NoError(t, err)
	s.reg, err = s.svc.Register(t.Context(), harness.Merchant, webhook.Registration{URL: url, Events: []string{"*"}})
	require.NoError(t, err)
	d, err := webhook.NewDispatcher(st, &webhook.DispatcherOptions{
		Egress: rules, Logger: slog.New(slog.NewTextHandler(s.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Observer: webhook.Observer{Settled: func(_ context.Context, i webhook.SettledInfo) { s.settled <- i }},
	})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- d.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-stopped)
	})
	_, err = s.svc.Publish(t.Context(), harness.Merchant, event.New(event.DocumentDeleted{DocumentID: "d"}))
	require.NoError(t, err)
	return s, <-s.settled
}

// tunnels is a proxy that leads every tunnel to the same server.
type tunnels struct {
	target string
	asked  chan *http.Request
}

func (p *tunnels) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.asked <- r
	if r.Header.Get("Proxy-Authorization") != "Basic dXNlcjpwYTU1LXdvcmQ=" { // user:pa55-word
		w.Header().Set("Proxy-Authenticate", "Basic")
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	far, err := net.Dial("tcp", p.target)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	w.WriteHeader(http.StatusOK)
	near, in, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = far.Close()
		return
	}
	var copies sync.WaitGroup
	copies.Go(func() {
		_, _ = io.Copy(far, in)
		_ = far.Close()
	})
	_, _ = io.Copy(near, far)
	_ = near.Close()
	copies.Wait()
}

func newTunnels(t *testing.T, target string) (*tunnels, string) {
	t.Helper()
	p := &tunnels{target: target, asked: make(chan *http.Request, 10)}
	srv := httptest.NewServer(p)
	t.Cleanup(srv.Close)
	return p, srv.Listener.Addr().String()
}

func clientCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "webhooks of ours"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestProxyAndClientCertificate delivers to a receiver that wants to know who
// sends, from a network that has no other way out than a proxy.
func TestProxyAndClientCertificate(t *testing.T) {
	t.Parallel()
	own := clientCertificate(t)
	names := make(chan string, 1)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		names <- r.TLS.PeerCertificates[0].Subject.CommonName
	}))
	leaf, err := x509.ParseCertificate(own.Certificate[0])
	require.NoError(t, err)
	clients := x509.NewCertPool()
	clients.AddCert(leaf)
	srv.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients, MinVersion: tls.VersionTLS12}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate()) // It is for example.com.
	proxy, address := newTunnels(t, srv.Listener.Addr().String())

	rules := &egress.Options{
		RootCAs: roots, Resolver: resolvesTo("8.8.8.8"), ClientCertificate: egress.Certificates(own),
		Proxy: &egress.Proxy{URL: "http://user:pa55-word@" + address},
	}
	s, got := startSending(t, rules, "https://example.com/hook")
	require.Equal(t, webhook.SettledInfo{AttemptInfo: got.AttemptInfo, Status: webhook.DeliverySucceeded}, got)
	require.Equal(t, "webhooks of ours", <-names)
	require.Equal(t, "8.8.8.8:443", (<-proxy.asked).RequestURI)
	require.NotContains(t, s.logs.String(), "pa55-word")
}

// TestAProxyThatRefusesUsBlamesNoReceiver has a password that is wrong.
func TestAProxyThatRefusesUsBlamesNoReceiver(t *testing.T) {
	t.Parallel()
	proxy, address := newTunnels(t, "")
	rules := &egress.Options{Resolver: resolvesTo("8.8.8.8"), Proxy: &egress.Proxy{URL: "http://user:old-pa55-word@" + address}}
	s, got := startSending(t, rules, "https://example.com/hook")
	require.Len(t, proxy.asked, 1)
	require.Equal(t, webhook.CodeInternal, got.Code)
	require.Equal(t, webhook.DeliveryPending, got.Status)
	d, err := s.svc.Delivery(t.Context(), harness.Merchant, s.reg.Webhook.ID, got.DeliveryID)
	require.NoError(t, err)
	require.Zero(t, d.Attempts)
	require.Equal(t, 1, d.Reclaims)
	w, err := s.svc.Webhook(t.Context(), harness.Merchant, s.reg.Webhook.ID)
	require.NoError(t, err)
	require.Zero(t, w.ConsecutiveFailures)
	require.Contains(t, s.logs.String(), "proxy: status 407")
	for _, leak := range []string{"pa55-word", "Basic", address} {
		require.NotContains(t, s.logs.String(), leak)
	}
}

// TestAHostThatTurnedPrivateIsNotDialled was a public one at registration.
func TestAHostThatTurnedPrivateIsNotDialled(t *testing.T) {
	t.Parallel()
	var connections atomic.Int32
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ConnState = func(net.Conn, http.ConnState) { connections.Add(1) }
	srv.StartTLS()
	t.Cleanup(srv.Close)
	port := netip.MustParseAddrPort(srv.Listener.Addr().String()).Port()
	rules := &egress.Options{Resolver: resolvesTo("127.0.0.1"), AllowPort: egress.Ports(port)}
	s, got := startSending(t, rules, fmt.Sprintf("https://example.com:%d/hook", port))
	require.Equal(t, webhook.CodeBlockedAddress, got.Code)
	d, err := s.svc.Delivery(t.Context(), harness.Merchant, s.reg.Webhook.ID, got.DeliveryID)
	require.NoError(t, err)
	require.Equal(t, webhook.CodeBlockedAddress, d.Log[0].Code)
	require.Empty(t, d.Log[0].ResponseBody)
	require.Zero(t, connections.Load())
}

// TestMerchantsShareNoConnection sends for two merchants by turns to one host, which keeps
// connections.
func TestMerchantsShareNoConnection(t *testing.T) {
	t.Parallel()
	var connections atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	srv.Config.ConnState = func(_ net.Conn, is http.ConnState) {
		if is == http.StateNew {
			connections.Add(1)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	rules := &egress.Options{InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true}
	s, got := startSending(t, rules, srv.URL)
	require.Equal(t, webhook.DeliverySucceeded, got.Status)
	_, err := s.svc.Register(t.Context(), harness.Victim, webhook.Registration{URL: srv.URL, Events: []string{"*"}})
	require.NoError(t, err)
	for range 3 {
		for _, merchantID := range []string{harness.Victim, harness.Merchant} {
			_, err := s.svc.Publish(t.Context(), merchantID, event.New(event.DocumentDeleted{DocumentID: "d"}))
			require.NoError(t, err)
			require.Equal(t, webhook.DeliverySucceeded, harness.Receive(t, s.settled).Status)
		}
	}
	require.EqualValues(t, 2, connections.Load())
}

// TestSecretsOfTheTransportDoNotShow is TestKeysDoNotShow for Egress.
func TestSecretsOfTheTransportDoNotShow(t *testing.T) {
	t.Parallel()
	own := clientCertificate(t)
	rules := &egress.Options{
		Proxy: &egress.Proxy{URL: "http://us3r-name:pa55-word@10.0.0.5:3128"}, ClientCertificate: egress.Certificates(own),
	}
	st := memstore.New(nil)
	so, do := webhook.ServiceOptions{Egress: rules}, webhook.DispatcherOptions{Egress: rules}
	svc, err := webhook.NewService(st, &so)
	require.NoError(t, err)
	disp, err := webhook.NewDispatcher(st, &do)
	require.NoError(t, err)
	key, ok := own.PrivateKey.(*ecdsa.PrivateKey)
	require.True(t, ok)
	scalar, err := key.Bytes()
	require.NoError(t, err)
	for name, v := range map[string]any{
		"ServiceOptions": so, "*ServiceOptions": &so, "DispatcherOptions": do, "*DispatcherOptions": &do,
		"Service": svc, "Dispatcher": disp, "values": []any{*svc, rules, *rules},
	} {
		var text strings.Builder
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&text, verb+"\n", v)
		}
		encoded, err := json.Marshal(v)
		fmt.Fprintf(&text, "%s %v\n", encoded, err)
		for _, h := range []slog.Handler{slog.NewTextHandler(&text, nil), slog.NewJSONHandler(&text, nil)} {
			slog.New(h).LogAttrs(context.Background(), slog.LevelInfo, "options", slog.Any("value", v))
		}
		for _, leak := range []string{
			"us3r-name", "pa55-word", "7061353", "dXMzci1uYW1l", fmt.Sprintf("%x", scalar[:4]), fmt.Sprintf("%X", scalar[:4]),
			strings.Trim(fmt.Sprintf("%d", scalar[:4]), "[]"), new(big.Int).SetBytes(scalar).String()[:10],
		} {
			require.NotContains(t, text.String(), leak, name)
		}
	}
}
