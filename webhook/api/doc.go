// Package api serves the management API: merchants register webhooks, look into the
// delivery log, test, replay and rotate over HTTP. It is a thin layer over the public
// methods of [webhook.Service], mounted by any router:
//
//	svc, err := webhook.NewService(st, nil)
//	h, err := api.New(svc, authenticate, nil)
//	mux.Handle("/api/", h)
//
// Every request must be authenticated: authenticate says for which merchant it is.
// [Handler] lists the routes and says what holds for all of them. The OpenAPI document
// that it serves is made of openapi.yaml in this directory.
package api
