package explain

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/rag-assistant/webhooks/signer"
)

// exact reads a signature that is in the form as it should be.
func exact(text string, form signer.Untimed) (mac []byte, ok bool) {
	digits, ok := strings.CutPrefix(text, form.Prefix)
	if !ok {
		return nil, false
	}
	read := hex.DecodeString
	if form.Base64 {
		read = base64.StdEncoding.Strict().DecodeString
	}
	mac, err := read(digits)
	return mac, err == nil && len(mac) == 32
}

// describe says what a signature in the form is.
func describe(form signer.Untimed) string {
	digits := "64 hex digits"
	if form.Base64 {
		digits = "44 characters of base64"
	}
	if form.Prefix == "" {
		return fmt.Sprintf("It is %s and nothing else.", digits)
	}
	return fmt.Sprintf("It is %q and %s.", form.Prefix, digits)
}

// known are the names that belong to a header of the sender, in lower case.
func known(w signer.Wire) map[string]bool {
	out := map[string]bool{}
	for _, name := range []string{"id", "timestamp", "signature"} {
		out["webhook-"+name], out["svix-"+name] = true, true
	}
	for _, name := range w.Own() {
		out[strings.ToLower(name)] = true
	}
	return out
}

// untimedKeys are the keys of the untimed signature, the right ones first.
func (x *explanation) untimedKeys() []key {
	if x.opts.Wire.Untimed.DecodedKey {
		return x.ring.standard
	}
	return x.ring.untimed
}

// phrases says with the names and the key of a wire what the findings say with those of
// the zero one.
func phrases(w signer.Wire) *strings.Replacer {
	const name, ofUntimed, ofStandard = signer.HeaderSignature, "The key of " + signer.HeaderSignature +
		" is the whole text of the secret, prefix included; that of webhook-signature is", "The key of webhook-signature is"
	pairs := []string{name, w.Signature, signer.HeaderEvent, w.Event}
	switch {
	case w.Signature == "":
		pairs = append([]string{
			"neither " + name + " nor the headers of Standard Webhooks", "none of the headers of Standard Webhooks is there",
			name + " is over the body alone; that of Standard Webhooks is over", "That of Standard Webhooks is over",
			"webhook-signature was made as " + name + " is", "webhook-signature was made over the body alone",
			"Read it from " + name, "The sender has to sign as Standard Webhooks says",
			", as in " + name + ",", "", ofUntimed, ofStandard,
		}, pairs...)
	case w.Untimed.DecodedKey:
		pairs = append([]string{
			"with the whole text of the secret as the key", "with the decoded secret as the key",
			", as in " + name + ",", "", ofUntimed, "The key of " + w.Signature + " and of webhook-signature is",
		}, pairs...)
	}
	return strings.NewReplacer(pairs...)
}
