package serve

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rag-assistant/webhooks/webhook"
)

// health answers whether this process lives, and whether it is ready for requests.
type health struct {
	of       func(context.Context) webhook.Health
	log      *slog.Logger
	draining atomic.Bool
}

func (h *health) routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("GET /readyz", h.ready)
}

// ready fails while the process stops but still listens (see -drain-delay), and while it
// cannot do its work, which includes a store that does not answer within a second. Why
// that is stands in the log alone: anybody may ask.
func (h *health) ready(w http.ResponseWriter, r *http.Request) {
	if h.draining.Load() {
		http.Error(w, "stopping", http.StatusServiceUnavailable)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), time.Second)
	defer cancel()
	if now := h.of(ctx); !now.Ready {
		h.log.WarnContext(ctx, "not ready", slog.String("why", now.String()))
		http.Error(w, "not able to work, see the log", http.StatusServiceUnavailable)
		return
	}
	_, _ = io.WriteString(w, "ok\n")
}

// checkTimeout is more than the second that the store has.
const checkTimeout = 3 * time.Second

// check asks the process that listens at addr if it is ready. It is for an image
// without a shell, which has no other program that could ask.
func check(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	// An address without a host can be dialled too: it is this machine.
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(io.LimitReader(resp.Body, 200))
		return fmt.Errorf("not ready: %s", strings.TrimSpace(string(why)))
	}
	return nil
}
