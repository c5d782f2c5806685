package webhooktest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"time"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

// Egress returns the options with which a service and a dispatcher reach this
// endpoint and the others: they trust the certificates and allow loopback. It panics
// for an endpoint InProcess, which has neither.
func (ep *Endpoint) Egress(others ...*Endpoint) *egress.Options {
	pool := x509.NewCertPool()
	for _, e := range append([]*Endpoint{ep}, others...) {
		if e.server == nil {
			panic("webhooktest: egress: an endpoint InProcess is reached through its Transport")
		}
		pool.AddCert(e.server.Certificate())
	}
	return &egress.Options{RootCAs: pool, InsecureAllowPrivateNetworks: true}
}

// listen starts the server.
func (ep *Endpoint) listen() error {
	certificate, err := newCertificate()
	if err != nil {
		return fmt.Errorf("make a certificate: %w", err)
	}
	ep.faults = new(handshakes)
	ep.server = httptest.NewUnstartedServer(http.HandlerFunc(ep.serve))
	ep.server.Config.ErrorLog = log.New(ep.faults, "", 0)
	ep.server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	ep.server.StartTLS()
	ep.url = ep.server.URL + "/"
	return nil
}

// newCertificate makes a certificate for loopback that is its own authority.
func newCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "webhooktest"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA:        true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// handshakes counts TLS handshakes that failed in what net/http logs, and drops
// the rest.
type handshakes struct{ n atomic.Int64 }

func (h *handshakes) Write(line []byte) (int, error) {
	if bytes.Contains(line, []byte("TLS handshake error")) {
		h.n.Add(1)
	}
	return len(line), nil
}

func (h *handshakes) count() int64 { return h.n.Load() }

func (ep *Endpoint) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // The request has not arrived whole.
	}
	a := ep.record(r.Method, "https://"+r.Host+r.URL.String(), r.Header.Clone(), body)
	if !ep.pause(r.Context(), a.delay) {
		panic(http.ErrAbortHandler)
	}
	switch a.end {
	case reset:
		resetConnection(w)
	case complete, open:
		maps.Copy(w.Header(), a.header)
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.body)
	}
	if a.end == open || a.end == silence {
		if a.end == open {
			_ = http.NewResponseController(w).Flush()
		}
		ep.hang(r.Context())
		panic(http.ErrAbortHandler)
	}
}

// resetConnection closes with RST instead of FIN.
func resetConnection(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
