package webhook

import (
	"strings"

	"github.com/rag-assistant/webhooks/signer"
)

// signingKey is what signs a webhook's requests: a secret or a private key.
type signingKey struct {
	secret  signer.Secret
	private signer.PrivateKey
}

func newSigningKey(s Scheme) signingKey {
	if s == SchemeAsymmetric {
		return signingKey{private: signer.NewPrivateKey()}
	}
	return signingKey{secret: signer.NewSecret()}
}

func (k signingKey) asymmetric() bool { return !k.private.IsZero() }

// signer returns what signs with k and, for those who have it still, with the
// older key of the same scheme, if there is one.
func (k signingKey) signer(older ...signingKey) (*signer.Signer, error) {
	if k.asymmetric() {
		var previous []signer.PrivateKey
		for _, o := range older {
			previous = append(previous, o.private)
		}
		return signer.NewAsymmetric(k.private, previous...)
	}
	var previous []signer.Secret
	for _, o := range older {
		previous = append(previous, o.secret)
	}
	return signer.New(k.secret, previous...)
}

// The sealed text of a private key has the public key and a dot in front, bound to
// it, so that the public key can be shown by who cannot open the rest.

const publicPrefix = "whpk_"

// splitPublic returns an empty public key for the sealed text of a secret.
func splitPublic(sealed string) (public, text string) {
	if !strings.HasPrefix(sealed, publicPrefix) {
		return "", sealed
	}
	public, text, _ = strings.Cut(sealed, ".")
	return public, text
}

// schemeOf is the scheme of a sealed key.
func schemeOf(sealed string) Scheme {
	if public, _ := splitPublic(sealed); public != "" {
		return SchemeAsymmetric
	}
	return SchemeSecret
}

// privateOf is the associated data of a private key.
func privateOf(merchantID, webhookID, public string) []byte {
	return []byte(merchantID + "|" + webhookID + "|private|" + public)
}

func (s *sealer) sealKey(merchantID, webhookID string, k signingKey) (string, error) {
	if !k.asymmetric() {
		return s.seal(merchantID, webhookID, k.secret)
	}
	public := k.private.Public().String()
	text, err := s.sealText(privateOf(merchantID, webhookID, public), k.private.Reveal())
	return public + "." + text, err
}

func (s *sealer) openKey(merchantID, webhookID, sealed string) (k signingKey, err error) {
	public, text := splitPublic(sealed)
	if public == "" {
		k.secret, err = s.open(merchantID, webhookID, text)
		return k, err
	}
	plain, err := s.openText(privateOf(merchantID, webhookID, public), text)
	if err != nil {
		return k, err
	}
	if k.private, err = signer.ParsePrivateKey(plain); err == nil && k.private.Public().String() != public {
		err = errUnsealed // Only plain text is not bound.
	}
	return k, err
}

// rewrapKey returns text that the first key has sealed as it is, and no text as
// none.
func (s *sealer) rewrapKey(merchantID, webhookID, sealed string) (string, error) {
	if _, text := splitPublic(sealed); sealed == "" || s.current(text) {
		return sealed, nil
	}
	k, err := s.openKey(merchantID, webhookID, sealed)
	if err != nil {
		return "", err
	}
	return s.sealKey(merchantID, webhookID, k)
}
