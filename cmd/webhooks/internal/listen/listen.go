// Package listen is a receiver for a developer's desk: it prints each event that
// arrives, and says why a signature does not match. Without a secret it shows what
// comes, and says that nothing was verified.
package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/rag-assistant/webhooks/cmd/webhooks/internal/terminal"
	"github.com/rag-assistant/webhooks/signer"
)

// Run serves until ctx ends.
func Run(ctx context.Context, c Config, out *terminal.Writer) error {
	c, err := c.Checked()
	if err != nil {
		return err
	}
	p := &printer{out}
	r, err := newReceiver(c, p)
	if err != nil {
		return err
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", c.Addr)
	if err != nil {
		return explained(c.Addr, err)
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
		return fmt.Errorf("another program listens on %s already; stop it, or choose another address with --addr", addr)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("listening on %s is not permitted; choose a port above 1023 with --addr", addr)
	}
	return fmt.Errorf("--addr %q: %w; give host:port, such as 127.0.0.1:3000", addr, err)
}

// Config is what the flags of the same names say.
type Config struct {
	Addr    string // host:port to listen on
	Secret  string // of the webhook, or the sender's public key; empty: nothing is verified
	Fail    int    // so many requests that verify get Status, those after them 200
	Status  int    // to answer requests that verify with; defaults to 200, or to 500 with Fail
	Untimed bool   // the signature without time alone will do
	Wire    signer.Wire
	Delay   time.Duration
}

// Checked returns c with its defaults, or what is wrong with it.
func (c Config) Checked() (Config, error) {
	switch {
	case c.Fail < 0 || c.Delay < 0:
		return c, errors.New("--fail and --delay must not be negative")
	case c.Status != 0 && (c.Status < 200 || c.Status > 599):
		return c, fmt.Errorf("--status %d must be 200 to 599", c.Status)
	}
	if c.Status == 0 {
		c.Status = http.StatusOK
		if c.Fail > 0 {
			c.Status = http.StatusInternalServerError
		}
	}
	return c, nil
}
