// Package verifier is the receiving end of a webhook: header and body in, a
// verified event or an error out. It pulls in the standard library and the two
// small packages beside it, and neither stores nor goroutines.
//
// A receiver:
//
//	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
//		e, _ := verifier.FromContext(r.Context())
//		log.Print(e.ID, " ", e.Type)
//	})
//	http.Handle("/webhooks", verifier.Middleware(os.Getenv("WEBHOOK_SECRET"), nil)(handler))
//	log.Fatal(http.ListenAndServe(":8080", nil))
//
// Without net/http's server, call [Verifier.Verify] with the headers and the body
// as it arrived: not decoded and encoded again.
//
// # Which signature counts
//
// A request may be signed in two ways: untimed, over the body alone
// (X-Webhook-Signature), and as Standard Webhooks says (webhook-id,
// webhook-timestamp, webhook-signature). Our sender does both by default. Only the
// second is bound to a time. A sender that has other names, or no untimed signature,
// is described by [Options.Wire]; X-Webhook-… below stands for its names.
//
//	Standard Webhooks        untimed     by default            with Options.AcceptUntimed
//	verifies, in time        any         accepted              accepted
//	verifies, out of time    any         ErrStale              ErrStale
//	wrong                    any         ErrMismatch           ErrMismatch
//	some headers of three    any         ErrMissingSignature   ErrMissingSignature
//	absent                   verifies    ErrMissingSignature   accepted
//	absent                   wrong       ErrMissingSignature   ErrMismatch
//	absent                   absent      ErrMissingSignature   ErrMissingSignature
//
// Where there is none of the three, svix-id, svix-timestamp and svix-signature count as
// Standard Webhooks, too.
//
// "Verifies" means with one of the secrets (v1) or one of the public keys (v1a).
// A receiver that has public keys only, and so nothing that anybody could steal,
// accepts no X-Webhook-Signature at all.
//
// A receiver that has one secret of two keeps working while the sender moves to
// the other, since webhook-signature lists both.
//
// A sender that sends X-Webhook-Signature alone is refused unless AcceptUntimed is
// set. With it, whoever has captured a request can leave the Standard Webhooks
// headers out and send it again, much later. In any case remember the ids of events
// that were processed.
//
// # Guarantees
//
//   - Every secret is tried, whichever matches, and signatures are compared in
//     constant time. Check allocates nothing when it accepts.
//   - An empty or mangled secret is an error when the Verifier is made, and never
//     a Verifier that accepts anything.
//   - The sender is told "invalid signature" whatever the reason; the reason
//     goes to [Options.OnReject] alone.
//   - A handler behind [Verifier.Middleware] runs only for a complete body that
//     verified and is one well-formed event, and finds that body unread.
//
// # Limits
//
// Bodies are held in memory, up to [Options.MaxBody]. The headers X-Webhook-ID
// and X-Webhook-Delivery-ID are not signed: do not decide by them. Events that
// come twice come to the handler twice; package receiver drops repeats.
package verifier
