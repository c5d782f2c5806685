package vault

import (
	"strings"

	"github.com/rag-assistant/webhooks/signer"
)

// SigningKey is what signs a webhook's requests: a secret or a private key.
type SigningKey struct {
	Secret  signer.Secret // zero if there is a private key
	private signer.PrivateKey
}

// NewSigningKey returns a new private key, or a secret.
func NewSigningKey(asymmetric bool) SigningKey {
	if asymmetric {
		return SigningKey{private: signer.NewPrivateKey()}
	}
	return SigningKey{Secret: signer.NewSecret()}
}

func (k SigningKey) asymmetric() bool { return !k.private.IsZero() }

func (k SigningKey) isZero() bool { return k.Secret.IsZero() && k.private.IsZero() }

// same reports whether two keys are one, or both are none.
func (k SigningKey) same(other SigningKey) bool {
	return k.isZero() && other.isZero() || k.Secret.Equal(other.Secret) || k.private.Equal(other.private)
}

// signer returns what signs with k and, for those who have it still, with the
// older key of the same scheme, if there is one.
func (k SigningKey) signer(older ...SigningKey) (*signer.Signer, error) {
	if k.asymmetric() {
		var previous []signer.PrivateKey
		for _, o := range older {
			previous = append(previous, o.private)
		}
		return signer.NewAsymmetric(k.private, previous...)
	}
	var previous []signer.Secret
	for _, o := range older {
		previous = append(previous, o.Secret)
	}
	return signer.New(k.Secret, previous...)
}

// The sealed text of a key may have in front, with a dot, the name of what made it, by
// which a repetition of that knows it again.

const makerPrefix = "by_"

// Made puts a name that begins with "by_" in front of sealed text, unless it is empty.
func Made(by, sealed string) string {
	if by == "" {
		return sealed
	}
	return by + "." + sealed
}

// Maker returns the name in front of sealed text, and the text behind it.
func Maker(sealed string) (by, text string) {
	if !strings.HasPrefix(sealed, makerPrefix) {
		return "", sealed
	}
	by, text, _ = strings.Cut(sealed, ".")
	return by, text
}

// The sealed text of a private key has the public key and a dot in front, bound to
// it, so that the public key can be shown by who cannot open the rest.

const publicPrefix = "whpk_"

// splitPublic returns an empty public key for the sealed text of a secret.
func splitPublic(sealed string) (public, text string) {
	_, sealed = Maker(sealed)
	if !strings.HasPrefix(sealed, publicPrefix) {
		return "", sealed
	}
	public, text, _ = strings.Cut(sealed, ".")
	return public, text
}

// PublicKey returns the public key of a sealed private key, and nothing for the
// sealed text of a secret.
func PublicKey(sealed string) string {
	public, _ := splitPublic(sealed)
	return public
}

// privateOf is the associated data of a private key.
func privateOf(merchantID, webhookID, public string) []byte {
	return []byte(merchantID + "|" + webhookID + "|private|" + public)
}

// SealKey seals the key of a webhook.
func (v *Vault) SealKey(merchantID, webhookID string, k SigningKey) (string, error) {
	if !k.asymmetric() {
		return v.seal(merchantID, webhookID, k.Secret)
	}
	public := k.private.Public().String()
	text, err := v.sealText(privateOf(merchantID, webhookID, public), k.private.Reveal())
	return public + "." + text, err
}

func (v *Vault) openKey(merchantID, webhookID, sealed string) (k SigningKey, err error) {
	public, text := splitPublic(sealed)
	if public == "" {
		k.Secret, err = v.open(merchantID, webhookID, text)
		return k, err
	}
	plain, err := v.openText(privateOf(merchantID, webhookID, public), text)
	if err != nil {
		return k, err
	}
	if k.private, err = signer.ParsePrivateKey(plain); err == nil && k.private.Public().String() != public {
		err = ErrUnsealed // Only plain text is not bound.
	}
	return k, err
}

// RewrapKey returns text that the first key has sealed as it is, and no text as
// none.
func (v *Vault) RewrapKey(merchantID, webhookID, sealed string) (string, error) {
	if _, text := splitPublic(sealed); sealed == "" || v.current(text) {
		return sealed, nil
	}
	k, err := v.openKey(merchantID, webhookID, sealed)
	if err != nil {
		return "", err
	}
	text, err := v.SealKey(merchantID, webhookID, k)
	by, _ := Maker(sealed)
	return Made(by, text), err
}
