// Command listen is a receiver for a developer's desk: it prints each event that
// arrives, and says why a signature does not match.
//
//	WEBHOOK_SECRET=whsec_… go run ./examples/listen
//	ngrok http 3000
//
// Register the address that ngrok prints as the webhook's URL; any path will do.
// Without a secret it shows what comes, and says that nothing was verified.
//
// To see what a sender does about failures, let the first requests fail (-fail 2),
// answer all of them with a status (-status 503), or late (-delay 12s).
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, coloured(os.Stdout, os.Getenv))
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(0)
	case err != nil:
		fmt.Fprintln(os.Stderr, "listen:", err)
		os.Exit(1)
	}
}

// coloured reports whether out is a terminal, and NO_COLOR does not forbid colours.
func coloured(out *os.File, getenv func(string) string) bool {
	info, err := out.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb"
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, getenv func(string) string, out io.Writer, colour bool) error {
	c, err := parse(args, getenv, out)
	if err != nil {
		return err
	}
	p := &printer{out: out, colour: colour}
	r, err := newReceiver(c, p)
	if err != nil {
		return err
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", c.addr)
	if err != nil {
		return explained(c.addr, err)
	}
	p.greet(ln.Addr(), c)

	// An answer that -delay holds back ends with ctx, so that ^C need not wait.
	server := &http.Server{
		Handler: r, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	stopped := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		stopped <- server.Shutdown(drain)
	})
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-stopped
}

// explained says what to do if the program cannot listen on addr.
func explained(addr string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("another program listens on %s already; stop it, or choose another address with -addr", addr)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listening on %s is not permitted; choose a port above 1023 with -addr", addr)
	}
	return fmt.Errorf("-addr %q: %w; give host:port, such as 127.0.0.1:3000", addr, err)
}

// config is what the flags say.
type config struct {
	addr, secret string
	fail, status int
	untimed      bool
	delay        time.Duration
}

func parse(args []string, getenv func(string) string, out io.Writer) (config, error) {
	var c config
	fs := flag.NewFlagSet("listen", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // The caller prints the error, once.
	fs.StringVar(&c.addr, "addr", "127.0.0.1:3000", "`host:port` to listen on")
	fs.StringVar(&c.secret, "secret", "", "the webhook's `secret`, or the sender's public key (default $WEBHOOK_SECRET, which other users of this machine cannot see)")
	fs.BoolVar(&c.untimed, "untimed", false, "accept requests that have X-Webhook-Signature alone, as from a sender without Standard Webhooks")
	fs.IntVar(&c.fail, "fail", 0, "let the first `N` verified requests fail with -status, then answer 200")
	fs.IntVar(&c.status, "status", 0, "`code` to answer verified requests with (default 200, or 500 with -fail)")
	fs.DurationVar(&c.delay, "delay", 0, "`time` to wait before each answer; the sender gives up after 10s")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fs.SetOutput(out)
			fs.PrintDefaults()
		}
		return c, err
	}
	if c.secret == "" {
		c.secret = getenv("WEBHOOK_SECRET")
	}
	switch {
	case fs.NArg() > 0:
		return c, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	case c.fail < 0 || c.delay < 0:
		return c, errors.New("-fail and -delay must not be negative")
	case c.status != 0 && (c.status < 200 || c.status > 599):
		return c, fmt.Errorf("-status %d: must be 200 to 599", c.status)
	}
	if c.status == 0 {
		c.status = http.StatusOK
		if c.fail > 0 {
			c.status = http.StatusInternalServerError
		}
	}
	return c, nil
}
