package portal

import (
	"fmt"
	"strings"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook"
)

// wireOf is what the requests of svc look like, with every name filled in.
func wireOf(svc *webhook.Service) signer.Wire {
	if svc == nil { // which New refuses
		return signer.Wire{}.WithDefaults()
	}
	return svc.Wire()
}

// isShaped reports whether what svc sends is not the event itself.
func isShaped(svc *webhook.Service) bool { return svc != nil && svc.Catalog().Shape() != nil }

// slashed is a text inside quotes of a program: a backslash stands before the characters that
// the quotes of its language treat as special, and before each backslash.
func slashed(text, special string) string {
	var out strings.Builder
	for _, c := range text {
		if c == '\\' || strings.ContainsRune(special, c) {
			out.WriteByte('\\')
		}
		out.WriteRune(c)
	}
	return out.String()
}

// variable is a header's name as CGI has it, after HTTP_.
func variable(name string) string { return strings.ReplaceAll(strings.ToUpper(name), "-", "_") }

// wireOptions writes what a verifier has to know of a wire, as Go. It is empty if that is
// what the verifier takes for granted.
func wireOptions(w signer.Wire) string {
	var fields []string
	add := func(name, value, known string) {
		if value != known && value != "" {
			fields = append(fields, fmt.Sprintf("%s: %q", name, value))
		}
	}
	flag := func(name string, set bool) {
		if set {
			fields = append(fields, name+": true")
		}
	}
	add("Prefix", w.Prefix, signer.Wire{}.WithDefaults().Prefix)
	own := signer.Wire{Prefix: w.Prefix}.WithDefaults()
	add("Signature", w.Signature, own.Signature)
	add("Event", w.Event, own.Event)
	add("WebhookID", w.WebhookID, own.WebhookID)
	add("DeliveryID", w.DeliveryID, own.DeliveryID)
	outer := fields
	fields = nil
	if w.Signature != "" {
		add("Prefix", w.Untimed.Prefix, own.Untimed.Prefix)
		flag("NoPrefix", w.Untimed.NoPrefix)
		flag("Base64", w.Untimed.Base64)
		flag("DecodedKey", w.Untimed.DecodedKey)
	}
	if len(fields) > 0 {
		outer = append(outer, "Untimed: signer.Untimed{"+strings.Join(fields, ", ")+"}")
	}
	fields = outer
	flag("OmitUntimed", w.OmitUntimed)
	flag("StandardOnly", w.StandardOnly)
	if len(fields) == 0 {
		return ""
	}
	return "signer.Wire{" + strings.Join(fields, ", ") + "}"
}
