package signer

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/rag-assistant/webhooks/internal/hidden"
)

const (
	privatePrefix = "whsk_"
	publicPrefix  = "whpk_"
	maskedPrivate = privatePrefix + "***"
)

// PrivateKey is the sender's half of a pair for the asymmetric scheme of Standard
// Webhooks (v1a): an ed25519 key (RFC 8032). The receiver has the [PublicKey],
// with which nobody can sign, so there is nothing to steal from it. Everything
// that prints a PrivateKey or encodes it as text writes "whsk_***", and == does
// not compile. The zero PrivateKey is no key: [NewAsymmetric] refuses it, and it
// equals nothing.
type PrivateKey struct{ hiddenKey }

type hiddenKey = hidden.Value[ed25519.PrivateKey]

// NewPrivateKey makes a private key from [crypto/rand].
func NewPrivateKey() PrivateKey {
	var seed [ed25519.SeedSize]byte
	_, _ = rand.Read(seed[:]) // Never fails: the program ends if there is no randomness.
	return privateKeyOf(ed25519.NewKeyFromSeed(seed[:]))
}

// ParsePrivateKey reads "whsk_" and the standard base64, padded or not, of 64
// bytes: the seed and the public key that belongs to it. The error says what is
// wrong with text and does not quote it.
func ParsePrivateKey(text string) (PrivateKey, error) {
	raw, err := decode("private key", privatePrefix, text, base64.StdEncoding.Strict())
	if err != nil {
		return PrivateKey{}, fmt.Errorf("signer: parse: %w", err)
	}
	if len(raw) != ed25519.PrivateKeySize {
		return PrivateKey{}, fmt.Errorf("signer: parse: private key holds %d bytes, not %d", len(raw), ed25519.PrivateKeySize)
	}
	key := ed25519.NewKeyFromSeed(raw[:ed25519.SeedSize])
	// A signature made with a foreign public key gives the private key away.
	if subtle.ConstantTimeCompare(key, raw) != 1 {
		return PrivateKey{}, errors.New("signer: parse: private key does not end with its own public key")
	}
	return privateKeyOf(key), nil
}

func privateKeyOf(key ed25519.PrivateKey) PrivateKey {
	return PrivateKey{hidden.Of(maskedPrivate, key)}
}

// Reveal returns the plain text, to seal it. Nothing else returns it.
func (k PrivateKey) Reveal() string {
	if k.IsZero() {
		return ""
	}
	return privatePrefix + base64.StdEncoding.EncodeToString(k.hiddenKey.Reveal())
}

// Public returns the key to show to receivers, and the zero PublicKey for the
// zero PrivateKey.
func (k PrivateKey) Public() PublicKey {
	var public PublicKey
	if !k.IsZero() {
		copy(public.key[:], k.hiddenKey.Reveal()[ed25519.SeedSize:])
	}
	return public
}

// IsZero reports whether k is the zero PrivateKey.
func (k PrivateKey) IsZero() bool { return k.hiddenKey.IsZero() }

// Equal compares in constant time. A zero PrivateKey equals nothing, not even
// another one.
func (k PrivateKey) Equal(other PrivateKey) bool {
	return !k.IsZero() && !other.IsZero() && subtle.ConstantTimeCompare(k.hiddenKey.Reveal(), other.hiddenKey.Reveal()) == 1
}

// PublicKey is the receiver's half of a [PrivateKey]. It is no secret: it prints
// as it is, and it may be compared with ==. The zero PublicKey verifies nothing.
type PublicKey struct{ key [ed25519.PublicKeySize]byte }

// ParsePublicKey reads "whpk_" and the standard base64, padded or not, of 32
// bytes. It refuses keys of small order, such as 32 zeros, because signatures of
// such a key can be forged without any private key. The error says what is wrong
// with text and does not quote it, since text may be a private key.
func ParsePublicKey(text string) (PublicKey, error) {
	raw, err := decode("public key", publicPrefix, text, base64.StdEncoding.Strict())
	if err != nil {
		return PublicKey{}, fmt.Errorf("signer: parse: %w", err)
	}
	if len(raw) != ed25519.PublicKeySize {
		return PublicKey{}, fmt.Errorf("signer: parse: public key holds %d bytes, not %d", len(raw), ed25519.PublicKeySize)
	}
	k := PublicKey{key: [ed25519.PublicKeySize]byte(raw)}
	if k.smallOrder() {
		return PublicKey{}, errors.New("signer: parse: public key is none that a private key can have")
	}
	return k, nil
}

// IsZero reports whether k is the zero PublicKey.
func (k PublicKey) IsZero() bool {
	return subtle.ConstantTimeCompare(k.key[:], make([]byte, len(k.key))) == 1
}

// String returns "whpk_" and base64, and "" for the zero PublicKey.
func (k PublicKey) String() string {
	if k.IsZero() {
		return ""
	}
	return publicPrefix + base64.StdEncoding.EncodeToString(k.key[:])
}

// MarshalText returns what String does, also inside JSON.
func (k PublicKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// smallOrder reports whether k is one of the eight points of small order, in any
// of the encodings that crypto/ed25519 reads.
func (k PublicKey) smallOrder() bool {
	k.key[ed25519.PublicKeySize-1] &^= 0x80 // The sign of x: y tells enough.
	switch hex.EncodeToString(k.key[:]) {
	case "0000000000000000000000000000000000000000000000000000000000000000", // order 4
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // the same, plus the prime
		"0100000000000000000000000000000000000000000000000000000000000000", // order 1
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // the same, plus the prime
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // order 2
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", // order 8
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a": // order 8
		return true
	}
	return false
}
