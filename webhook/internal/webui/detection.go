package webui

import (
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/words"
)

func say(text words.Text, args ...any) words.Message { return words.Message{Text: text, Args: args} }

// Explain says in a few sentences what was found and what there is to do about w, the
// webhook as it is now.
func Explain(d webhook.Detection, w webhook.Webhook) words.Message {
	switch d.Receiver {
	case webhook.FoundRaw:
		return say("The receiver verifies the bytes as they arrive, which is the right way: every payload verifies, in any payloadEncoding.")
	case webhook.FoundRewrites:
		if w.Encoding == d.Encoding {
			return say("The receiver parses the body and verifies what it writes again, as %s does. "+
				"This webhook's payloadEncoding, %s, suits it. "+
				"Verifying the raw bytes would be better: some numbers and keys cannot be written again the same.", rewriter(d.Encoding), d.Encoding)
		}
		return say("The receiver parses the body and verifies what it writes again, as %s does. "+
			"Set this webhook's payloadEncoding to %s; until then, payloads with such characters as é or < are refused. "+
			"Verifying the raw bytes would be better: some numbers and keys cannot be written again the same.", rewriter(d.Encoding), d.Encoding)
	case webhook.FoundOpen:
		return say("The receiver accepts a request whose signature is wrong. Anyone who knows its URL can send it events, " +
			"unless it verifies after it has answered.")
	case webhook.FoundNone:
		return say("The receiver has refused every probe (%s). Each probe was signed rightly, so it may have another secret, "+
			"verify in a way of its own, or refuse tests for another reason. Compare secrets first; rotate if in doubt.", answers(d))
	case webhook.FoundNothing:
		return say("The receiver did not say yes or no to the last probe: %s", silence(d))
	}
	return words.Message{}
}

// rewriter names the languages that write JSON in an encoding.
func rewriter(e webhook.Encoding) words.Message {
	switch e {
	case webhook.EncodingASCII:
		return say("json.dumps in Python or json_encode in PHP")
	case webhook.EncodingHTML:
		return say("json.Marshal in Go")
	}
	return say("JSON.stringify in JavaScript or to_json in Ruby")
}

// answers lists the status codes of probes that were refused.
func answers(d webhook.Detection) words.Message {
	var list words.Message
	for i, p := range d.Probes {
		code := say("%d to %s", p.Delivery.StatusCode, p.Sent)
		if list = say("%s, %s", list, code); i == 0 {
			list = code
		}
	}
	return list
}

// silence says why the last probe has no answer.
func silence(d webhook.Detection) words.Message {
	if len(d.Probes) == 0 {
		return say("none was sent.")
	}
	last := d.Probes[len(d.Probes)-1].Delivery
	switch {
	case last.Code == webhook.CodeStatus:
		return say("it answered %d, which says nothing about the signature. Try again when it takes requests.", last.StatusCode)
	case last.Code == webhook.CodeRedirect:
		return say("it answered %d, and redirects are not followed. Register the URL that it redirects to.", last.StatusCode)
	case last.Code == webhook.CodeConnect:
		return say("nobody listens there, or a firewall is in the way (connect). Mend that first.")
	case last.Code != "":
		return say("the attempt ended with %s. Mend that first.", last.Code)
	}
	return say("there was no outcome in time. Try again, and see the delivery log.")
}
