package webui_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/internal/webui"
)

// single is a listener that accepts one connection.
type single struct {
	conn net.Conn
	once chan struct{}
}

func (l *single) Accept() (net.Conn, error) {
	if _, open := <-l.once; open {
		return l.conn, nil
	}
	return nil, net.ErrClosed
}
func (l *single) Close() error   { return nil }
func (l *single) Addr() net.Addr { return l.conn.LocalAddr() }

// TestAClientThatDoesNotRead asks for a large answer and reads nothing of it.
func TestAClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		l := &single{conn: far, once: make(chan struct{}, 1)}
		l.once <- struct{}{}
		close(l.once)
		returned := make(chan time.Duration, 1)
		srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			began := time.Now()
			webui.BoundWriting(w, r)
			_, _ = io.WriteString(w, strings.Repeat("x", 1<<20))
			returned <- time.Since(began)
		})}
		require.ErrorIs(t, srv.Serve(l), net.ErrClosed)
		_, err := io.WriteString(near, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		require.NoError(t, err)
		require.Equal(t, 30*time.Second, <-returned)
		_ = near.Close()
		require.NoError(t, srv.Close())
	})
}
