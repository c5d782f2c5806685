//go:build chaos || chaoslong

package chaos_test

import (
	"encoding/json"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook"
)

// receiver processes every request that reaches it, but does not always acknowledge
// it. A webhook can be given a mood, in which nothing is processed.
type receiver struct {
	*httptest.Server

	mu      sync.Mutex
	rng     *rand.Rand
	timeout time.Duration        // after which a sender gives up
	total   int                  // requests that were processed
	seen    map[string]int       // requests of a delivery that were processed
	owned   map[string]int       // processed requests that the receiver did not acknowledge
	first   map[string]time.Time // when a delivery was first processed
	moods   map[string]mood      // by webhook
	notices []webhook.Notice     // as posted, repeats included
}

// newReceiver starts a receiver of senders that give up after a timeout; a nil
// rng makes one without faults.
func newReceiver(t *testing.T, rng *rand.Rand, timeout time.Duration) *receiver {
	t.Helper()
	r := &receiver{
		rng: rng, timeout: timeout, seen: map[string]int{}, owned: map[string]int{},
		first: map[string]time.Time{}, moods: map[string]mood{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /notices", r.notice)
	mux.HandleFunc("POST /", r.receive)
	r.Server = httptest.NewServer(mux)
	t.Cleanup(r.Close)
	return r
}

// mood is what a webhook's receiver does with all requests.
type mood int

const (
	well    mood = iota
	silent       // takes the request and never answers
	hostile      // resets the connection
	down         // answers 503
)

// fate is how a processed request is answered.
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
		return r.timeout + 200*time.Millisecond, late
	case n < 45:
		return wait, reset
	case n < 50:
		return wait, halfway
	}
	return wait, answered
}

func (r *receiver) receive(w http.ResponseWriter, req *http.Request) {
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return // The sender died: nothing was processed.
	}
	id := req.Header.Get(signer.HeaderDeliveryID)
	r.mu.Lock()
	if m := r.moods[req.Header.Get(signer.HeaderWebhookID)]; m != well {
		r.mu.Unlock()
		m.answer(w, req)
		return
	}
	wait, how := r.draw()
	r.total++
	if r.seen[id]++; r.seen[id] == 1 {
		r.first[id] = time.Now()
	}
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

func (m mood) answer(w http.ResponseWriter, req *http.Request) {
	switch m {
	case silent:
		<-req.Context().Done()
		hangUp(w, reset)
	case hostile:
		hangUp(w, reset)
	default:
		w.WriteHeader(http.StatusServiceUnavailable)
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

// notice receives what a worker's OnNotice posts.
func (r *receiver) notice(w http.ResponseWriter, req *http.Request) {
	var n webhook.Notice
	if err := json.NewDecoder(req.Body).Decode(&n); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	r.notices = append(r.notices, n)
	r.mu.Unlock()
}

// told returns the notices that a webhook was disabled, by their id.
func (r *receiver) told(hook string) map[string]webhook.Notice {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]webhook.Notice{}
	for _, n := range r.notices {
		if n.WebhookID == hook && n.Kind == webhook.NoticeDisabled {
			out[n.ID] = n
		}
	}
	return out
}

func (r *receiver) feel(hook string, m mood) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moods[hook] = m
}

// repeats counts second deliveries: those that the receiver did not cause, and those
// that it did.
func (r *receiver) repeats() (others, own int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, seen := range r.seen {
		n := max(0, seen-1-r.owned[id])
		others += n
		own += seen - 1 - n
	}
	return others, own
}

// received is how many requests were processed.
func (r *receiver) received() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.total
}

func (r *receiver) processed(id string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seen[id] > 0
}

// ids are the deliveries that were processed.
func (r *receiver) ids() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Keys(r.seen))
}

// firsts are the times at which deliveries were first processed.
func (r *receiver) firsts() map[string]time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.first)
}
