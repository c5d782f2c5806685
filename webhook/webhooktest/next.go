package webhooktest

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Next returns the oldest request that it has not returned yet, and waits for one if
// there is none. If none comes within [Options.Wait], or before the test's deadline or
// the end of its context, it fails the test and lists what did arrive.
func (ep *Endpoint) Next(tb testing.TB) Received {
	tb.Helper()
	limited, _ := tb.(deadlined)
	wait := ep.waitLimit(limited)
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		ep.mu.Lock()
		arrived := ep.arrived
		if ep.taken < len(ep.received) {
			r := ep.received[ep.taken].clone()
			ep.taken++
			ep.mu.Unlock()
			return r
		}
		ep.mu.Unlock()
		select {
		case <-arrived:
		case <-timer.C:
			tb.Fatalf("webhooktest: no request came within %s. %s", wait.Round(time.Millisecond), ep.summary())
		case <-tb.Context().Done():
			tb.Fatalf("webhooktest: no request came before the test's context ended. %s", ep.summary())
		}
	}
}

// deadlined is a test that `go test -timeout` ends.
type deadlined interface{ Deadline() (time.Time, bool) }

// beforeDeadline is how long before the deadline Next gives up. The deadline itself
// would print goroutines and nothing else.
const beforeDeadline = time.Second

func (ep *Endpoint) waitLimit(limited deadlined) time.Duration {
	wait := ep.opts.Wait
	if limited == nil || ep.opts.InProcess { // A test in a bubble must not be asked.
		return wait
	}
	if deadline, ok := limited.Deadline(); ok {
		wait = max(0, min(wait, time.Until(deadline)-beforeDeadline))
	}
	return wait
}

// summary lists what arrived, without bodies and signatures.
func (ep *Endpoint) summary() string {
	ep.mu.Lock()
	defer ep.mu.Unlock()
	var b strings.Builder
	switch n := len(ep.received); {
	case n == 0 && ep.opts.InProcess:
		b.WriteString("None has come so far: does the dispatcher run, with Transport set to ep.Transport()?")
	case n == 0:
		b.WriteString("None has come so far: does the dispatcher run, with Egress set to ep.Egress(), as in the service?")
	default:
		fmt.Fprintf(&b, "There were %d before:", n)
	}
	if ep.faults != nil {
		if n := ep.faults.count(); n > 0 {
			fmt.Fprintf(&b, "\n  %d TLS handshakes failed: does the sender trust ep.Egress().RootCAs?", n)
		}
	}
	for i, r := range ep.received {
		fmt.Fprintf(&b, "\n  %d. %s", i+1, r.line(ep.received[0].At))
	}
	return b.String()
}

// line is r in one line.
func (r Received) line(began time.Time) string {
	what := fmt.Sprintf("%s %s", r.Event.Type, r.Event.ID)
	if r.Err != nil {
		what = "not verified (" + r.Err.Error() + ")"
	}
	answer := "no answer"
	if r.Status != 0 {
		answer = fmt.Sprintf("answer %d", r.Status)
	}
	return fmt.Sprintf("after %s: %s, delivery %q, attempt %d, %s",
		r.At.Sub(began).Round(time.Millisecond), what, r.DeliveryID, r.Attempt, answer)
}
