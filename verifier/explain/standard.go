package explain

import (
	"fmt"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// standardMessages are the texts that may have been signed, the right one first.
func (x *explanation) standardMessages() []message {
	id, timestamp := x.value(signer.HeaderStandardID), x.value(signer.HeaderStandardTimestamp)
	out := []message{{id + "." + timestamp + ".", Finding{}}, {"", signedOther("the body alone")}}
	if timestamp != "" {
		out = append(out, message{timestamp + ".", signedOther("the time and the body, without the id")})
	}
	for _, other := range x.otherIDs() {
		f := otherID()
		if id == "" { // A missing id is a finding already.
			f = Finding{}
		}
		out = append(out, message{other + "." + timestamp + ".", f})
	}
	return out
}

func otherID() Finding {
	return signedOther("another id than that of webhook-id, the time and the body")
}

// otherIDs are the ids that a sender may have signed in place of webhook-id.
func (x *explanation) otherIDs() []string {
	ids := []string{x.value(x.opts.Wire.DeliveryID), x.value(x.opts.Wire.WebhookID)}
	if e, err := event.Parse(x.body); err == nil {
		ids = append(ids, e.ID)
	}
	return ids
}

// maxClaims is how many signatures are looked at.
const maxClaims = 10

// standard looks at the headers of Standard Webhooks.
func (x *explanation) standard() result {
	var r result
	var values [3]string
	var all []string
	names := x.standardNames()
	var missing []string
	for i, name := range names {
		f := x.find(name, strings.Replace(name, "webhook-", "svix-", 1))
		if i == 0 {
			all = rejoin(f.values)
			f.values = all[:min(len(all), 1)]
		}
		if values[i] = r.once(f, name); values[i] == "" {
			missing = append(missing, name)
		}
	}
	if len(missing) == len(names) {
		return r
	}
	r.present = true
	if len(missing) > 0 {
		r.causes = append(r.causes, Finding{
			HeaderMissing, true, "Of the Standard Webhooks headers, there is no " + strings.Join(missing, " and no ") + ".",
			"A signature needs all three. Look whether something on the way drops headers that it does not know.",
		})
	}
	var claims []claim
	for _, value := range all {
		if len(claims) >= maxClaims {
			break
		}
		c, findings := readStandard(value, x.opts.Wire.Untimed)
		claims = append(claims, c...)
		r.forms = append(r.forms, findings...)
	}
	claims = claims[:min(len(claims), maxClaims)]
	r.readable = slices.ContainsFunc(claims, func(c claim) bool { return c.text == "" || len(x.ring.public) > 0 })
	at, timely := x.time(&r, values[2])
	if id := values[1]; strings.Contains(id, ".") {
		r.causes = append(r.causes, Finding{IDMalformed, true, "webhook-id has a dot in it, which leaves open where the id ends.", "The sender has to choose ids without one."})
	}
	if timely && x.asymmetric(&r, claims, values[1], at) {
		return r
	}
	swapped := scheme{x.untimedKeys(), []message{{}}, Finding{
		SchemeSwapped, true,
		"webhook-signature was made as X-Webhook-Signature is.", "That of Standard Webhooks is over id, time and body, with the decoded secret as the key.",
	}}
	r.conclude(search(claims, []scheme{{keys: x.ring.standard, messages: x.standardMessages()}, swapped}, x.bodies))
	return r
}

// standardNames are the names under which package verifier looks for the headers.
func (x *explanation) standardNames() [3]string {
	names := [3]string{signer.HeaderStandardSignature, signer.HeaderStandardID, signer.HeaderStandardTimestamp}
	svix := [3]string{"svix-signature", "svix-id", "svix-timestamp"}
	there := func(name string) bool { return len(x.header[textproto.CanonicalMIMEHeaderKey(name)]) > 0 }
	if !slices.ContainsFunc(names[:], there) && slices.ContainsFunc(svix[:], there) {
		return svix
	}
	return names
}

// rejoin undoes what package verifier undoes: adapters of AWS Lambda cut
// webhook-signature at its commas or spaces.
func rejoin(values []string) []string {
	if len(values) < 2 {
		return values
	}
	var out []string
	words := strings.FieldsFunc(strings.Join(values, " "), func(c rune) bool { return c == ' ' || c == '\t' || c == ',' })
	for pair := range slices.Chunk(words, 2) {
		out = append(out, strings.Join(pair, ","))
	}
	return out
}

// time reads webhook-timestamp and notes what is wrong with it.
func (x *explanation) time(r *result, value string) (time.Time, bool) {
	seconds, err := strconv.ParseUint(value, 10, 40)
	if err != nil || value[0] == '0' {
		if value != "" {
			r.causes = append(r.causes, Finding{
				TimeMalformed, true, "webhook-timestamp is not a number of whole seconds since 1970.",
				"Milliseconds, a fraction, leading zeros or a written date are none.",
			})
		}
		return time.Time{}, false
	}
	at := time.Unix(int64(seconds), 0)
	age := x.now.Sub(at).Round(time.Second)
	var text string
	switch {
	case age > x.opts.Tolerance:
		text = fmt.Sprintf("The request was signed %s ago; %s are allowed.", age, x.opts.Tolerance)
	case age < -x.opts.Tolerance:
		text = fmt.Sprintf("The request was signed %s in the future; %s are allowed.", -age, x.opts.Tolerance)
	default:
		return at, true
	}
	advice := "Either the request was sent again by somebody who had captured it, or one of the two clocks is wrong."
	if off := (age.Abs() + time.Minute) % (30 * time.Minute); off < 2*time.Minute && age.Abs() < 15*time.Hour {
		advice += " It is close to whole hours: a clock may be set to another time zone."
	}
	r.causes = append(r.causes, Finding{Stale, true, text, advice})
	return at, true
}

// asymmetric tries the public keys on the v1a signatures. It reports whether one of
// them matches.
func (x *explanation) asymmetric(r *result, claims []claim, id string, at time.Time) bool {
	ids := append([]string{id}, x.otherIDs()...)
	for _, c := range claims {
		if c.text == "" {
			continue
		}
		for _, public := range x.ring.public {
			for _, b := range x.bodies {
				for i, candidate := range ids {
					if (i > 0 && b.mistake.Code != "") || !public.VerifyStandard(candidate, at, b.bytes, c.text) {
						continue
					}
					f := Finding{}
					if i > 0 {
						f = otherID()
					}
					r.conclude(distinct([]Finding{c.mistake, f, b.mistake}), true)
					return true
				}
			}
		}
	}
	if len(x.ring.public) == 0 && slices.ContainsFunc(claims, func(c claim) bool { return c.text != "" }) {
		r.forms = append(r.forms, Finding{
			SecretMissing, true, "webhook-signature holds an asymmetric signature (v1a), and no public key was given.",
			"Ask the sender for its public key, \"whpk_…\".",
		})
	}
	return false
}
