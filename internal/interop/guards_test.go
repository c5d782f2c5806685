//go:build interop

package interop_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
)

// TestReceiversNeedASecret: with an empty key, anybody could sign.
func TestReceiversNeedASecret(t *testing.T) {
	t.Parallel()
	for _, p := range programs(t) {
		if p.speaks != "" {
			continue // They are as they are published.
		}
		for _, secret := range []string{"", "whsec_", "whsec_AAAA"} {
			t.Run(p.name+" "+secret, func(t *testing.T) {
				t.Parallel()
				c := p.start(t, secret)
				select {
				case <-c.ended:
				case address := <-c.ready:
					require.Equal(t, "php raw", p.name, "it listens")
					require.Equal(t, http.StatusInternalServerError, send(t, address, nil, 0), "its server starts without it")
				case <-time.After(startTime):
					require.FailNow(t, "it neither ends nor listens")
				}
				require.Eventually(t, func() bool {
					return strings.Contains(c.output.String(), "WEBHOOK_SECRET is not the secret of a webhook")
				}, startTime, 10*time.Millisecond, "%s", c.output)
			})
		}
	}
}

func TestReceiversBoundBodies(t *testing.T) {
	t.Parallel()
	const limit = 2 << 20
	for _, p := range programs(t) {
		if p.speaks != "" {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			c := p.start(t, signer.NewSecret().Reveal())
			address := c.address(t)
			body := bytes.Repeat([]byte(" "), limit+1)
			require.Equal(t, http.StatusUnauthorized, send(t, address, body[:limit], limit), "at the limit")
			require.Equal(t, http.StatusRequestEntityTooLarge, send(t, address, body, limit+1), "over it, with a length")
			require.Equal(t, http.StatusRequestEntityTooLarge, send(t, address, body, -1), "over it, in chunks")
		})
	}
}

// send posts an unsigned body, of a length or, if that is negative, in chunks. It
// returns the status of the answer, which may come before the body was read.
func send(t *testing.T, address string, body []byte, length int) int {
	t.Helper()
	framing := fmt.Sprintf("Content-Length: %d\r\n\r\n", length)
	if length < 0 {
		framing = fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n", len(body))
		body = append(slices.Clip(body), "\r\n0\r\n\r\n"...)
	}
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	require.NoError(t, err)
	require.NoError(t, conn.SetDeadline(time.Now().Add(startTime)))
	var wg sync.WaitGroup
	wg.Go(func() {
		_, _ = io.WriteString(conn, "POST /webhooks HTTP/1.1\r\nHost: "+address+
			"\r\nContent-Type: application/json\r\nConnection: close\r\n"+framing+string(body))
	})
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.NoError(t, conn.Close())
	wg.Wait()
	return resp.StatusCode
}
