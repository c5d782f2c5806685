package webhook

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/rag-assistant/webhooks/signer"
)

// SecretKey seals webhook secrets before they reach a store. Whatever prints it
// prints its ID only.
type SecretKey struct {
	ID  string   // names the key in sealed text: 1 to 32 letters, digits, '-' or '_'
	Key [32]byte // AES-256
}

// Format writes the ID whatever the verb and its flags.
func (k SecretKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "SecretKey("+k.ID+")") }

// MarshalText returns the ID, also inside JSON.
func (k SecretKey) MarshalText() ([]byte, error) { return []byte("SecretKey(" + k.ID + ")"), nil }

// LogValue returns the ID.
func (k SecretKey) LogValue() slog.Value { return slog.StringValue("SecretKey(" + k.ID + ")") }

// sealer seals with AES-256-GCM. The associated data is the merchant and the
// webhook, so that sealed text moved to another record does not open. Without
// keys it stores plain text.
type sealer struct {
	first string // empty: no keys

	// aead returns the cipher of a key, or nil. It is a func because nothing that
	// prints a Service reads what a func has captured.
	aead func(id string) cipher.AEAD
}

const (
	sealedPrefix = "v1."
	plainPrefix  = "v0."
)

// newSealer needs a key where secrets outlive the process, unless that is waived.
func newSealer(st any, keys []SecretKey, plaintext bool) (*sealer, error) {
	lasting, ok := st.(interface{ Persistent() bool })
	if len(keys) == 0 && !plaintext && ok && lasting.Persistent() {
		return nil, errors.New("the store outlives the process, so SecretKeys is needed to seal secrets " +
			"(or InsecurePlaintextSecrets)")
	}
	aeads := make(map[string]cipher.AEAD, len(keys))
	for i, k := range keys {
		if k.ID == "" || len(k.ID) > 32 || strings.Trim(k.ID, idAlphabet) != "" {
			return nil, fmt.Errorf("secret key %d: its ID is not 1 to 32 letters, digits, '-' or '_'", i)
		}
		if _, twice := aeads[k.ID]; twice {
			return nil, fmt.Errorf("secret key %d: the ID %q is there twice", i, k.ID)
		}
		if k.Key == [32]byte{} {
			return nil, fmt.Errorf("secret key %q is all zero", k.ID)
		}
		block, err := aes.NewCipher(k.Key[:])
		if err != nil {
			return nil, fmt.Errorf("secret key %q: %w", k.ID, err)
		}
		if aeads[k.ID], err = cipher.NewGCM(block); err != nil {
			return nil, fmt.Errorf("secret key %q: %w", k.ID, err)
		}
	}
	s := &sealer{aead: func(id string) cipher.AEAD { return aeads[id] }}
	if len(keys) > 0 {
		s.first = keys[0].ID
	}
	return s, nil
}

const idAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// current reports whether the first key, if there is one, has sealed the text.
func (s *sealer) current(sealed string) bool {
	if s.first == "" {
		return strings.HasPrefix(sealed, plainPrefix)
	}
	return strings.HasPrefix(sealed, sealedPrefix+s.first+".")
}

func associated(merchantID, webhookID string) []byte {
	return []byte(merchantID + "|" + webhookID)
}

func (s *sealer) seal(merchantID, webhookID string, secret signer.Secret) (string, error) {
	if s.first == "" {
		return plainPrefix + secret.Reveal(), nil
	}
	aead := s.aead(s.first)
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+64)
	if _, err := rand.Read(nonce); err != nil {
		return "", fmt.Errorf("seal secret: %w", err)
	}
	box := aead.Seal(nonce, nonce, []byte(secret.Reveal()), associated(merchantID, webhookID))
	return sealedPrefix + s.first + "." + base64.RawStdEncoding.EncodeToString(box), nil
}

// open returns errUnsealed, without a detail that could say anything about the
// secret, if the text was not sealed for this webhook by one of the keys.
func (s *sealer) open(merchantID, webhookID, sealed string) (signer.Secret, error) {
	if plain, ok := strings.CutPrefix(sealed, plainPrefix); ok {
		return signer.ParseSecret(plain)
	}
	rest, ok := strings.CutPrefix(sealed, sealedPrefix)
	if !ok {
		return signer.Secret{}, errUnsealed
	}
	id, text, _ := strings.Cut(rest, ".")
	aead := s.aead(id)
	if aead == nil {
		return signer.Secret{}, fmt.Errorf("%w: no key %q", errUnsealed, id)
	}
	box, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || len(box) < aead.NonceSize() {
		return signer.Secret{}, errUnsealed
	}
	n := aead.NonceSize()
	plain, err := aead.Open(nil, box[:n], box[n:], associated(merchantID, webhookID))
	if err != nil {
		return signer.Secret{}, errors.Join(errUnsealed, errors.New("it was sealed for another webhook, or changed"))
	}
	return signer.ParseSecret(string(plain))
}
