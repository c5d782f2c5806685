// Command webhooks is for those who run a sender of webhooks and those who write receivers.
// It asks the management API of a service (ls, events, why, deliveries, replay, test,
// operator …), receives on a developer's desk (listen, explain), moves webhooks between
// stores (export, import, migrate) and is the reference service itself (serve).
//
//	export WEBHOOKS_SERVER=https://webhooks.example.com WEBHOOKS_TOKEN=…
//	webhooks why merchant_42 order-7
//
// It exits with 0 if it got an answer, whatever that says, 1 if the API refused or something
// failed, and 2 if it was called wrongly. docs/command.md has all of it.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // A second signal ends the process at once.
	t := &tool{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, getenv: os.Getenv, now: time.Now, pause: pause}
	code := t.run(ctx, os.Args)
	stop()
	os.Exit(code)
}

// pause waits before it is asked again how far a long piece of work is.
func pause(ctx context.Context) error {
	timer := time.NewTimer(time.Second)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
