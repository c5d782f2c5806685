// Package vault keeps the secrets and headers of webhooks: sealed text goes in, and
// what signs and accompanies a request comes out.
package vault

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

// Key seals and opens: see webhook.SecretKey.
type Key struct {
	ID  string
	Key [32]byte
}

// Vault seals with AES-256-GCM. The associated data is the merchant and the
// webhook, and the field unless it is a secret, so that sealed text moved to
// another record or field does not open; nor do headers at another origin. Without
// keys it stores plain text.
type Vault struct {
	first string // empty: no keys
	plain bool   // plain text opens

	// aead returns the cipher of a key, or nil. It is a func because nothing that
	// prints a Vault reads what a func has captured.
	aead func(id string) cipher.AEAD
}

const (
	sealedPrefix = "v1."
	plainPrefix  = "v0."
)

// New returns a vault that seals with the first of keys and opens with all of them.
// Plain text opens if there are no keys, or if plain says so: whoever can write to
// the store could otherwise put a secret of their own into it.
func New(keys []Key, plain bool) (*Vault, error) {
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
	v := &Vault{plain: plain || len(keys) == 0, aead: func(id string) cipher.AEAD { return aeads[id] }}
	if len(keys) > 0 {
		v.first = keys[0].ID
	}
	return v, nil
}

const idAlphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// current reports whether the first key, if there is one, has sealed the text.
func (v *Vault) current(sealed string) bool {
	if v.first == "" {
		return strings.HasPrefix(sealed, plainPrefix)
	}
	return strings.HasPrefix(sealed, sealedPrefix+v.first+".")
}

// secretOf is the associated data of a secret. No id holds a '|'.
func secretOf(merchantID, webhookID string) []byte {
	return []byte(merchantID + "|" + webhookID)
}

func (v *Vault) seal(merchantID, webhookID string, secret signer.Secret) (string, error) {
	return v.sealText(secretOf(merchantID, webhookID), secret.Reveal())
}

func (v *Vault) open(merchantID, webhookID, sealed string) (signer.Secret, error) {
	plain, err := v.openText(secretOf(merchantID, webhookID), sealed)
	if err != nil {
		return signer.Secret{}, err
	}
	return signer.ParseSecret(plain)
}

func (v *Vault) sealText(of []byte, plain string) (string, error) {
	if v.first == "" {
		return plainPrefix + plain, nil
	}
	aead := v.aead(v.first)
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(plain)+aead.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return "", fmt.Errorf("seal: %w", err)
	}
	box := aead.Seal(nonce, nonce, []byte(plain), of)
	return sealedPrefix + v.first + "." + base64.RawStdEncoding.EncodeToString(box), nil
}

// ErrUnsealed says that the secret or the headers of a webhook cannot be opened with the
// keys that there are.
var ErrUnsealed = errors.New("sealed text cannot be opened with the configured keys")

// openText returns ErrUnsealed, without a detail that could say anything about
// what is sealed, if the text was not sealed for this by one of the keys.
func (v *Vault) openText(of []byte, sealed string) (string, error) {
	if plain, ok := strings.CutPrefix(sealed, plainPrefix); ok {
		if !v.plain {
			return "", fmt.Errorf("%w: it is not sealed, and InsecurePlaintextSecrets is off", ErrUnsealed)
		}
		return plain, nil
	}
	rest, ok := strings.CutPrefix(sealed, sealedPrefix)
	if !ok {
		return "", ErrUnsealed
	}
	id, text, _ := strings.Cut(rest, ".")
	aead := v.aead(id)
	if aead == nil {
		return "", fmt.Errorf("%w: no key %q", ErrUnsealed, id)
	}
	box, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil || len(box) < aead.NonceSize() {
		return "", ErrUnsealed
	}
	n := aead.NonceSize()
	plain, err := aead.Open(nil, box[:n], box[n:], of)
	if err != nil {
		return "", errors.Join(ErrUnsealed, errors.New("it was sealed for something else, or changed"))
	}
	return string(plain), nil
}
