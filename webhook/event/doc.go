// Package event is what travels in a webhook: an [Event] with a [Type] and data.
//
// A sender makes an event of one of the payloads that the integration guide
// documents, or of a type of its own, and publishes it:
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
// What [Event.MarshalJSON] writes is the envelope of the guide, with its members
// in its order. [Parse] takes that and nothing that two parsers could read as two
// things.
//
// The package needs the standard library only.
//
// # Limits
//
// Data may be any JSON value, but not every receiver can read every value. Leave
// empty objects out, which PHP cannot tell from empty arrays. Write integers
// beyond 2^53 as strings, for JavaScript has no others: a service refuses those
// that would be rounded, and events over 256 KiB or nested more than 100 levels
// deep. Package portable lists all such things in an event.
package event
