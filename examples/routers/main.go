// Command routers serves the management API and a receiver of webhooks with one of
// five routers:
//
//	go run . -router chi
//
// Each has a file that shows how to mount both, and what to mind. The same tests
// run against all of them, at the root, below a prefix and behind a proxy.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"maps"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
)

// server is what [http.Server] has, and fiber gets.
type server interface {
	Serve(ln net.Listener) error
	Shutdown(ctx context.Context) error
}

// mount serves api at prefix/api/ and hooks at prefix/webhooks. The prefix is empty
// or a path without a slash at its end.
type mount func(prefix string, h, hooks http.Handler) server

func routers() map[string]mount {
	return map[string]mount{
		"net/http": withNetHTTP,
		"chi":      withChi,
		"gin":      withGin,
		"echo":     withEcho,
		"fiber":    withFiber,
	}
}

// serve bounds what one client can hold, for which net/http has no defaults. A test
// event with ?wait=true needs 15 seconds of the WriteTimeout.
func serve(handler http.Handler) server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, args []string) error {
	names := strings.Join(slices.Sorted(maps.Keys(routers())), ", ")
	fs := flag.NewFlagSet("routers", flag.ContinueOnError)
	addr := fs.String("addr", "127.0.0.1:8080", "address to listen on")
	router := fs.String("router", "net/http", "one of "+names)
	if err := fs.Parse(args); err != nil {
		return err
	}
	with := routers()[*router]
	if with == nil {
		return fmt.Errorf("-router %q is none of %s", *router, names)
	}
	svc, err := webhook.NewService(memstore.New(nil), nil)
	if err != nil {
		return err
	}
	h, err := api.New(svc, authenticate, nil)
	if err != nil {
		return err
	}
	hooks := http.NotFoundHandler()
	if secret := os.Getenv("WEBHOOK_SECRET"); secret != "" {
		hooks = verifier.Middleware(secret, nil)(http.HandlerFunc(receive))
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", *addr)
	if err != nil {
		return err
	}
	log.Printf("%s listens on http://%s/api/merchants/merchant_42/webhooks", *router, ln.Addr())
	srv := with("", h, hooks)
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		stopped <- srv.Shutdown(drain)
	})
	if err := srv.Serve(ln); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

func receive(w http.ResponseWriter, r *http.Request) {
	e, _ := verifier.FromContext(r.Context())
	log.Printf("received %s %s", e.Type, e.ID)
	w.WriteHeader(http.StatusNoContent)
}

// authenticate stands for the host's own login.
func authenticate(r *http.Request) (webhook.Principal, error) {
	merchant, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer demo-")
	if !found {
		return webhook.Principal{}, errors.New("no token")
	}
	return webhook.Principal{MerchantID: merchant}, nil
}
