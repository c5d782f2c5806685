package main

import (
	"net/http"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"
)

// withEcho wraps. The handlers write their answers themselves, so echo's error
// handler has no part in them, except for a panic of hooks. Leave middleware.BodyLimit
// and middleware.Gzip off these routes: the first answers in another form, and the
// second would encode what a receiver answers.
func withEcho(prefix string, api, hooks http.Handler) server {
	e := echo.New()
	e.Use(middleware.Recover())
	g := e.Group(prefix)
	g.Any("/api/*", echo.WrapHandler(api))
	g.Any("/webhooks", echo.WrapHandler(hooks))
	return serve(e)
}
