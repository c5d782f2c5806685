package main

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// withGin wraps the handlers. Any registers the nine methods of net/http; others get
// gin's own 404. A middleware that reads the body, as with ShouldBindJSON, leaves the
// receiver nothing to verify: put it on other groups.
func withGin(prefix string, api, hooks http.Handler) server {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.Use(gin.Recovery())
	g := r.Group(prefix)
	g.Any("/api/*path", gin.WrapH(api))
	g.Any("/webhooks", gin.WrapH(hooks))
	return serve(r)
}
