package signer

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/rag-assistant/webhooks/internal/hidden"
)

const (
	secretPrefix = "whsec_"
	masked       = secretPrefix + "***"

	newKeySize = 27 // 36 characters of base64, without padding
	minKeySize = 24 // the least and the most that Standard Webhooks allows
	maxKeySize = 64

	minOwnSize = 16 // of a secret that somebody else has made
	maxOwnSize = 128
)

// Secret is what sender and receiver share. It is a value to pass around:
// everything that prints it or encodes it as text writes "whsec_***", and ==
// does not compile. The zero Secret is no secret: [New] refuses it, and it
// equals nothing.
type Secret struct{ hiddenText }

type hiddenText = hidden.Value[string]

// NewSecret makes a secret from 27 bytes of [crypto/rand].
func NewSecret() Secret {
	var key [newKeySize]byte
	_, _ = rand.Read(key[:]) // Never fails: the program ends if there is no randomness.
	return secretOf(secretPrefix + base64.StdEncoding.EncodeToString(key[:]))
}

// ParseSecret reads "whsec_" and the standard base64, padded or not, of 24 to 64
// bytes, or a secret that receivers have already from another sender: 16 to 128
// visible ASCII characters, whose bytes are the key of both schemes. What looks like a
// mistake, such as quotes around it, is neither. The error says what is wrong with
// text and does not quote it.
func ParseSecret(text string) (Secret, error) {
	if _, err := standardKey(text); err != nil {
		return Secret{}, fmt.Errorf("signer: parse: %w", err)
	}
	return secretOf(text), nil
}

// Reveal returns the plain text: to show it once to its owner, to seal it, or to
// configure a receiver. Nothing else returns it, so a search for this name finds
// every place where a secret leaves its type.
func (s Secret) Reveal() string { return s.hiddenText.Reveal() }

// IsZero reports whether s is the zero Secret.
func (s Secret) IsZero() bool { return s.hiddenText.IsZero() }

// Equal compares the plain texts in constant time. A zero Secret equals nothing,
// not even another one.
func (s Secret) Equal(other Secret) bool {
	return !s.IsZero() && subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

func secretOf(text string) Secret { return Secret{hidden.Of(masked, text)} }

// knownPrefix returns the prefix of text if it is that of any secret or key.
func knownPrefix(text string) string {
	switch {
	case strings.HasPrefix(text, secretPrefix):
		return secretPrefix
	case strings.HasPrefix(text, privatePrefix):
		return privatePrefix
	case strings.HasPrefix(text, publicPrefix):
		return publicPrefix
	}
	return ""
}

// standardKey returns the key of Standard Webhooks that a secret stands for.
func standardKey(text string) ([]byte, error) {
	if isOwn(text) {
		return []byte(text), nil
	}
	key, err := decodeKey(text)
	if err != nil && knownPrefix(text) == "" && !strings.Contains(text, secretPrefix) {
		err = fmt.Errorf("%w; one of another sender is %d to %d visible ASCII characters", err, minOwnSize, maxOwnSize)
	}
	return key, err
}

// isOwn reports whether text is a secret in the form of another sender. What has a word
// of ours in it, or something around it, is taken for a secret of ours that was copied
// badly: to accept that would be to sign with another key in silence.
func isOwn(text string) bool {
	if len(text) < minOwnSize || len(text) > maxOwnSize || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return false
	}
	lower := strings.ToLower(text)
	return !strings.Contains(lower, secretPrefix) && knownPrefix(lower) == "" && !strings.HasPrefix(text, standardPrefix) &&
		!strings.Contains(text, "***") && !strings.ContainsAny(text[:1]+text[len(text)-1:], "\"'`")
}

// decodeKey returns the bytes that a secret of ours holds in base64.
func decodeKey(text string) ([]byte, error) {
	key, err := decode("secret", secretPrefix, text, base64.StdEncoding)
	if err != nil {
		return nil, err
	}
	if len(key) < minKeySize || len(key) > maxKeySize {
		return nil, fmt.Errorf("secret holds %d bytes, not %d to %d", len(key), minKeySize, maxKeySize)
	}
	return key, nil
}

// decode returns the bytes of the base64 after prefix, with padding or without.
// Its errors call the text by the name in what, and do not quote it.
func decode(what, prefix, text string, padded *base64.Encoding) ([]byte, error) {
	encoded, prefixed := strings.CutPrefix(text, prefix)
	reason := ""
	switch {
	case text == "":
		reason = "is empty"
	case len(strings.TrimSpace(text)) < len(text):
		reason = "has white space around it"
	case strings.Contains(text, "\ufeff"):
		reason = "has a byte order mark in it, as from a file"
	case strings.ContainsAny(text[:1]+text[len(text)-1:], "\"'`"):
		reason = "has quotes around it"
	case strings.HasPrefix(text, "v1,"):
		reason = "has v1, in front of " + prefix + ": leave it out"
	case strings.Contains(text, "***"):
		reason = "is the mask that is printed in place of it"
	case !prefixed:
		reason = "does not start with " + prefix
		if known := knownPrefix(text); known != "" {
			reason += " but with " + known
		} else if strings.Contains(text, secretPrefix) {
			reason += ": there is something in front of that"
		}
	case strings.ContainsAny(encoded, "\r\n"): // The decoder would skip them.
		reason = "has a line break in it"
	}
	if reason != "" {
		return nil, fmt.Errorf("%s %s", what, reason)
	}
	if !strings.HasSuffix(encoded, "=") {
		padded = padded.WithPadding(base64.NoPadding)
	}
	key, err := padded.DecodeString(encoded)
	if err != nil {
		return nil, fmt.Errorf("%s is not standard base64 after %s", what, prefix)
	}
	return key, nil
}
