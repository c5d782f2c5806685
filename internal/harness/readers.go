package harness

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// unread is an answer that its client does not read before it is told to.
type unread struct {
	*httptest.ResponseRecorder

	until time.Time
	began chan<- struct{}
	read  <-chan struct{}
}

// SetWriteDeadline notes until when an answer is written.
func (w *unread) SetWriteDeadline(t time.Time) error {
	w.until = t
	return nil
}

func (w *unread) Write(p []byte) (int, error) {
	w.began <- struct{}{}
	<-w.read
	return w.ResponseRecorder.Write(p)
}

// RequireReaders requires that a handler has 32 answers for a merchant on their way whose clients
// do not read, for 30 seconds each, and no more, and that it serves all others meanwhile. ask makes a
// request that only reads, as others do.
func RequireReaders(t *testing.T, h http.Handler, ask func() *http.Request, others ...*http.Request) {
	t.Helper()
	const most = 32
	began, read := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	status := func(r *http.Request) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for range most {
		w := &unread{ResponseRecorder: httptest.NewRecorder(), began: began, read: read}
		all.Go(func() { h.ServeHTTP(w, ask()) })
		Receive(t, began)
		require.WithinDuration(t, time.Now().Add(30*time.Second), w.until, 10*time.Second)
	}
	refused := status(ask())
	require.Equal(t, http.StatusTooManyRequests, refused.Code)
	require.Equal(t, "1", refused.Header().Get("Retry-After"))
	for _, r := range others {
		require.Less(t, status(r).Code, 400, "%s %s", r.Method, r.URL)
	}
	close(read)
	go func() {
		for range began {
			continue // What is written in further pieces.
		}
	}()
	all.Wait()
	close(began)
	require.Equal(t, http.StatusOK, status(ask()).Code)
}
