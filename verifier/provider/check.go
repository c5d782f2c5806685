package provider

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/verifier"
)

// request is one whose parts were read.
type request struct {
	header    http.Header
	body      []byte
	isForm    bool
	given     [][]byte   // the signatures that may match
	list      string     // all entries
	form      url.Values // if it is signed
	fields    string     // as {form} is written
	timestamp string     // as it came
	at        time.Time
	id        string // if it is signed

	key   key // that matched
	match int // its index
}

// check reports whether a request is signed, and returns what it has read of it.
func (v *Verifier) check(header http.Header, body []byte) (*request, error) {
	keys, err := v.keys()
	if err != nil {
		return nil, err
	}
	r := &request{header: header, body: body, match: -1}
	mediaType, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	r.isForm = mediaType == formType
	if err := v.readSignatures(r); err != nil {
		return nil, err
	}
	if err := v.readSigned(r); err != nil {
		return nil, err
	}
	for i, k := range keys {
		if v.matches(k, r) && r.match < 0 {
			r.match, r.key = i, k
		}
	}
	if r.match < 0 {
		return nil, verifier.ErrMismatch
	}
	if age := v.now().Sub(r.at); v.signs("timestamp") && (age > v.tolerance || age < -v.tolerance) {
		return nil, fmt.Errorf("%w: it was sent %s ago", verifier.ErrStale, age.Round(time.Second))
	}
	return r, nil
}

// readSignatures reads the header with the signature.
func (v *Verifier) readSignatures(r *request) error {
	for _, f := range v.scheme.Signature {
		values := r.header[f.Header]
		switch {
		case len(values) == 0:
		case v.scheme.Separator == "" && len(values) > 1:
			return fmt.Errorf("%w: %s comes %d times", verifier.ErrMismatch, f.Header, len(values))
		default:
			for _, text := range v.scheme.entries(r.header, f) {
				if signature, ok := v.decode(text); ok {
					r.given = append(r.given, signature)
				}
			}
			r.list = strings.Join(v.scheme.entries(r.header, Field{Header: f.Header}), " ")
			return nil
		}
	}
	return missing(v.scheme.Signature)
}

func missing(fields []Field) error {
	return fmt.Errorf("%w: there is no %s", verifier.ErrMissingSignature, fields[0].Header)
}

// readSigned reads what is signed beside the body.
func (v *Verifier) readSigned(r *request) (err error) {
	if v.signs("timestamp") {
		if r.timestamp, err = v.single(r.header, v.scheme.Timestamp); err != nil {
			return err
		}
		var ok bool
		if r.at, ok = parseTime(r.timestamp); !ok {
			return fmt.Errorf("%w: %s is not a time", verifier.ErrMismatch, v.scheme.Timestamp[0].Header)
		}
	}
	for i, p := range v.signed {
		if p != (part{"id", true}) {
			continue
		}
		if r.id, err = v.single(r.header, v.scheme.ID); err != nil {
			return err
		}
		// Otherwise it would be open where the id ends.
		if i+1 < len(v.signed) && !v.signed[i+1].name && strings.Contains(r.id, v.signed[i+1].text) {
			return fmt.Errorf("%w: %s has %q in it", verifier.ErrMismatch, v.scheme.ID[0].Header, v.signed[i+1].text)
		}
	}
	if v.signs("form") && r.isForm {
		if r.form, err = url.ParseQuery(string(r.body)); err != nil {
			return fmt.Errorf("%w: the form is malformed", verifier.ErrMismatch)
		}
		r.fields = canonical(r.form)
		// What was signed for a body that is no form is no form's.
		if hash := v.scheme.BodyHash + "="; hash != "=" && len(r.fields) > 0 && strings.HasPrefix(r.fields[1:], hash) {
			return fmt.Errorf("%w: a field of the form is %s", verifier.ErrMismatch, v.scheme.BodyHash)
		}
	}
	return nil
}

// single returns the one value of fields that is signed.
func (v *Verifier) single(header http.Header, fields []Field) (string, error) {
	for _, f := range fields {
		switch entries := v.scheme.entries(header, f); {
		case len(header[f.Header]) == 0:
		case len(entries) == 1 && entries[0] != "":
			return entries[0], nil
		default:
			return "", fmt.Errorf("%w: %s has %q %d times", verifier.ErrMismatch, f.Header, f.Prefix, len(entries))
		}
	}
	return "", missing(fields)
}

// canonical sorts the values of a form and drops those that come twice, as Twilio's
// libraries do, and returns its fields as they are signed. What is not signed is then not
// in the event: the order of fields, and how often they come.
func canonical(form url.Values) string {
	var b strings.Builder
	names := make([]string, 0, len(form))
	for name, values := range form {
		slices.Sort(values)
		form[name] = slices.Compact(values)
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range form[name] {
			b.WriteString(name)
			b.WriteString(value)
		}
	}
	return b.String()
}

// matches reports whether one of the signatures was made with k. The time that it takes
// does not tell which, or how much of it did.
func (v *Verifier) matches(k key, r *request) bool {
	if !k.public.IsZero() {
		return k.public.VerifyStandard(r.id, r.at, r.body, r.list)
	}
	match := 0
	for _, address := range v.addresses.Reveal() {
		mac := hmac.New(v.scheme.Hash.New, k.secret)
		v.write(mac, r, address)
		want := mac.Sum(nil)
		for _, got := range r.given {
			match |= subtle.ConstantTimeCompare(got, want)
		}
	}
	return match == 1
}

// decode returns the bytes of a signature, and false if it is not as long as one. Of
// base64, one spelling is accepted.
func (v *Verifier) decode(text string) ([]byte, bool) {
	size := v.scheme.Hash.Size()
	var out []byte
	var err error
	switch {
	case !v.scheme.Base64 && len(text) == hex.EncodedLen(size):
		out, err = hex.DecodeString(text)
	case v.scheme.Base64 && len(text) == base64.StdEncoding.EncodedLen(size):
		out, err = base64.StdEncoding.Strict().DecodeString(text)
	}
	return out, err == nil && len(out) == size
}

// write writes what is signed.
func (v *Verifier) write(w io.Writer, r *request, address string) {
	for _, p := range v.signed {
		text := p.text
		switch {
		case !p.name:
		case text == "body":
			_, _ = w.Write(r.body)
			continue
		case text == "timestamp":
			text = r.timestamp
		case text == "id":
			text = r.id
		case text == "form":
			text = r.fields
		case text == "url":
			text = address
			if v.scheme.BodyHash != "" && !r.isForm {
				text += v.bodyHash(address, r.body)
			}
		}
		_, _ = io.WriteString(w, text)
	}
}

// bodyHash returns what the sender has added to its address.
func (v *Verifier) bodyHash(address string, body []byte) string {
	sum := sha256.Sum256(body)
	mark := "?"
	if strings.Contains(address, "?") {
		mark = "&"
	}
	return mark + v.scheme.BodyHash + "=" + hex.EncodeToString(sum[:])
}

// parseTime reads Unix seconds, or milliseconds, or a time as in RFC 3339.
func parseTime(text string) (time.Time, bool) {
	if n, err := strconv.ParseUint(text, 10, 63); err == nil {
		if n < 1e11 { // Milliseconds since 1973 have a digit more than seconds until 5138.
			n *= 1000
		}
		at := time.UnixMilli(int64(n)).UTC()
		return at, validTime(at)
	}
	at, err := time.Parse(time.RFC3339, text)
	at = at.UTC()
	return at, err == nil && validTime(at)
}

// validTime reports whether an event can have the time.
func validTime(at time.Time) bool { return at.Year() >= 1970 && at.Year() <= 9999 }
