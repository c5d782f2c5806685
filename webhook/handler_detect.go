package webhook

import (
	"fmt"
	"strings"
)

type detectionView struct {
	WebhookID string `json:"webhookId"`

	Receiver        Finding  `json:"receiver"`
	PayloadEncoding Encoding `json:"payloadEncoding,omitempty"` // what this receiver verifies, if that is known
	Set             bool     `json:"set"`                       // the webhook had another encoding and has this one now
	Explanation     string   `json:"explanation"`

	Probes []probeView `json:"probes"`
}

type probeView struct {
	Sent     ProbeBody `json:"sent"`
	Accepted bool      `json:"accepted"`

	createdView
}

func newDetectionView(w Webhook, d Detection, set bool) detectionView {
	v := detectionView{
		WebhookID: w.ID, Receiver: d.Finding, PayloadEncoding: d.Encoding, Set: set,
		Explanation: d.Explain(w), Probes: make([]probeView, len(d.Probes)),
	}
	for i := range d.Probes {
		p := &d.Probes[i]
		v.Probes[i] = probeView{Sent: p.Sent, Accepted: p.Accepted(), createdView: newCreatedView(&p.Delivery, false)}
	}
	return v
}

// Explain says in a few sentences what was found and what there is to do about w, the
// webhook as it is now.
func (d Detection) Explain(w Webhook) string {
	switch d.Finding {
	case FoundRaw:
		return "The receiver verifies the bytes as they arrive, which is the right way: every payload verifies, in any payloadEncoding."
	case FoundRewrites:
		text := "The receiver parses the body and verifies what it writes again, as " + rewriters[d.Encoding] + " does. "
		if w.Encoding == d.Encoding {
			text += "This webhook's payloadEncoding, " + string(d.Encoding) + ", suits it."
		} else {
			text += "Set this webhook's payloadEncoding to " + string(d.Encoding) +
				"; until then, payloads with such characters as é or < are refused."
		}
		return text + " Verifying the raw bytes would be better: some numbers and keys cannot be written again the same."
	case FoundOpen:
		return "The receiver accepts a request whose signature is wrong. Anyone who knows its URL can send it events, " +
			"unless it verifies after it has answered."
	case FoundNone:
		return "The receiver has refused " + d.answers() + " Each probe was signed rightly, so it may have another secret, " +
			"verify in a way of its own, or refuse tests for another reason. Compare secrets first; rotate if in doubt."
	case FoundNothing:
		return "The receiver did not say yes or no to the last probe: " + d.silence()
	}
	return ""
}

// rewriters names who writes JSON in an encoding.
//
//nolint:gochecknoglobals // a constant map
var rewriters = map[Encoding]string{
	EncodingStandard: "JSON.stringify in JavaScript or to_json in Ruby",
	EncodingASCII:    "json.dumps in Python or json_encode in PHP",
	EncodingHTML:     "json.Marshal in Go",
}

// answers lists the status codes of probes that were refused.
func (d Detection) answers() string {
	codes := make([]string, len(d.Probes))
	for i, p := range d.Probes {
		codes[i] = fmt.Sprintf("%d to %s", p.Delivery.StatusCode, p.Sent)
	}
	return "every probe (" + strings.Join(codes, ", ") + ")."
}

// silence says why the last probe has no answer.
func (d Detection) silence() string {
	if len(d.Probes) == 0 {
		return "none was sent."
	}
	last := d.Probes[len(d.Probes)-1].Delivery
	switch {
	case last.Error == CodeStatus:
		return fmt.Sprintf("it answered %d, which says nothing about the signature. Try again when it takes requests.", last.StatusCode)
	case last.Error == CodeRedirect:
		return fmt.Sprintf("it answered %d, and redirects are not followed. Register the URL that it redirects to.", last.StatusCode)
	case last.Error == CodeConnect:
		return "nobody listens there, or a firewall is in the way (connect). Mend that first."
	case last.Error != "":
		return "the attempt ended with " + last.Error + ". Mend that first."
	}
	return "there was no outcome in time. Try again, and see the delivery log."
}
