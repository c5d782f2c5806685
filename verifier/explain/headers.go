package explain

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/textproto"
	"slices"
	"strings"

	"github.com/rag-assistant/webhooks/signer"
)

// claim is a signature that a header holds, well-formed or not.
type claim struct {
	hash    string // "sha256", or another that the header names
	mac     []byte
	text    string  // of a v1a signature, in place of a MAC
	mistake Finding // what is wrong with the form; zero if nothing is
}

func malformed(text, advice string) Finding { return Finding{Malformed, true, text, advice} }

// readUntimed reads a value of X-Webhook-Signature, or what it is called. Findings are
// what can be said without knowing what was signed.
func readUntimed(value string, form signer.Untimed) (claims []claim, findings []Finding) {
	value = strings.Trim(value, " \t")
	if bare := unquote(value); bare != value {
		findings = append(findings, malformed("X-Webhook-Signature has quotes around it.", "Send it without."))
		value = bare
	}
	pieces := []string{value}
	if _, right := exact(value, form); !right && strings.Contains(value, ",") && !strings.HasPrefix(value, "v1,") && !strings.HasPrefix(value, "v1a,") {
		pieces = strings.Split(value, ",")
		findings = append(findings, Finding{
			HeaderJoined, true, "X-Webhook-Signature holds several values in one line.",
			"It comes once and holds one: something on the way has joined two lines, or another sender's form was used.",
		})
	}
	for _, piece := range pieces {
		c, ok := readPiece(strings.Trim(piece, " \t"), form)
		switch {
		case ok && c.mistake.Code == "" && len(findings) > 0:
			c.mistake = findings[0]
		case c.mistake.Code != "":
			findings = append(findings, c.mistake)
		}
		if ok {
			claims = append(claims, c)
		}
	}
	return claims, findings
}

// readPiece reads one signature. It reports false if there is none that could be
// compared with anything.
func readPiece(text string, form signer.Untimed) (claim, bool) {
	if mac, ok := exact(text, form); ok {
		return claim{hash: "sha256", mac: mac}, true
	}
	untimedForm := describe(form)
	if encoded, ok := strings.CutPrefix(text, "v1,"); ok {
		mac, _, ok := decodeMAC(encoded)
		return claim{hash: "sha256", mac: mac, mistake: Finding{
			SchemeSwapped, true,
			"X-Webhook-Signature holds a Standard Webhooks signature.", "Read it from webhook-signature.",
		}}, ok
	}
	hash, digits := "sha256", text
	c := claim{}
	prefix, rest, found := cutPrefix(text)
	switch {
	case !found && form.Prefix == "":
	case !found:
		c.mistake = malformed(fmt.Sprintf("X-Webhook-Signature has no %q in front.", form.Prefix), untimedForm)
	case prefix == form.Prefix:
		digits = rest
	case strings.HasPrefix(prefix, "sha1"), strings.HasPrefix(prefix, "sha512"), strings.HasPrefix(prefix, "md5"):
		hash, digits = strings.TrimRight(prefix, "=: "), rest
		c.mistake = Finding{SchemeOther, true, "X-Webhook-Signature names another algorithm than SHA-256.", untimedForm}
	case strings.HasPrefix(prefix, "sha256"):
		digits = rest
		c.mistake = malformed("X-Webhook-Signature has a prefix in front, and should have none.", untimedForm)
		if form.Prefix != "" {
			c.mistake.Text = fmt.Sprintf("X-Webhook-Signature does not spell its prefix %q.", form.Prefix)
		}
	default:
		digits = rest
		c.mistake = Finding{SchemeOther, true, "X-Webhook-Signature is in the form of another sender's signatures.", untimedForm}
	}
	mac, spelled, ok := decodeMAC(digits)
	switch {
	case c.mistake.Code != "":
	case form.Base64 && ok && spelled != "base64":
		c.mistake = malformed("X-Webhook-Signature is not in padded standard base64.", untimedForm)
	case !form.Base64 && spelled == "base64":
		c.mistake = malformed("X-Webhook-Signature is in base64 and not in hex.", untimedForm)
	}
	if want := map[string]int{"sha256": 32, "sha1": 20, "sha512": 64}[hash]; ok && len(mac) != want {
		if guessed := map[int]string{20: "sha1", 64: "sha512"}[len(mac)]; hash == "sha256" && guessed != "" {
			hash = guessed
		} else {
			ok = false
		}
		if c.mistake.Code == "" {
			c.mistake = malformed(fmt.Sprintf("X-Webhook-Signature has %d hex digits and not 64.", 2*len(mac)),
				untimedForm+" 40 are those of SHA-1, 128 those of SHA-512.")
		}
	}
	if !ok && c.mistake.Code == "" {
		c.mistake = malformed("X-Webhook-Signature is not in the form of a signature.", untimedForm)
	}
	c.hash, c.mac = hash, mac
	return c, ok
}

// cutPrefix cuts the name of an algorithm or version off text. The name is returned
// in lower case, unless it is spelled right.
func cutPrefix(text string) (prefix, rest string, found bool) {
	i := strings.IndexAny(text, "=:")
	if i < 1 || i > 12 {
		return "", text, false
	}
	for _, c := range text[:i] {
		if c != ' ' && c != '-' && c != '_' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return "", text, false
		}
	}
	prefix, rest = text[:i+1], text[i+1:]
	if prefix == "sha256=" && strings.TrimSpace(rest) == rest {
		return prefix, rest, true
	}
	prefix = strings.NewReplacer("hmac", "", "-", "", "_", "", " ", "").Replace(strings.ToLower(prefix))
	if prefix == "sha256=" {
		prefix = "sha256 ="
	}
	return prefix, strings.TrimSpace(rest), true
}

// decodeMAC reads hex or base64. form says which: "hex", "base64" for padded standard
// base64, and "loose" for any other.
func decodeMAC(text string) (mac []byte, form string, ok bool) {
	if raw, err := hex.DecodeString(text); err == nil && len(raw) > 0 {
		return raw, "hex", true
	}
	if raw, err := base64.StdEncoding.Strict().DecodeString(text); err == nil && len(raw) >= 20 {
		return raw, "base64", true
	}
	for _, raw := range decode(text) {
		if len(raw) >= 20 {
			return raw, "loose", true
		}
	}
	return nil, "", false
}

// readStandard reads a value of webhook-signature.
func readStandard(value string, untimed signer.Untimed) (claims []claim, findings []Finding) {
	const form = "It is \"v1,\" and padded base64, or several of those with a space between them."
	for token := range strings.FieldsSeq(value) {
		bare := strings.TrimRight(token, ",;")
		var joined Finding
		if bare != token {
			joined = Finding{
				HeaderJoined, true, "webhook-signature has commas between its signatures.",
				"Something on the way has joined two lines. " + form,
			}
		}
		version, encoded, cut := strings.Cut(bare, ",")
		c := claim{hash: "sha256", mistake: joined}
		switch {
		case version == "v1a" && cut:
			c.text = bare
		case version == "v1" && cut:
			mac, spelled, ok := decodeMAC(encoded)
			if !ok || len(mac) != 32 {
				findings = append(findings, malformed("webhook-signature has a v1 signature that is not 32 bytes in base64.", form))
				continue
			}
			if c.mac = mac; spelled != "base64" {
				c.mistake = malformed("webhook-signature is not in padded standard base64.", form)
			}
		case cut:
			findings = append(findings, Finding{
				VersionUnknown, true, "webhook-signature has a signature of an unknown version.",
				"v1 and v1a are known; others are skipped.",
			})
			continue
		default:
			piece, ok := readPiece(bare, untimed)
			c.hash, c.mac = piece.hash, piece.mac
			c.mistake = malformed("webhook-signature has a signature without a version.", form)
			if untimed.Prefix != "" && strings.HasPrefix(bare, untimed.Prefix) {
				c.mistake = Finding{SchemeSwapped, true, "webhook-signature holds the signature over the body alone.", "Read it from X-Webhook-Signature."}
			}
			if !ok {
				findings = append(findings, c.mistake)
				continue
			}
		}
		if c.mistake.Code != "" {
			findings = append(findings, c.mistake)
		}
		claims = append(claims, c)
	}
	return claims, findings
}

// field is a header as it was found.
type field struct {
	values  []string
	mistake Finding // set if it was under another name
}

// find looks for a header under its name, then under the spellings that gateways and
// scripts use, then under the other names.
func (x *explanation) find(name string, others ...string) field {
	header := x.header
	if name == "" { // It is not sent.
		return field{}
	}
	if values := header[textproto.CanonicalMIMEHeaderKey(name)]; len(values) > 0 {
		return field{values: values}
	}
	wanted := strings.ToLower(name)
	for _, key := range slices.Sorted(maps.Keys(header)) {
		plain := strings.ToLower(strings.ReplaceAll(key, "_", "-"))
		// Proxies put words in front of a name. But X-Webhook-Signature ends in
		// webhook-signature too, and is another header.
		if x.known[plain] && plain != wanted && !slices.Contains(others, plain) {
			continue
		}
		same := plain == wanted || strings.HasSuffix(plain, "-"+wanted) && !strings.HasSuffix(plain, "x-"+wanted)
		if (same || slices.Contains(others, plain)) && len(header[key]) > 0 {
			return field{values: header[key], mistake: moved(name)}
		}
	}
	return field{}
}

func moved(name string) Finding {
	return Finding{
		HeaderMoved, true, name + " is there under another name or spelling.",
		"Something in front of the receiver renames headers, or the map was not filled with http.Header.Set: give it its name back.",
	}
}
