// Package webhooktest is the test kit for programs that send or receive webhooks:
// an endpoint that verifies, records and answers as told, signed requests for a
// handler, and [RequirePortable] for the payloads of a host's own events.
//
// A sender's test:
//
//	ep := webhooktest.NewEndpoint(t, nil)
//	svc, disp := start(t, ep.Egress())     // the egress options of both halves
//	reg, err := svc.Register(ctx, "merchant_42", webhook.Registration{URL: ep.URL(), Events: …})
//	ep.SetSecret(reg.Secret.Reveal())
//
//	ep.Fail(2)                             // the next two requests are answered with 500
//	svc.Publish(ctx, "merchant_42", event.New(event.DocumentCreated{…}))
//	got := ep.Next(t)                      // waits for the first of them
//	require.NoError(t, got.Err)            // it verified
//	require.Equal(t, event.TypeDocumentCreated, got.Event.Type)
//
// The same inside of a [testing/synctest] bubble, where the 21 minutes of the
// guide's schedule pass in milliseconds: there, nothing may wait for a network, so
// the endpoint is made with [Options.InProcess], and the dispatcher gets
// [Endpoint.Transport] instead of Egress.
//
// A receiver's test:
//
//	r := webhooktest.Request(t, secret, event.New(event.DocumentCreated{…}), nil)
//	handler.ServeHTTP(w, r)
//
// # Answers
//
// An endpoint answers 200 unless it is told otherwise. What it is told for the next
// requests is played once, in order:
//
//	ep.Fail(3)                                                // 500, three times
//	ep.Answer(webhooktest.Status(503).Header("Retry-After", "120"))
//	ep.Answer(webhooktest.Status(200).Body("OK").After(9*time.Second))
//	ep.Answer(webhooktest.Redirect("https://example.com/"))   // 307
//	ep.Answer(webhooktest.Reset())                            // the connection is reset
//	ep.Answer(webhooktest.Never())                            // no answer until the sender gives up
//	ep.Answer(webhooktest.Status(200).Body("O").Hang())       // a body that does not end
//	ep.Otherwise(webhooktest.Status(410))                     // all that follow
//
// An endpoint that knows a secret answers a request that does not verify as a
// receiver does, with 401, and plays nothing for it. One that knows none plays.
//
// # Guarantees
//
// Nothing here sleeps, and what is started ends with the test. An endpoint listens
// on loopback only and has a certificate of its own, which nobody else trusts.
//
// # Limits
//
// A request is recorded when it has arrived, before it is answered: what the sender
// makes of the answer comes later. The in-process endpoint has no connections, so
// what the network and the rules of package egress would do is not tested with it.
package webhooktest
