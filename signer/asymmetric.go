package signer

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

const (
	asymmetricPrefix = "v1a,"
	asymmetricSize   = (ed25519.SignatureSize + 2) / 3 * 4 // base64 of a signature
)

// maxAsymmetric is how many v1a signatures a header may hold. Each costs a
// verification with each key, and a header has room for thousands.
const maxAsymmetric = 10

// NewAsymmetric returns a Signer for receivers that hold the public key of
// current. It lists a v1a signature of each key in [HeaderStandardSignature], and
// accepts those. [HeaderSignature] needs a secret that both sides have, so requests
// signed by this Signer carry none: AppendSignature appends nothing, and Verify
// accepts nothing. NewAsymmetric fails, naming each, if a key is the zero
// [PrivateKey].
//
// A v1a signature takes some ten times as long as one of v1, and allocates.
func NewAsymmetric(current PrivateKey, previous ...PrivateKey) (*Signer, error) {
	keys := append([]PrivateKey{current}, previous...)
	var bad []error
	for i, key := range keys {
		if key.IsZero() {
			bad = append(bad, fmt.Errorf("private key %d is empty", i+1))
		}
	}
	if err := errors.Join(bad...); err != nil {
		return nil, fmt.Errorf("signer: new: %w", err)
	}
	return &Signer{private: keys}, nil
}

// Join returns a Signer that signs with the secrets and keys of both, and accepts
// the signatures of both. It is for a webhook that moves from one scheme to the
// other: its requests carry "v1,… v1a,…", and the receiver verifies the one that it
// knows. If both have secrets, those of s come first.
func (s *Signer) Join(other *Signer) *Signer {
	joined := &Signer{private: slices.Concat(s.private, other.private)}
	if keys := slices.Concat(s.pairs(), other.pairs()); len(keys) > 0 {
		joined.keys = func() []keyPair { return keys }
	}
	return joined
}

// appendAsymmetric appends the v1a signatures of prefix and body, each with a
// space in front if another one precedes it.
func (s *Signer) appendAsymmetric(dst, prefix, body []byte) []byte {
	if len(s.private) == 0 {
		return dst
	}
	message := append(append(make([]byte, 0, len(prefix)+len(body)), prefix...), body...)
	for i, key := range s.private {
		if i > 0 || s.keys != nil {
			dst = append(dst, ' ')
		}
		signature := ed25519.Sign(key.hiddenKey.Reveal(), message)
		dst = base64.StdEncoding.AppendEncode(append(dst, asymmetricPrefix...), signature)
	}
	return dst
}

// VerifyStandard reports whether one v1a signature of header, a value of
// [HeaderStandardSignature], signs id, at and body with the private key that
// belongs to k. It does not judge the age of at. Other versions are skipped, and
// so is a signature that is spelled in another way than a signer does. More than
// ten v1a signatures are refused unread, so that a header cannot ask for hours of
// work.
// An id that is empty or has a dot is refused, as by [Signer.VerifyStandard].
func (k PublicKey) VerifyStandard(id string, at time.Time, body []byte, header string) bool {
	if k.IsZero() || !validID(id) {
		return false
	}
	var signatures [maxAsymmetric][ed25519.SignatureSize]byte
	n, ok := decodeAsymmetric(&signatures, header)
	if !ok {
		return false
	}
	prefix := appendPrefix(make([]byte, 0, prefixSize+len(body)), id, at)
	message := append(prefix, body...)
	match := false
	for i := range n {
		if ed25519.Verify(k.key[:], message, signatures[i][:]) {
			match = true
		}
	}
	return match
}

// decodeAsymmetric reads the v1a signatures of header. It reports how many there
// are, and false if there is none or there are more than dst holds.
func decodeAsymmetric(dst *[maxAsymmetric][ed25519.SignatureSize]byte, header string) (n int, ok bool) {
	strict := base64.StdEncoding.Strict()
	for token := range strings.SplitSeq(header, " ") {
		encoded, ok := strings.CutPrefix(token, asymmetricPrefix)
		if !ok || len(encoded) != asymmetricSize {
			continue
		}
		raw, err := strict.DecodeString(encoded)
		if err != nil || len(raw) != ed25519.SignatureSize {
			continue
		}
		if n == len(dst) {
			return 0, false
		}
		dst[n] = [ed25519.SignatureSize]byte(raw)
		n++
	}
	return n, n > 0
}
