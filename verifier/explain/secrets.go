package explain

import (
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/rag-assistant/webhooks/signer"
)

// key is one way to make an HMAC key of a secret, or of none.
type key struct {
	bytes   []byte
	mistake Finding // what is wrong with it; zero for the way that a scheme says
	other   Finding // set if it is of another secret than the first
}

// keyring holds all keys that may be made of the caller's secrets.
type keyring struct {
	texts    []string
	untimed  []key // for X-Webhook-Signature, the right ones first
	standard []key // for v1
	public   []signer.PublicKey

	first  []Finding // what is wrong with the first secret
	others []Finding // and with the others
}

const secretAdvice = "Copy it again as it was shown when the webhook was created, \"whsec_…\", and nothing around it."

func newKeyring(secrets []string) *keyring {
	ring := &keyring{texts: secrets}
	if len(secrets) == 0 {
		ring.note(0, SecretMissing, "No secret was given.", secretAdvice)
	}
	for i, text := range secrets {
		ring.read(i, text)
	}
	for _, text := range []string{"", "whsec_***"} {
		f := Finding{SecretMissing, true, "It was signed with an empty key.", "Whoever signs found no secret, for instance an environment variable that is not set."}
		if text != "" {
			f.Text, f.Advice = "It was signed with the mask that stands for a secret when it is printed.", "Take the secret itself."
		}
		ring.untimed = append(ring.untimed, key{bytes: []byte(text), mistake: f})
		ring.standard = append(ring.standard, key{bytes: []byte(text), mistake: f})
	}
	return ring
}

func (ring *keyring) note(i int, code Code, text, advice string) {
	list := &ring.others
	if i == 0 {
		list = &ring.first
	}
	*list = append(*list, Finding{code, true, text, advice})
}

// name calls a secret by its place.
func (ring *keyring) name(i int) string {
	if len(ring.texts) == 1 {
		return "The secret"
	}
	return fmt.Sprintf("Secret %d of %d", i+1, len(ring.texts))
}

// read takes in the secret at i.
func (ring *keyring) read(i int, text string) {
	name := ring.name(i)
	trimmed := strings.TrimSpace(strings.TrimPrefix(text, "\ufeff"))
	bare := strings.TrimPrefix(unquote(trimmed), "v1,")
	around := Finding{}
	switch {
	case bare == "":
		ring.note(i, SecretMissing, name+" is empty.", secretAdvice)
		return
	case strings.HasSuffix(trimmed, "v1,"+bare):
		around = Finding{SecretMalformed, true, name + " has \"v1,\" in front.", "Leave it out: a secret begins with \"whsec_\"."}
	case bare != trimmed:
		around = Finding{SecretQuoted, true, name + " has quotes around it.", "They came along from a file or a shell: remove them."}
	case trimmed != text:
		around = Finding{SecretSpace, true, name + " has white space or a byte order mark around it, such as a line break.", "It came along from a file or a secret store: remove it."}
	}
	if around.Code != "" {
		ring.note(i, around.Code, around.Text, around.Advice)
	}
	switch {
	case strings.HasPrefix(bare, "whsk_"):
		ring.note(i, SecretPrivate, name+" is the sender's private key.",
			"Nobody but the sender should have it: replace it there, and verify with the public key, \"whpk_…\".")
		return
	case strings.HasPrefix(bare, "whpk_"):
		ring.readPublic(i, bare)
		return
	}
	if _, err := signer.ParseSecret(bare); err != nil {
		ring.note(i, SecretMalformed, name+" is neither \"whsec_\" and the base64 of 24 to 64 bytes nor 16 to 128 visible ASCII characters.", secretAdvice)
	}
	var other Finding
	if i > 0 {
		other = Finding{
			SecretOther, true, fmt.Sprintf("It was signed with secret %d of the %d, not with the first.", i+1, len(ring.texts)),
			"The secret was rotated, or it is another webhook's: make that one your secret, or accept both while you change.",
		}
	}
	ring.addKeys(name, text, bare, around, other)
}

// addKeys adds the keys that may have been made of a secret: text as it was given,
// and bare without what is around it.
func (ring *keyring) addKeys(name, text, bare string, around, other Finding) {
	asKey := func(text string) Finding {
		return Finding{Code: SecretKey, Cause: true, Text: text, Advice: "The key of X-Webhook-Signature is the whole text of the secret, prefix included; " +
			"that of webhook-signature is what the base64 behind the prefix stands for."}
	}
	untimed := func(bytes []byte, f Finding) { ring.untimed = append(ring.untimed, key{bytes, f, other}) }
	standard := func(bytes []byte, f Finding) { ring.standard = append(ring.standard, key{bytes, f, other}) }
	suffix := strings.TrimPrefix(bare, "whsec_")
	noPrefix := asKey("It was signed with the secret without its prefix.")

	untimed([]byte(text), Finding{})
	if text != bare {
		untimed([]byte(bare), around)
	}
	ofText := asKey("It was signed with the text of the secret, as in X-Webhook-Signature, and not with its decoded bytes.")
	ofBytes := around // Of a secret of ours, the bytes are the right key.
	if suffix == bare {
		lost := Finding{SecretMalformed, true, name + " has lost its prefix, \"whsec_\".", secretAdvice}
		ofText, ofBytes = around, lost
		untimed([]byte("whsec_"+bare), lost)
	}
	standard([]byte(bare), ofText)
	for _, raw := range decode(suffix) {
		untimed(raw, asKey("It was signed with the decoded bytes of the secret, as Standard Webhooks does it, and not with its text."))
		standard(raw, ofBytes)
	}
	if suffix != bare {
		untimed([]byte(suffix), noPrefix)
		standard([]byte(suffix), noPrefix)
	}
	for _, end := range []string{"\n", "\r\n", " "} {
		untimed([]byte(bare+end), Finding{SecretSpace, true, "It was signed with white space behind the secret.", "Whoever signs has to remove it."})
	}
	for _, quote := range []string{`"`, `'`} {
		untimed([]byte(quote+bare+quote), Finding{SecretQuoted, true, "It was signed with quotes around the secret.", "Whoever signs has to remove them."})
	}
}

func (ring *keyring) readPublic(i int, text string) {
	public, err := signer.ParsePublicKey(text)
	if err != nil {
		ring.note(i, SecretMalformed, ring.name(i)+" is not \"whpk_\" and the base64 of an ed25519 key.", "Copy the public key again.")
		return
	}
	ring.public = append(ring.public, public)
}

// unquote removes a pair of quotes around text, and white space inside them.
func unquote(text string) string {
	for _, quote := range []string{`"`, `'`, "`"} {
		if len(text) >= 2 && strings.HasPrefix(text, quote) && strings.HasSuffix(text, quote) {
			return strings.TrimSpace(text[1 : len(text)-1])
		}
	}
	return text
}

// decode reads text as base64 of either alphabet. It returns nothing if it is none.
func decode(text string) [][]byte {
	text = strings.TrimRight(text, "=")
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if raw, err := encoding.DecodeString(text); err == nil && len(raw) > 0 {
			return [][]byte{raw}
		}
	}
	return nil
}
