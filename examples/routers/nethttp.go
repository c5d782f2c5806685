package main

import "net/http"

// withNetHTTP needs no more than a pattern with a slash at its end. Without a
// method in the pattern, wrong ones reach the API too, which answers 405 in its own
// form.
func withNetHTTP(prefix string, api, hooks http.Handler) server {
	mux := http.NewServeMux()
	mux.Handle(prefix+"/api/", api)
	mux.Handle(prefix+"/webhooks", hooks)
	return serve(mux)
}
