package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"
	recoverer "github.com/gofiber/fiber/v3/middleware/recover"
)

// withFiber adapts, since fiber is not built on net/http. Four things differ:
//
//   - The next request overwrites the strings of the one before. See owned.
//   - fiber reads a whole body before a handler sees it, and refuses one beyond
//     BodyLimit in its own form. A BodyLimit below the API's 260 KiB would refuse
//     events.
//   - A handler does not learn that its client has gone. A test with ?wait=true
//     goes on to its end.
//   - The adaptor cannot set deadlines, so the receiver's BodyTimeout has no effect:
//     set ReadTimeout. Of a header that comes twice, a handler sees the last only.
//
// Without the recover middleware, a panic in a handler ends the process.
func withFiber(prefix string, api, hooks http.Handler) server {
	app := fiber.New(fiber.Config{
		BodyLimit:    1 << 20,
		ReadTimeout:  30 * time.Second,
		WriteTimeout: 60 * time.Second,
		IdleTimeout:  2 * time.Minute,
	})
	app.Use(recoverer.New())
	app.Use(prefix+"/api", adaptor.HTTPHandler(owned(api)))
	app.All(prefix+"/webhooks", adaptor.HTTPHandler(owned(hooks)))
	return &fiberServer{app: app}
}

// owned copies the request. The adaptor's strings lie in a buffer into which the next
// request is read, but a store keeps some of them, such as the merchant's id. The
// adaptor's context also belongs to the next request.
func owned(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		uri := strings.Clone(r.RequestURI)
		u, err := url.ParseRequestURI(uri)
		if err != nil {
			http.Error(w, http.StatusText(http.StatusBadRequest), http.StatusBadRequest)
			return
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		own := new(http.Request).WithContext(ctx) //nolint:contextcheck // that of r is the next request's, too
		own.Method, own.Proto, own.ProtoMajor, own.ProtoMinor = strings.Clone(r.Method), "HTTP/1.1", 1, 1
		own.RequestURI, own.URL, own.Host = uri, u, strings.Clone(r.Host)
		own.RemoteAddr, own.TLS = r.RemoteAddr, r.TLS
		own.Body, own.ContentLength = r.Body, r.ContentLength // Read before the handler returns.
		own.Header = make(http.Header, len(r.Header))
		for name, values := range r.Header {
			for _, value := range values {
				own.Header.Add(strings.Clone(name), strings.Clone(value))
			}
		}
		next.ServeHTTP(w, own)
	})
}

// fiberServer starts and stops as net/http's server does. In fiber itself, a Shutdown
// before it has begun to serve does nothing, and it would serve for ever.
type fiberServer struct {
	app *fiber.App

	mu      sync.Mutex
	ln      net.Listener
	stopped bool
}

func (s *fiberServer) Serve(ln net.Listener) error {
	s.mu.Lock()
	s.ln = ln
	stopped := s.stopped
	s.mu.Unlock()
	if stopped {
		return errors.Join(http.ErrServerClosed, ln.Close())
	}
	err := s.app.Listener(ln, fiber.ListenConfig{DisableStartupMessage: true})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return http.ErrServerClosed
	}
	return err
}

func (s *fiberServer) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopped = true
	ln := s.ln
	s.mu.Unlock()
	err := s.app.ShutdownWithContext(ctx)
	if ln != nil {
		_ = ln.Close() // fiber may have closed it already.
	}
	return err
}
