package main

import (
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

// withChi mounts the handlers. chi leaves the path in the request's URL, so nothing has
// to be stripped. A method that HTTP does not know, such as PROPFIND, gets chi's own
// 405, unless chi.RegisterMethod knows it.
func withChi(prefix string, api, hooks http.Handler) server {
	r := chi.NewRouter()
	r.Use(middleware.Recoverer)
	mountAll := func(r chi.Router) {
		r.Mount("/api", api)
		r.Handle("/webhooks", hooks)
	}
	if prefix == "" {
		mountAll(r)
	} else {
		r.Route(prefix, mountAll)
	}
	return serve(r)
}
