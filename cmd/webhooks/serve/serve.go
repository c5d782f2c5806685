// Package serve is the reference service: the management API, publishing over
// HTTP, the portal for merchants and a dispatcher in one process, or in several on
// one Redis or PostgreSQL. GET /healthz says that it lives, GET /readyz that it takes requests. Every
// flag can be set in the environment too: -jwt-secret is WEBHOOK_SERVER_JWT_SECRET.
//
// `webhooks serve` is this, and so is examples/server:
//
//	KEY=$(openssl rand -hex 32)
//	TOKEN=$(webhooks serve -jwt-secret "$KEY" -token merchant_42)
//	webhooks serve -jwt-secret "$KEY"
//
// Without -store, state is in webhooks.db in the working directory, and the key that
// seals its secrets in webhooks.key.
//
// Metrics and traces are exported as OpenTelemetry's variables say.
package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/sync/errgroup"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
	"github.com/rag-assistant/webhooks/webhook/jwtauth"
	"github.com/rag-assistant/webhooks/webhook/operator"
)

// Run does what the flags in args say: it serves until ctx ends, then drains. It fails with
// [flag.ErrHelp] once it has written the flags to stderr, if that is what they ask for.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c, err := parse(args, stderr)
	if err != nil {
		return err
	}
	if c.check {
		return check(ctx, c.addr)
	}
	if c.tokenFor != "" {
		token, err := newToken(c.jwtSecret, c.tokenFor, &c.jwt, 24*time.Hour)
		_, _ = fmt.Fprintln(stdout, token)
		return err
	}
	return c.run(ctx, stderr)
}

// run serves until ctx ends.
func (c *config) run(ctx context.Context, stderr io.Writer) error {
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: c.logLevel}))
	st, closeStore, err := c.open(ctx, log)
	if err != nil {
		return err
	}
	defer closeStore()
	tel, flush, err := newTelemetry(ctx, log)
	if err != nil {
		return err
	}
	defer flush()
	st = tel.Store(st)
	if _, err := tel.WatchBacklog(st); err != nil {
		return err
	}

	// Everything that can fail at the start does so before anything is delivered.
	opts := c.dispatcher
	opts.Logger, opts.Observer, c.service.Logger, c.service.Observer = log, tel.Observer(), log, tel.Observer()
	svc, err := webhook.NewService(st, &c.service)
	if err != nil {
		return err
	}
	ops, err := operator.New(st, svc, &operator.Options{Logger: log})
	if err != nil {
		return err
	}
	opts.Jobs = ops.Jobs()
	opts.WarnAfter = opts.DisableAfter / 2
	if opts.OnNotice, err = c.mail.notices(svc, log); err != nil {
		return err
	}
	disp, err := webhook.NewDispatcher(st, &opts)
	if err != nil {
		return err
	}
	alive := &health{of: svc.Health, log: log}
	if c.dispatches() {
		alive.of = disp.Health
	}
	mux := http.NewServeMux()
	alive.routes(mux)
	keys, fetch, err := c.keys(log)
	if err != nil {
		return err
	}
	if c.serves() {
		if err := c.routes(mux, svc, ops, keys, log); err != nil {
			return err
		}
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.addr)
	if err != nil {
		return err
	}
	log.InfoContext(ctx, "listening", slog.String("addr", ln.Addr().String()), slog.String("role", c.role))
	srv := newServer(mux)

	// The API stops before the dispatcher, so that a test that a caller waits for
	// still gets its outcome.
	g, failed := errgroup.WithContext(context.WithoutCancel(ctx))
	dispatching, stopDispatching := context.WithCancel(failed)
	if c.serves() {
		g.Go(func() error { return fetch(dispatching) })
	}
	if c.dispatches() {
		g.Go(func() error { return disp.Run(dispatching) })
	}
	g.Go(func() error {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		defer stopDispatching()
		select {
		case <-ctx.Done():
		case <-failed.Done():
		}
		alive.draining.Store(true)
		select {
		case <-time.After(c.drainDelay):
		case <-failed.Done():
		}
		log.InfoContext(ctx, "stopping once deliveries on the wire have ended; stop again to end at once")
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		return srv.Shutdown(drain)
	})
	return g.Wait()
}

// newServer bounds what one client can hold, for which net/http has no defaults.
// A test event with ?wait=true needs 15 seconds of the WriteTimeout.
func newServer(handler http.Handler) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
}

// keys returns what tokens are verified with, and what keeps that up to date until its
// context ends.
func (c *config) keys(log *slog.Logger) (jwtauth.Keys, func(context.Context) error, error) {
	if c.jwksURL == "" {
		return c.jwtKeys, func(context.Context) error { return nil }, nil
	}
	keys, err := jwtauth.NewRemote(c.jwksURL, &jwtauth.RemoteOptions{Logger: log})
	if err != nil {
		return nil, nil, fmt.Errorf("-jwks-url: %w", err)
	}
	return keys, keys.Run, nil
}

// routes are the API and the portal.
func (c *config) routes(mux *http.ServeMux, svc *webhook.Service, ops *operator.Operator, keys jwtauth.Keys, log *slog.Logger) error {
	auth, err := jwtauth.New(keys, &c.jwt)
	if err != nil {
		return err
	}
	h, err := api.New(svc, auth.Authenticate, &api.Options{
		EnablePublish: true, Operator: ops, Logger: log, Words: c.yours.words, Title: c.yours.title,
		Retry: c.dispatcher.Retry, AttemptTimeout: c.dispatcher.AttemptTimeout,
	})
	if err != nil {
		return err
	}
	mux.Handle("/api/", h)
	return c.pages(mux, svc, ops, auth.Authenticate, log)
}

// anyMerchant stands for an operator where a token is made.
const anyMerchant = "*"

// newToken makes a token as the host's login would, with the claims that o reads. The key is the text itself.
func newToken(key []byte, merchantID string, o *jwtauth.Options, good time.Duration) (string, error) {
	claims := jwt.MapClaims{"exp": time.Now().Add(good).Unix(), o.MerchantClaim: merchantID}
	if merchantID == anyMerchant {
		claims = jwt.MapClaims{"exp": claims["exp"], "scope": o.AdminScope}
		if o.MerchantClaim != "sub" { // An operator is no tenant.
			claims["sub"] = "operator"
		}
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(key)
}
