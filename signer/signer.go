package signer

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The headers of a webhook request, as they are documented for receivers. net/http
// sends and stores them in its canonical form (X-Webhook-Id, Webhook-Id), so read
// them with [net/http.Header.Get], not by indexing the map.
const (
	HeaderSignature  = "X-Webhook-Signature"   // "sha256=" and 64 hex digits
	HeaderEvent      = "X-Webhook-Event"       // the event's type
	HeaderWebhookID  = "X-Webhook-ID"          // the endpoint, whk_…; not the message
	HeaderDeliveryID = "X-Webhook-Delivery-ID" // the delivery, whdel_…

	HeaderStandardID        = "webhook-id"        // the message: the event's id, the same on every attempt
	HeaderStandardTimestamp = "webhook-timestamp" // Unix seconds of this attempt
	HeaderStandardSignature = "webhook-signature" // "v1," and base64, once per secret
)

const (
	untimedPrefix  = "sha256="
	standardPrefix = "v1,"
)

// Signer signs and verifies with one secret or private key or, while a receiver
// moves from one to the next, with several. It is safe for concurrent use and does
// not change. The zero Signer signs nothing and accepts nothing.
type Signer struct {
	// keys returns the current secret's keys first. It is nil in a Signer of private
	// keys. The keys can sign as well as the secrets can, so a function hides them
	// from everything that prints a Signer.
	keys func() []keyPair

	private []PrivateKey // the current one first; none in a Signer of secrets
}

// pairs returns the keys of the secrets, if there are any.
func (s *Signer) pairs() []keyPair {
	if s.keys == nil {
		return nil
	}
	return s.keys()
}

// keyPair is one secret as the key of each signature: of X-Webhook-Signature, which
// covers no time, and of Standard Webhooks.
type keyPair struct{ untimed, standard hmacKey }

// of returns the key of the untimed signature in the form of u.
func (k *keyPair) of(u Untimed) *hmacKey {
	if u.DecodedKey {
		return &k.standard
	}
	return &k.untimed
}

// New returns a Signer that signs with current, lists a Standard Webhooks
// signature for previous too, and accepts the signatures of all of them. It
// fails, naming each, if a secret is the zero [Secret].
func New(current Secret, previous ...Secret) (*Signer, error) {
	keys := make([]keyPair, 0, 1+len(previous))
	var bad []error
	for i, secret := range append([]Secret{current}, previous...) {
		text := secret.Reveal()
		key, err := standardKey(text)
		if err != nil {
			bad = append(bad, fmt.Errorf("secret %d: %w", i+1, err))
			continue
		}
		keys = append(keys, keyPair{untimed: newHMACKey([]byte(text)), standard: newHMACKey(key)})
	}
	if err := errors.Join(bad...); err != nil {
		return nil, fmt.Errorf("signer: new: %w", err)
	}
	return &Signer{keys: func() []keyPair { return keys }}, nil
}

// AppendSignature appends the value of [HeaderSignature] for body to dst: 71
// bytes. Receivers compare the whole header, so it holds one signature only, made
// with the current secret. Without a secret, it appends nothing: see
// [NewAsymmetric].
func (s *Signer) AppendSignature(dst, body []byte) []byte {
	return s.AppendUntimed(dst, body, Untimed{})
}

// AppendUntimed is [Signer.AppendSignature] in another form: u's prefix, and then 64 hex
// digits or 44 characters of base64.
func (s *Signer) AppendUntimed(dst, body []byte, u Untimed) []byte {
	keys := s.pairs()
	if len(keys) == 0 {
		return dst
	}
	mac := keys[0].of(u).sum(nil, body)
	dst = append(dst, u.prefix()...)
	if u.Base64 {
		return base64.StdEncoding.AppendEncode(dst, mac[:])
	}
	return hex.AppendEncode(dst, mac[:])
}

// AppendStandard appends the value of [HeaderStandardSignature] to dst: 47 bytes
// for each secret, the current one first, then 92 for each private key, with a
// space between them. id is the value of [HeaderStandardID]: it must not be empty
// or have a dot. at is the time in [HeaderStandardTimestamp], in whole seconds.
func (s *Signer) AppendStandard(dst []byte, id string, at time.Time, body []byte) []byte {
	var buf [prefixSize]byte
	prefix := appendPrefix(buf[:0], id, at)
	for i, keys := 0, s.pairs(); i < len(keys); i++ {
		if i > 0 {
			dst = append(dst, ' ')
		}
		mac := keys[i].standard.sum(prefix, body)
		dst = base64.StdEncoding.AppendEncode(append(dst, standardPrefix...), mac[:])
	}
	return s.appendAsymmetric(dst, prefix, body)
}

// Verify reports whether header, a value of [HeaderSignature], signs body with
// one of the secrets. Hex digits may be of either case. A header that is not the
// prefix and 64 hex digits is refused before anything is hashed. The time that it
// takes does not tell which secret matched, or how much of a signature did.
func (s *Signer) Verify(body []byte, header string) bool {
	return s.VerifyUntimed(body, header, Untimed{})
}

// VerifyUntimed is [Signer.Verify] for another form. Of base64, the one spelling that
// [Signer.AppendUntimed] writes is accepted.
func (s *Signer) VerifyUntimed(body []byte, header string, u Untimed) bool {
	digits, ok := strings.CutPrefix(header, u.prefix())
	var got [sha256.Size]byte
	if !ok || !u.decode(&got, digits) {
		return false
	}
	match := 0
	for i, keys := 0, s.pairs(); i < len(keys); i++ {
		want := keys[i].of(u).sum(nil, body)
		match |= subtle.ConstantTimeCompare(got[:], want[:])
	}
	return match == 1
}

// VerifyStandard reports whether one signature of header, a value of
// [HeaderStandardSignature], signs id, at and body with one of the secrets, or
// with one of the private keys: see [PublicKey.VerifyStandard]. It does not judge
// the age of at. Other versions are skipped. An id that is empty or has a dot is
// refused: the dot would leave open where the id ends.
func (s *Signer) VerifyStandard(id string, at time.Time, body []byte, header string) bool {
	asymmetric := false
	for _, key := range s.private {
		if key.Public().VerifyStandard(id, at, body, header) {
			asymmetric = true
		}
	}
	if !validID(id) || !hasStandard(header) {
		return asymmetric
	}
	var buf [prefixSize]byte
	prefix := appendPrefix(buf[:0], id, at)
	match := 0
	for i, keys := 0, s.pairs(); i < len(keys); i++ {
		mac := keys[i].standard.sum(prefix, body)
		// The texts are compared, not the bytes: base64 has several spellings of
		// the last byte, and only the one that a signer writes may pass.
		var want [standardSize]byte
		base64.StdEncoding.Encode(want[:], mac[:])
		for token := range strings.SplitSeq(header, " ") {
			if got, ok := strings.CutPrefix(token, standardPrefix); ok {
				match |= subtle.ConstantTimeCompare([]byte(got), want[:])
			}
		}
	}
	return asymmetric || match == 1
}

func validID(id string) bool { return id != "" && !strings.Contains(id, ".") }

const (
	standardSize = (sha256.Size + 2) / 3 * 4 // base64 of a MAC
	prefixSize   = 128                       // ids of up to 106 bytes stay on the stack
)

// appendPrefix appends what Standard Webhooks signs in front of the body.
func appendPrefix(dst []byte, id string, at time.Time) []byte {
	dst = append(append(dst, id...), '.')
	return append(strconv.AppendInt(dst, at.Unix(), 10), '.')
}

// hasStandard reports whether header holds a signature that could match.
func hasStandard(header string) bool {
	for token := range strings.SplitSeq(header, " ") {
		if len(token) == len(standardPrefix)+standardSize && strings.HasPrefix(token, standardPrefix) {
			return true
		}
	}
	return false
}
