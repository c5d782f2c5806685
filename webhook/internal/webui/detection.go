package webui

import (
	"fmt"
	"strings"

	"github.com/rag-assistant/webhooks/webhook"
)

// Explain says in a few sentences what was found and what there is to do about w, the
// webhook as it is now.
func Explain(d webhook.Detection, w webhook.Webhook) string {
	switch d.Receiver {
	case webhook.FoundRaw:
		return "The receiver verifies the bytes as they arrive, which is the right way: every payload verifies, in any payloadEncoding."
	case webhook.FoundRewrites:
		text := "The receiver parses the body and verifies what it writes again, as " + rewriters[d.Encoding] + " does. "
		if w.Encoding == d.Encoding {
			text += "This webhook's payloadEncoding, " + string(d.Encoding) + ", suits it."
		} else {
			text += "Set this webhook's payloadEncoding to " + string(d.Encoding) +
				"; until then, payloads with such characters as é or < are refused."
		}
		return text + " Verifying the raw bytes would be better: some numbers and keys cannot be written again the same."
	case webhook.FoundOpen:
		return "The receiver accepts a request whose signature is wrong. Anyone who knows its URL can send it events, " +
			"unless it verifies after it has answered."
	case webhook.FoundNone:
		return "The receiver has refused " + answers(d) + " Each probe was signed rightly, so it may have another secret, " +
			"verify in a way of its own, or refuse tests for another reason. Compare secrets first; rotate if in doubt."
	case webhook.FoundNothing:
		return "The receiver did not say yes or no to the last probe: " + silence(d)
	}
	return ""
}

// rewriters names the languages that write JSON in an encoding.
//
//nolint:gochecknoglobals // a constant map
var rewriters = map[webhook.Encoding]string{
	webhook.EncodingStandard: "JSON.stringify in JavaScript or to_json in Ruby",
	webhook.EncodingASCII:    "json.dumps in Python or json_encode in PHP",
	webhook.EncodingHTML:     "json.Marshal in Go",
}

// answers lists the status codes of probes that were refused.
func answers(d webhook.Detection) string {
	codes := make([]string, len(d.Probes))
	for i, p := range d.Probes {
		codes[i] = fmt.Sprintf("%d to %s", p.Delivery.StatusCode, p.Sent)
	}
	return "every probe (" + strings.Join(codes, ", ") + ")."
}

// silence says why the last probe has no answer.
func silence(d webhook.Detection) string {
	if len(d.Probes) == 0 {
		return "none was sent."
	}
	last := d.Probes[len(d.Probes)-1].Delivery
	switch {
	case last.Code == webhook.CodeStatus:
		return fmt.Sprintf("it answered %d, which says nothing about the signature. Try again when it takes requests.", last.StatusCode)
	case last.Code == webhook.CodeRedirect:
		return fmt.Sprintf("it answered %d, and redirects are not followed. Register the URL that it redirects to.", last.StatusCode)
	case last.Code == webhook.CodeConnect:
		return "nobody listens there, or a firewall is in the way (connect). Mend that first."
	case last.Code != "":
		return "the attempt ended with " + string(last.Code) + ". Mend that first."
	}
	return "there was no outcome in time. Try again, and see the delivery log."
}
