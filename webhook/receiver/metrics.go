package receiver

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// Metrics counts what a [Receiver] has done since it was made.
type Metrics struct {
	Source string `json:"source,omitempty"` // see [Options]

	Received  int64 `json:"received"`  // verified events
	Processed int64 `json:"processed"` // by a handler, without error
	Failed    int64 `json:"failed"`    // handlers that returned an error or panicked

	Accepted   int64 `json:"accepted"`   // events that Options.Accept has taken over, repeats too
	Duplicates int64 `json:"duplicates"` // events that were processed before, or are being processed
	Conflicts  int64 `json:"conflicts"`  // events with the id of another event
	Unknown    int64 `json:"unknown"`    // events without a handler
	Limited    int64 `json:"limited"`    // events over MaxPerSecond
	Refused    int64 `json:"refused"`    // events that found the queue full, the Receiver closed or Seen away
	Rejected   int64 `json:"rejected"`   // requests that are no verified event

	Waiting int64 `json:"waiting"` // acknowledged events that wait for a worker
	Working int64 `json:"working"` // acknowledged events that a worker has

	// AvgProcessingTime is the mean time of handlers, in milliseconds.
	AvgProcessingTime float64 `json:"avgProcessingTime"`
}

type metrics struct {
	mu sync.Mutex
	Metrics

	took time.Duration // of all handlers
}

func (m *metrics) count(what *int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	*what++
}

func (m *metrics) settled(i SettledInfo) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.took += i.Took
	switch i.Outcome {
	case Processed:
		m.Processed++
	case Failed:
		m.Failed++
	case Accepted:
		m.Accepted++
	case Duplicate:
		m.Duplicates++
	case Conflict:
		m.Conflicts++
	case Unknown:
		m.Unknown++
	case Limited:
		m.Limited++
	case Refused:
		m.Refused++
	}
}

// Metrics returns the counts of now.
func (r *Receiver) Metrics() Metrics {
	waiting, working := r.crew.load()
	r.metrics.mu.Lock()
	defer r.metrics.mu.Unlock()
	out := r.metrics.Metrics
	out.Waiting, out.Working = int64(waiting), int64(working)
	if n := out.Processed + out.Failed; n > 0 {
		out.AvgProcessingTime = float64(r.metrics.took.Microseconds()) / 1000 / float64(n)
	}
	return out
}

// MetricsHandler answers with [Metrics] as JSON. It is open to whoever reaches it, so
// put your own access check in front.
func (r *Receiver) MetricsHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(r.Metrics()) // It fails if the caller has gone.
	})
}
