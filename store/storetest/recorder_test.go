package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
)

// recorder is a tb that keeps failures instead of having them.
type recorder struct {
	ctx      context.Context //nolint:containedctx // as in a testing.T
	mu       sync.Mutex
	failures []string
}

func (r *recorder) Helper() {}

func (r *recorder) Context() context.Context { return r.ctx }

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

// FailNow ends the goroutine, as that of testing.T does.
func (r *recorder) FailNow() { runtime.Goexit() }

// record runs f in a goroutine of its own, so that it can end early, and returns
// its failures. A panic is one.
func record(ctx context.Context, f func(t tb)) []string {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r := &recorder{ctx: ctx}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				r.Errorf("panic: %v", p)
			}
		}()
		f(r)
	}()
	<-done
	return r.failures
}

func TestFailureQuotesThePromise(t *testing.T) {
	t.Parallel()
	c := testCase{name: "c", promise: "a promise", run: func(x *trial) { x.fatalf("it is %d, want %d", 1, 2) }}
	got := record(t.Context(), func(r tb) { c.try(r, openModel(t), wakeTimeout) })
	require.Equal(t, []string{"it is 1, want 2\n\tbroken promise: a promise"}, got)
	require.Len(t, record(t.Context(), func(tb) { panic("ouch") }), 1, "a panic is a failure")
}

func TestSequenceListsItsCalls(t *testing.T) {
	t.Parallel()
	got := firstDifference(t, fault{on: "Finish", play: tokenIgnored(store.Succeeded, store.Failed)})
	require.Len(t, got, 1, "a sequence ends at the first difference")
	require.Regexp(t, "broken promise: (Any other result is accepted|Hold, if above 0)", got[0])
	last := got[0][strings.LastIndex(got[0], "\n\t ")+1 : strings.LastIndex(got[0], "\n\tbroken")]
	require.Contains(t, last, "Finish [", "the call that differs is the last that is listed")
}

func TestAuditEndsACase(t *testing.T) {
	t.Parallel()
	h := openModel(t)
	h.Audit = func(context.Context) error { return errors.New("an index is off") }
	got := record(t.Context(), func(r tb) { playSequence(r, h, 1) })
	require.Len(t, got, 1)
	require.Contains(t, got[0], "seed 1, after 6 calls: audit: an index is off")
	got = record(t.Context(), func(r tb) { testCase{promise: "p", run: func(*trial) {}}.try(r, h, wakeTimeout) })
	require.Equal(t, []string{"audit: an index is off\n\tbroken promise: p"}, got)
}

func TestNobodyReachesTheBystander(t *testing.T) {
	t.Parallel()
	got := record(t.Context(), func(r tb) {
		testCase{promise: "p", run: func(x *trial) {
			_, err := x.st.Publish(x.Context(), x.bystander.MerchantID, []store.NewEvent{x.newEvent("a")})
			x.must(err, "Publish")
		}}.try(r, openModel(t), wakeTimeout)
	})
	require.Len(t, got, 1)
	require.Contains(t, got[0], "a webhook of another merchant got 1 deliveries")
}
