// Package provider verifies what other senders sign in ways of their own: GitHub, Stripe,
// Slack, Shopify, Svix, Twilio, Paddle, Zoom, and all that follow Standard Webhooks. It
// imports the standard library and the packages beside it.
//
//	v, err := provider.Stripe(os.Getenv("STRIPE_WEBHOOK_SECRET"), nil)
//	…
//	rcv, err := receiver.NewFor(v, mux, nil)
//
// A [Verifier] is what receiver.NewFor and verifier.MiddlewareFor ask for. Another sender
// is a [Scheme] of yours, one composite literal: see [New].
//
// # Events
//
// The ID is the sender's for the message. Where it sends none, the ID is "evt_" and a hash of
// the sender's name and the body, so that a repeat has the same. Type is the sender's word.
// Created is when it happened, as the sender says, or else when it signed, or else now. Data
// is the body's JSON, or that in a form, or a form's fields as an object, in which a field
// that comes several times is an array. Body and ContentType are as they came.
//
// # Guarantees
//
//   - The scheme decides which algorithm, header and form of signature counts, never the
//     request. Signatures are compared in constant time, each with each secret.
//   - Where a time is signed, a request that is too old or too far ahead is refused. Where
//     none is, whoever has captured a request can send it again for ever: keep the ids.
//   - The work is linear in the size of a request, however many signatures it lists.
//   - No error holds a secret, a signature or anything of the body.
//
// # Limits
//
// Headers other than those of Standard Webhooks are not signed: GitHub's and Shopify's id and
// type are hints of somebody who has a signed body. Before you act on one, look into the data.
package provider
