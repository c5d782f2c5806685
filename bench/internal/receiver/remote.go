package receiver

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"time"

	"github.com/rag-assistant/webhooks/bench/internal/proc"
)

// Addresses say where a receiver is, and whom to trust: a certificate in PEM.
type Addresses struct {
	HTTP, HTTPS string
	Authority   string
}

type awaiting struct {
	Count   int64
	Timeout time.Duration
}

// Remote is a receiver in another process.
type Remote struct {
	Addresses

	child *proc.Child
}

// Start starts a receiver.
func Start(ctx context.Context) (*Remote, error) {
	child, err := proc.Start(ctx, Role)
	if err != nil {
		return nil, err
	}
	r := &Remote{child: child}
	if err := child.Call("addresses", nil, &r.Addresses); err != nil {
		return nil, err
	}
	return r, nil
}

// Reset forgets what was received.
func (r *Remote) Reset(w Window) error { return r.child.Call("reset", w, nil) }

// Await waits until n requests have been received since the last Reset.
func (r *Remote) Await(n int64, timeout time.Duration) error {
	return r.child.Call("await", awaiting{Count: n, Timeout: timeout}, nil)
}

// Stats returns what was received since the last Reset.
func (r *Remote) Stats() (Stats, error) {
	var s Stats
	err := r.child.Call("stats", nil, &s)
	return s, err
}

// Close ends the process.
func (r *Remote) Close() error { return r.child.Close() }

// newCertificate makes a certificate for the loopback, which vouches for itself.
func newCertificate() (cert tls.Certificate, authority string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, "", err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "bench"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(7 * 24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, "", err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), nil
}
