package main

import (
	"net/http"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"
)

// withEcho wraps the handlers. They write their answers themselves, so echo's error
// handler is used only if hooks panics. Leave middleware.BodyLimit and middleware.Gzip
// off these routes: the first answers in another form, and the second would encode
// the receiver's answers.
func withEcho(prefix string, api, hooks http.Handler) server {
	e := echo.New()
	e.Use(middleware.Recover())
	g := e.Group(prefix)
	g.Any("/api/*", echo.WrapHandler(api))
	g.Any("/webhooks", echo.WrapHandler(hooks))
	return serve(e)
}
