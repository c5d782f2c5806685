package jwtauth

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"github.com/rag-assistant/webhooks/webhook/internal/strictjson"
)

// Bounds of a JWK Set. Large ones in use have a dozen keys and 20 KiB.
const (
	maxDocument = 256 << 10
	maxKeys     = 64
)

// ParseJWKS returns the keys of a JWK Set (RFC 7517) that verify signatures. It
// respects alg, use and key_ops, leaves out keys for other purposes, and ignores
// certificates beside a key. Secrets (kty oct) without an alg are for HS256. Private
// keys are refused.
func ParseJWKS(document []byte) (*Set, error) {
	set, err := parseJWKS(document, false)
	if err != nil {
		return nil, fmt.Errorf("jwtauth: parse: %w", err)
	}
	return set, nil
}

// parseJWKS reads a set. If it is public, anybody can fetch it: then secrets are
// refused, and a faulty key is left out instead of failing the set.
func parseJWKS(document []byte, public bool) (*Set, error) {
	fields, err := strictjson.Object(document, strictjson.Limits{Size: maxDocument, Depth: 16})
	if err != nil {
		return nil, fmt.Errorf("JWK Set: %w", err)
	}
	var members []json.RawMessage
	if err := json.Unmarshal(fields.Get("keys"), &members); err != nil || members == nil {
		return nil, errors.New("JWK Set: keys is not an array")
	}
	if len(members) > maxKeys {
		return nil, fmt.Errorf("JWK Set: has more than %d keys", maxKeys)
	}
	set := &Set{}
	var unfit []error
	for i, member := range members {
		k, err := parseJWK(member, public)
		switch {
		case err == nil:
			set.keys = append(set.keys, k)
		case public, errors.Is(err, errUnsupported):
			unfit = append(unfit, fmt.Errorf("keys[%d] %w", i, err))
		default:
			return nil, fmt.Errorf("JWK Set: keys[%d] %w", i, err)
		}
	}
	if len(set.keys) == 0 {
		return nil, fmt.Errorf("JWK Set: has no key that verifies signatures: %w", errors.Join(unfit...))
	}
	return set, nil
}

// jwk is a key's members. Its methods note the first fault.
type jwk struct {
	fields strictjson.Fields
	err    error
}

func parseJWK(text []byte, public bool) (key, error) {
	fields, err := strictjson.Object(text, strictjson.Limits{Depth: 16})
	if err != nil {
		return key{}, errors.New("is not an object")
	}
	m := &jwk{fields: fields}
	id, alg, kind := m.text("kid"), m.text("alg"), m.text("kty")
	if !m.verifies() {
		return key{}, fmt.Errorf("%w: its use or key_ops", errUnsupported)
	}
	var k key
	switch {
	case m.err != nil:
		return key{}, m.err
	case kind == "oct" && public:
		return key{}, errors.New("is a secret that anybody can fetch")
	case kind == "oct":
		if alg == "" {
			alg = "HS256"
		}
		secret := m.bytes("k")
		if m.err == nil {
			k, err = symmetric(secret, alg)
		}
	case m.fields.Get("d") != nil:
		return key{}, errPrivate
	default:
		k, err = m.public(kind)
	}
	if err = errors.Join(m.err, err); err != nil {
		return key{}, err
	}
	if alg != "" {
		if !slices.Contains(k.algs, alg) {
			return key{}, fmt.Errorf("%w: its alg", errUnsupported)
		}
		k.algs = []string{alg}
	}
	k.id = id
	return k, nil
}

// public reads the parameters of RFC 7518, section 6, and RFC 8037, section 2.
func (m *jwk) public(kind string) (key, error) {
	switch kind {
	case "RSA":
		n, e := new(big.Int).SetBytes(m.bytes("n")), new(big.Int).SetBytes(m.bytes("e"))
		if e.BitLen() > 31 || n.Bit(0) == 0 {
			return key{}, errors.New("is an RSA key with an impossible modulus or exponent")
		}
		return asymmetric(&rsa.PublicKey{N: n, E: int(e.Int64())})
	case "EC":
		curve, ok := map[string]elliptic.Curve{
			"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521(),
		}[m.text("crv")]
		if !ok {
			return key{}, fmt.Errorf("%w: its crv", errUnsupported)
		}
		p, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, m.bytes("x"), m.bytes("y")))
		if err != nil {
			return key{}, errors.New("is an EC key that is not on its curve, or of another length")
		}
		return asymmetric(p)
	case "OKP":
		if m.text("crv") != "Ed25519" {
			return key{}, fmt.Errorf("%w: its crv", errUnsupported)
		}
		x := m.bytes("x")
		if len(x) != ed25519.PublicKeySize {
			return key{}, errors.New("is an Ed25519 key of another length than 32 bytes")
		}
		return asymmetric(ed25519.PublicKey(x))
	}
	return key{}, fmt.Errorf("%w: its kty", errUnsupported)
}

// verifies reports whether use and key_ops, where present, allow verifying.
func (m *jwk) verifies() bool {
	if use := m.fields.Get("use"); use != nil && m.text("use") != "sig" {
		return false
	}
	ops := m.fields.Get("key_ops")
	if ops == nil {
		return true
	}
	all, ok := texts(ops)
	return ok && slices.Contains(all, "verify")
}

// text returns a member, and "" if there is none.
func (m *jwk) text(name string) string {
	value := m.fields.Get(name)
	s, ok := strictjson.String(value)
	if !ok && value != nil && m.err == nil {
		m.err = fmt.Errorf("has a %s that is not a string", name)
	}
	return s
}

// bytes decodes a member in base64url.
func (m *jwk) bytes(name string) []byte {
	b, err := base64.RawURLEncoding.Strict().DecodeString(m.text(name))
	if (err != nil || len(b) == 0) && m.err == nil {
		m.err = fmt.Errorf("has no %s in base64url", name)
	}
	return b
}

// texts returns the strings of an array, and false if value is no array of
// strings. Value has passed strictjson.
func texts(value []byte) ([]string, bool) {
	all, others, ok := strictjson.Strings(value)
	return all, ok && len(others) == 0
}
