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
// In a [testing/synctest] bubble, minutes of retries pass in milliseconds. Nothing may
// wait for a network there, so make the endpoint with [Options.InProcess], and give
// the dispatcher [Endpoint.Transport] instead of Egress.
//
// A receiver's test:
//
//	r := webhooktest.Request(t, secret, event.New(event.DocumentCreated{…}), nil)
//	handler.ServeHTTP(w, r)
//
// # Answers
//
// An endpoint answers 200 unless it is told otherwise. Each answer is given once, in
// the order of the calls; [Endpoint.Otherwise] sets what follows:
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
// If the endpoint knows a secret, it answers a request that does not verify with 401,
// as a receiver does, and keeps the answers above for later requests. If it knows
// none, it gives these answers to all requests.
//
// # Guarantees
//
// Nothing here sleeps, and everything ends with the test. An endpoint listens on
// loopback only. It has a certificate of its own, which nobody else trusts.
//
// # Limits
//
// A request is recorded when it has arrived, before it is answered. At that moment the
// sender has not processed the answer yet. The in-process endpoint has no
// connections, so it does not test the network and the rules of package egress.
package webhooktest
