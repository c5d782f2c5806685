//go:build chaos

package chaos_test

import (
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/rag-assistant/webhooks/signer"
)

// receiver processes every request that reaches it and then, sometimes, fails to
// say so.
type receiver struct {
	*httptest.Server

	mu    sync.Mutex
	rng   *rand.Rand
	seen  map[string]int // requests of a delivery that were processed
	owned map[string]int // those of them that the receiver itself did not acknowledge
}

// newReceiver starts a receiver; a nil rng makes one without faults.
func newReceiver(t *testing.T, rng *rand.Rand) *receiver {
	t.Helper()
	r := &receiver{rng: rng, seen: map[string]int{}, owned: map[string]int{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

// fate is how a request is answered.
type fate int

const (
	answered fate = iota
	refused       // 500
	late          // after the sender has given up
	reset         // connection reset after processing
	halfway       // connection closed in the middle of the answer
)

func (r *receiver) draw() (time.Duration, fate) {
	if r.rng == nil {
		return 0, answered
	}
	wait := time.Duration(r.rng.IntN(150)) * time.Millisecond
	switch n := r.rng.IntN(1000); {
	case n < 30:
		return wait, refused
	case n < 35:
		return attemptTimeout + 200*time.Millisecond, late
	case n < 45:
		return wait, reset
	case n < 50:
		return wait, halfway
	}
	return wait, answered
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return // The sender died: nothing was processed.
	}
	id := req.Header.Get(signer.HeaderDeliveryID)
	r.mu.Lock()
	wait, how := r.draw()
	r.seen[id]++
	if how != answered {
		r.owned[id]++
	}
	r.mu.Unlock()
	if wait > 0 {
		<-time.After(wait)
	}
	switch how {
	case answered, late:
		w.WriteHeader(http.StatusOK)
	case refused:
		w.WriteHeader(http.StatusInternalServerError)
	case reset, halfway:
		hangUp(w, how)
	}
}

func hangUp(w http.ResponseWriter, how fate) {
	hijacker, ok := w.(http.Hijacker)
	if !ok {
		return
	}
	conn, _, err := hijacker.Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok && how == reset {
		_ = tcp.SetLinger(0)
	}
	if how == halfway {
		_, _ = io.WriteString(conn, "HTTP/1.1 200")
	}
	_ = conn.Close()
}

// repeats counts second deliveries that were none of the receiver's doing.
func (r *receiver) repeats() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for id, seen := range r.seen {
		n += max(0, seen-1-r.owned[id])
	}
	return n
}

func (r *receiver) processed(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[id] > 0
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seen)
}
