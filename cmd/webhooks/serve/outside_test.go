package serve

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
)

// called listens and tells of the first connection.
func called(t *testing.T) (addr string, came <-chan struct{}) {
	t.Helper()
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	c := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		if conn, err := ln.Accept(); err == nil {
			close(c)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
	return ln.Addr().String(), c
}

func arrives(t *testing.T, came <-chan struct{}) {
	t.Helper()
	select {
	case <-came:
	case <-time.After(time.Minute):
		require.FailNow(t, "nobody has called")
	}
}

func TestKeysOfALoginAreFetched(t *testing.T) {
	t.Parallel()
	addr, came := called(t)
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() {
		stopped <- Run(ctx, []string{"-addr", "127.0.0.1:0", "-store", inMemory, "-jwks-url", "https://" + addr + "/keys", "-jwt-audience", "a"}, io.Discard, io.Discard)
	}()
	arrives(t, came)
	stop()
	require.NoError(t, <-stopped)
}

func TestNoticesAreMailed(t *testing.T) {
	t.Parallel()
	addr, came := called(t)
	host, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	args := []string{"-jwt-secret", secret, "-smtp-host", host, "-smtp-port", port}
	c, err := parse(args, io.Discard)
	require.NoError(t, err)
	log := slog.New(slog.DiscardHandler)
	svc, err := webhook.NewService(memstore.New(nil), nil)
	require.NoError(t, err)
	_, err = c.mail.notices(svc, log)
	require.ErrorContains(t, err, "-mail-from")
	c, err = parse(append(args, "-mail-from", "a@example.com", "-mail-to", "b@example.com"), io.Discard)
	require.NoError(t, err)
	tell, err := c.mail.notices(svc, log)
	require.NoError(t, err)
	require.Error(t, tell(t.Context(), webhook.Notice{ID: "n", At: time.Now(), Kind: webhook.NoticeDisabled}), "it hangs up, so the notice comes again")
	arrives(t, came)
}

// A stopping process is not ready for a while before it stops listening.
func TestNotReadyWhileDraining(t *testing.T) {
	t.Parallel()
	base, stop := start(t, "-drain-delay", "2s")
	ask := func() int {
		resp, err := http.Get(base + "/readyz")
		if err != nil {
			return 0
		}
		require.NoError(t, resp.Body.Close())
		return resp.StatusCode
	}
	require.Equal(t, http.StatusOK, ask())
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	require.Eventually(t, func() bool { return ask() == http.StatusServiceUnavailable }, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, <-stopped)
}
