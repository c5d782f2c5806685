// Package event has what travels in a webhook: an [Event] with a [Type] and data.
//
// Nine types and their payloads are those of the integration guide that RAG
// Assistant gives its merchants. A sender makes an event of one of them, or of a type
// of its own, and publishes it:
//
//	svc.Publish(ctx, "merchant_42", event.New(event.DocumentCreated{
//		DocumentID: "doc_1",
//		Type:       "product",
//		Title:      "Wireless Bluetooth Headphones",
//	}))
//
// A receiver reads it back from a body that it has verified:
//
//	e, err := event.Parse(body)
//	…
//	switch e.Type {
//	case event.TypeDocumentCreated:
//		doc, err := event.Data[event.DocumentCreated](e)
//
// # Guarantees
//
// [Event.MarshalJSON] writes an object with id, type, created and data, in this
// order. [Parse] reads that, and refuses what two parsers could read in two ways.
// [ParseStandard] also reads the messages of other senders. A [Shape] writes an event as
// its host wants it: [StandardShape], [CloudEvents], or an envelope of its own.
//
// The package needs the standard library only.
//
// # Limits
//
// Data may be any JSON value, but not every receiver can read every value. Leave
// empty objects out, because PHP cannot tell them from empty arrays. Write integers
// beyond 2^53 as strings, because JavaScript would round them. A service refuses
// integers that would be rounded, and events over 256 KiB or nested more than 100
// levels deep. Package portable lists all such values in an event.
package event
