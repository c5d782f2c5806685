package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// login issues tokens and publishes the keys that verify them.
type login struct {
	url         string
	authorities *x509.CertPool
	server      *httptest.Server

	mu      sync.Mutex
	keys    []signingKey
	broken  bool
	refused chan struct{} // closed when a request has failed
}

type signingKey struct {
	id      string
	private *ecdsa.PrivateKey
}

// newLogin starts a login on loopback, with a certificate of its own authority.
func newLogin() (*login, error) {
	l := &login{authorities: x509.NewCertPool()}
	certificate, err := l.certify()
	if err != nil {
		return nil, err
	}
	l.server = httptest.NewUnstartedServer(l)
	l.server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	l.server.StartTLS()
	l.url = l.server.URL + "/.well-known/jwks.json"
	return l, nil
}

func (l *login) close() { l.server.Close() }

// certify makes an authority and, with it, a certificate for 127.0.0.1.
func (l *login) certify() (tls.Certificate, error) {
	authority, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, root, root, authority.Public(), authority)
	if err != nil {
		return tls.Certificate{}, err
	}
	if root, err = x509.ParseCertificate(der); err != nil {
		return tls.Certificate{}, err
	}
	l.authorities.AddCert(root)

	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err = x509.CreateCertificate(rand.Reader, leaf, root, private.Public(), authority)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}, err
}

// addKey makes a key and publishes it.
func (l *login) addKey(id string) error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keys = append(l.keys, signingKey{id, private})
	return nil
}

// claims adds what all tokens have.
func (l *login) claims(c jwt.MapClaims) jwt.MapClaims {
	c["iss"], c["aud"] = issuer, audience
	if c["exp"] == nil {
		c["exp"] = time.Now().Add(10 * time.Minute).Unix()
	}
	return c
}

// token signs with the key of that id.
func (l *login) token(keyID string, c jwt.MapClaims) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.IndexFunc(l.keys, func(k signingKey) bool { return k.id == keyID })
	token := jwt.NewWithClaims(jwt.SigningMethodES256, l.claims(c))
	token.Header["kid"] = keyID
	return token.SignedString(l.keys[i].private)
}

// takeDown lets every request fail, and returns when one has.
func (l *login) takeDown(ctx context.Context) error {
	l.mu.Lock()
	l.broken, l.refused = true, make(chan struct{})
	refused := l.refused
	l.mu.Unlock()
	select {
	case <-refused:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// bringBack lets requests succeed again, and withdraws a key.
func (l *login) bringBack(without string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = false
	l.keys = slices.DeleteFunc(l.keys, func(k signingKey) bool { return k.id == without })
}

// ServeHTTP answers with the JWK Set.
func (l *login) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.broken {
		http.Error(w, "down for maintenance", http.StatusServiceUnavailable)
		if l.refused != nil {
			close(l.refused)
			l.refused = nil
		}
		return
	}
	var keys []map[string]string
	for _, k := range l.keys {
		point, err := k.private.PublicKey.Bytes() // 4, x, y
		if err != nil {
			http.Error(w, "", http.StatusInternalServerError)
			return
		}
		keys = append(keys, map[string]string{
			"kid": k.id, "use": "sig", "alg": "ES256", "kty": "EC", "crv": "P-256",
			"x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:]),
		})
	}
	text, err := json.Marshal(map[string]any{"keys": keys})
	if err != nil {
		http.Error(w, "", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	_, _ = w.Write(text)
}
