package webhook

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/rag-assistant/webhooks/signer"
)

// SecretKey seals webhook secrets before they reach a store.
type SecretKey struct {
	ID  string   // names the key in sealed text: 1 to 32 letters, digits, '-' or '_'
	Key [32]byte // AES-256
}

// sealer seals with AES-256-GCM. The associated data is the merchant and the
// webhook, so that sealed text moved to another record does not open. Without
// keys it stores plain text.
type sealer struct {
	first string
	aeads map[string]cipher.AEAD
}

const (
	sealedPrefix = "v1."
	plainPrefix  = "v0."
)

func newSealer(keys []SecretKey) (*sealer, error) {
	s := &sealer{aeads: make(map[string]cipher.AEAD, len(keys))}
	for i, k := range keys {
		if k.ID == "" || len(k.ID) > 32 || strings.Trim(k.ID, idAlphabet) != "" {
			return nil, fmt.Errorf("secret key %d: its ID is not 1 to 32 letters, digits, '-' or '_'", i)
		}
		if _, twice := s.aeads[k.ID]; twice {
			return nil, fmt.Errorf("secret key %d: the ID %q is there twice", i, k.ID)
		}
		if k.Key == [32]byte{} {
			return nil, fmt.Errorf("secret key %q is all zero", k.ID)
		}
		block, err := aes.NewCipher(k.Key[:])
		if err != nil {
			return nil, fmt.Errorf("secret key %q: %w", k.ID, err)
		}
		if s.aeads[k.ID], err = cipher.NewGCM(block); err != nil {
			return nil, fmt.Errorf("secret key %q: %w", k.ID, err)
		}
	}
	if len(keys) > 0 {
		s.first = keys[0].ID
	}
	return s, nil
}

const idAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

func associated(merchantID, webhookID string) []byte {
	return []byte(merchantID + "|" + webhookID)
}

func (s *sealer) seal(merchantID, webhookID string, secret signer.Secret) (string, error) {
	if s.first == "" {
		return plainPrefix + secret.Reveal(), nil
	}
	aead := s.aeads[s.first]
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
	aead := s.aeads[id]
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
