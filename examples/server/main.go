// Command server is the reference service in a program of its own: what `webhooks serve`
// runs, with the same flags. A service of yours begins as a copy of package serve.
//
//	KEY=$(openssl rand -hex 32)
//	TOKEN=$(go run . -jwt-secret "$KEY" -token merchant_42)
//	go run . -jwt-secret "$KEY"
//
// It is a module of its own, so that what exports metrics and traces, as
// OpenTelemetry's variables say, is in nobody's go.mod.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/rag-assistant/webhooks/cmd/webhooks/serve"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // A second signal ends the process at once.
	err := serve.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(0)
	case err != nil:
		fmt.Fprintln(os.Stderr, "server:", err)
		os.Exit(1)
	}
}
