package egress_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

// receiver is a listener that plays a script on every connection.
type receiver struct {
	address  string
	accepted atomic.Int32
}

// peer is the receiver's end of a connection.
type peer struct {
	net.Conn // with TLS, if any

	raw *net.TCPConn
	in  *bufio.Reader
}

// request reads one request with its body.
func (p *peer) request() (*http.Request, []byte, error) {
	r, err := http.ReadRequest(p.in)
	if err != nil {
		return nil, nil, err
	}
	body, err := io.ReadAll(r.Body)
	return r, body, err
}

// say reads a request and writes text.
func (p *peer) say(text string) {
	if _, _, err := p.request(); err == nil {
		_, _ = io.WriteString(p, text)
	}
}

// reset closes with RST instead of FIN.
func (p *peer) reset() {
	_ = p.raw.SetLinger(0)
	_ = p.raw.Close()
}

// untilClosed returns once the other side has hung up.
func (p *peer) untilClosed() { _, _ = io.Copy(io.Discard, p.in) }

// receive starts a receiver, over TLS if config is not nil. Script runs once
// for each connection, which is closed when it returns.
func receive(tb testing.TB, config *tls.Config, script func(p *peer)) *receiver {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	r := &receiver{address: ln.Addr().String()}
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			r.accepted.Add(1)
			raw, _ := conn.(*net.TCPConn)
			p := &peer{Conn: conn, raw: raw}
			if config != nil {
				p.Conn = tls.Server(conn, config)
			}
			p.in = bufio.NewReader(p.Conn)
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			wg.Go(func() {
				script(p)
				_ = p.Close()
				_ = conn.Close()
				mu.Lock()
				delete(open, conn)
				mu.Unlock()
			})
		}
	})
	tb.Cleanup(func() {
		_ = ln.Close()
		mu.Lock()
		for conn := range open {
			_ = conn.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return r
}

// authority is a certificate authority of the tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(tb testing.TB) *authority {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(tb, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority " + rand.Text()},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(tb, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(tb, err)
	return &authority{cert: cert, key: key}
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// itself returns a configuration with the authority's own certificate.
func (a *authority) itself() *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{a.cert.Raw}, PrivateKey: a.key}},
		MinVersion:   tls.VersionTLS12,
	}
}

// issue returns a configuration with a certificate for hooks.example.com, after
// change had its way with it.
func (a *authority) issue(tb testing.TB, change func(*x509.Certificate)) *tls.Config {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(tb, err)
	template := forReceiver()
	if change != nil {
		change(template)
	}
	return serverConfig(tb, template, a.cert, key, a.key)
}

// client returns a certificate to be shown by a client.
func (a *authority) client(tb testing.TB, name string) tls.Certificate {
	tb.Helper()
	return a.issue(tb, func(c *x509.Certificate) {
		c.Subject.CommonName, c.DNSNames = name, nil
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	}).Certificates[0]
}

// wanting returns config with clients' certificates of a wanted.
func (a *authority) wanting(config *tls.Config, how tls.ClientAuthType) *tls.Config {
	config = config.Clone()
	config.ClientAuth, config.ClientCAs = how, a.pool()
	return config
}

// selfSigned returns a certificate for hooks.example.com that no authority made.
func selfSigned(tb testing.TB) *tls.Config {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(tb, err)
	return serverConfig(tb, forReceiver(), forReceiver(), key, key)
}

func forReceiver() *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "receiver"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"hooks.example.com"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
}

func serverConfig(tb testing.TB, template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) *tls.Config {
	tb.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	require.NoError(tb, err)
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
		MinVersion:   tls.VersionTLS12,
	}
}

// sender returns an Egress with the default rules whose connections to the
// public host hooks.example.com end at r, and the URL to post to.
func (a *authority) sender(tb testing.TB, r *receiver, o egress.Options) (*egress.Egress, string) {
	tb.Helper()
	o.RootCAs = a.pool()
	o.Resolver = answer("8.8.8.8")
	e := newEgress(tb, &o)
	new(dials).to(e, r.address)
	return e, "https://hooks.example.com/hook"
}
