package webhook

import "github.com/rag-assistant/webhooks/signer"

// headerNames are the names of the headers that this side writes, as postOnce has their
// values, and then the second ones of the last three. Those that are not sent are empty.
func headerNames(w signer.Wire) []string {
	w = w.WithDefaults()
	names := []string{
		"Content-Type",
		w.Signature,
		w.Event,
		w.WebhookID,
		w.DeliveryID,
		"User-Agent",
		signer.HeaderStandardID,
		signer.HeaderStandardTimestamp,
		signer.HeaderStandardSignature,
	}
	if w.Svix {
		names = append(names, "svix-id", "svix-timestamp", "svix-signature")
	}
	return names
}
