package receiver

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// open starts a server and returns what posts to it.
func open(t *testing.T) (*Server, func(path, id, body string) (int, error)) {
	t.Helper()
	s := New()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- s.Accept(l) }()
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		require.NoError(t, l.Close())
		require.NoError(t, <-done)
	})
	return s, func(path, id, body string) (int, error) {
		patience := time.Minute
		if strings.HasPrefix(path, "/"+Hang) || strings.HasPrefix(path, "/"+Slow) {
			patience = 100 * time.Millisecond // It is to end without an answer.
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+l.Addr().String()+path, strings.NewReader(body))
		if err != nil {
			return 0, err
		}
		req.Header.Set("X-Webhook-Delivery-ID", id)
		resp, err := client.Do(req)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
}

func TestBehaviour(t *testing.T) {
	t.Parallel()
	s, post := open(t)
	code, err := post(Path(OK, "good", 1), "a", "{}")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, code)
	code, err = post(Path(Fail, "bad", 1), "b", "{}")
	require.NoError(t, err)
	require.Equal(t, http.StatusInternalServerError, code)
	for _, behaviour := range []string{Hang, Slow} {
		_, err = post(Path(behaviour, "bad", 2), "c", "{}")
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	require.Equal(t, int64(4), s.Stats().Received)
}

// TestRecords posts bodies from a second ago.
func TestRecords(t *testing.T) {
	t.Parallel()
	const n = 20
	s, post := open(t)
	w := Window{From: 2, To: n, Track: true}
	s.Reset(w)
	body := fmt.Sprintf(`{"data":{"pad":"x",%s%d"}}`, SentMark, time.Now().Add(-time.Second).UnixNano())
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			_, err := post(Path(OK, "good", 1), fmt.Sprint(i%(n-1)), body) // One comes twice.
			if err != nil {
				t.Error(err)
			}
		})
	}
	require.NoError(t, s.Await(t.Context(), n))
	all.Wait()
	got := s.Stats()
	require.Equal(t, int64(n), got.Received)
	require.Equal(t, int64(n-1), got.Distinct)
	require.Equal(t, int64(1), got.Repeats)
	require.Equal(t, int64(n), got.Classes["good"].Count)
	require.GreaterOrEqual(t, got.Classes["good"].P50, time.Second-10*time.Millisecond)
	require.Positive(t, got.Rate(w))
	require.GreaterOrEqual(t, got.MostInFlight["good"], int64(1))
	s.Reset(Window{})
	require.Zero(t, s.Stats().Classes["good"].Count)
	require.Zero(t, s.Stats().Rate(w))
}

func TestAwaitEnds(t *testing.T) {
	t.Parallel()
	s, _ := open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Await(ctx, 1), context.Canceled)
}
