package jwtauth

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// Keys is where an [Authenticator] finds the key of a token: a [*Set], which does
// not change, or a [*Remote].
type Keys interface {
	// candidates returns the keys that verify a token with this alg and kid, which
	// is empty if the token names none. No key is an error.
	candidates(ctx context.Context, alg, kid string) ([]jwt.VerificationKey, error)
}

// Set is a fixed set of keys. A key with an id verifies the tokens that name it, and
// those that name none. A key without an id verifies all. A Set is safe for
// concurrent use, and never prints its keys.
type Set struct {
	keys []key
}

type key struct {
	id   string
	algs []string                   // the algorithms of this kind of key
	key  func() jwt.VerificationKey // a function, so that nothing prints it
}

func newKey(k jwt.VerificationKey, algs ...string) key {
	return key{algs: algs, key: func() jwt.VerificationKey { return k }}
}

// RSA keys outside these bounds are too weak (RFC 7518, section 3.3), or too slow.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

var errNoKey = errors.New("no key fits the token's kid and alg")

// Secrets returns a set that verifies HS256 with any of the given secrets, each of at
// least 32 bytes (RFC 7518, section 3.2). To change a secret, add the new one here,
// then switch the login to it, then remove the old one here.
func Secrets(secrets ...[]byte) (*Set, error) {
	set := &Set{}
	for i, secret := range secrets {
		k, err := symmetric(secret, jwt.SigningMethodHS256.Alg())
		if err != nil {
			return nil, fmt.Errorf("jwtauth: make set: secrets[%d] %w", i, err)
		}
		set.keys = append(set.keys, k)
	}
	if len(set.keys) == 0 {
		return nil, errors.New("jwtauth: make set: no secret given")
	}
	return set, nil
}

// ParsePEM returns a set of all keys in a PEM file, in blocks PUBLIC KEY, RSA PUBLIC
// KEY and CERTIFICATE. Of a certificate, it takes the key and ignores dates and
// issuer, so do not include certificates of authorities. A private key is refused,
// because nobody but the login should have it.
func ParsePEM(text []byte) (*Set, error) {
	set := &Set{}
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		text = rest
		k, err := parseBlock(block)
		if err != nil {
			return nil, fmt.Errorf("jwtauth: parse: PEM block %d: %w", len(set.keys), err)
		}
		set.keys = append(set.keys, k)
	}
	switch {
	case len(set.keys) == 0:
		return nil, errors.New("jwtauth: parse: no PEM block found")
	case len(bytes.TrimSpace(text)) > 0:
		return nil, errors.New("jwtauth: parse: the last PEM block is followed by something that is none")
	}
	return set, nil
}

func parseBlock(block *pem.Block) (key, error) {
	var public any
	var err error
	switch {
	case block.Type == "PUBLIC KEY":
		public, err = x509.ParsePKIXPublicKey(block.Bytes)
	case block.Type == "RSA PUBLIC KEY":
		public, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case block.Type == "CERTIFICATE":
		var cert *x509.Certificate
		if cert, err = x509.ParseCertificate(block.Bytes); err == nil {
			public = cert.PublicKey
		}
	case strings.HasSuffix(block.Type, "PRIVATE KEY"):
		err = errPrivate
	default:
		err = errors.New("is neither a public key nor a certificate")
	}
	if err != nil {
		return key{}, err
	}
	return asymmetric(public)
}

var (
	errPrivate     = errors.New("is a private key, which does not belong here")
	errUnsupported = errors.New("is not for signatures that are supported")
)

// asymmetric returns the key with every algorithm that suits it.
func asymmetric(public any) (key, error) {
	switch p := public.(type) {
	case *rsa.PublicKey:
		if bits := p.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return key{}, fmt.Errorf("is an RSA key of %d bits, not %d to %d", bits, minRSABits, maxRSABits)
		}
		if p.E < 3 || p.E%2 == 0 {
			return key{}, errors.New("is an RSA key whose exponent is not odd or is 1")
		}
		return newKey(p, "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), nil
	case *ecdsa.PublicKey:
		var alg string
		switch p.Curve {
		case elliptic.P256():
			alg = "ES256"
		case elliptic.P384():
			alg = "ES384"
		case elliptic.P521():
			alg = "ES512"
		default:
			return key{}, fmt.Errorf("%w: its curve", errUnsupported)
		}
		return newKey(p, alg), nil
	case ed25519.PublicKey:
		return newKey(p, "EdDSA"), nil
	}
	return key{}, fmt.Errorf("%w: its type", errUnsupported)
}

// symmetric returns the key for one algorithm. It fails if secret is too short.
func symmetric(secret []byte, alg string) (key, error) {
	var least int
	switch alg {
	case "HS256":
		least = 32
	case "HS384":
		least = 48
	case "HS512":
		least = 64
	default:
		return key{}, fmt.Errorf("%w: its algorithm", errUnsupported)
	}
	if len(secret) < least {
		return key{}, fmt.Errorf("is shorter than the %d bytes that %s needs", least, alg)
	}
	return newKey(bytes.Clone(secret), alg), nil
}

func (s *Set) candidates(_ context.Context, alg, kid string) ([]jwt.VerificationKey, error) {
	var out []jwt.VerificationKey
	for _, k := range s.keys {
		if (k.id == "" || kid == "" || k.id == kid) && slices.Contains(k.algs, alg) {
			out = append(out, k.key())
		}
	}
	if len(out) == 0 {
		return nil, errNoKey
	}
	return out, nil
}

// has reports whether the set has a key that may verify a token with this kid.
func (s *Set) has(kid string) bool {
	return slices.ContainsFunc(s.keys, func(k key) bool { return k.id == "" || k.id == kid })
}
