package harness

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
)

// jobsOnly is a store that gives no deliveries away.
type jobsOnly struct{ webhook.DispatchStore }

// Claim implements [store.Queue].
func (jobsOnly) Claim(context.Context, store.ClaimRequest) (store.Claimed, error) {
	return store.Claimed{At: time.Now(), Next: -1, Jobs: true}, nil
}

// Volatile is that of no store in particular: nothing is opened.
func (jobsOnly) Volatile() bool { return true }

// FinishReplay runs a dispatcher that does jobs, and delivers nothing, until a replay has
// ended.
func FinishReplay(t *testing.T, svc *webhook.Service, st webhook.DispatchStore, webhookID, replayID string) webhook.ReplayJob {
	t.Helper()
	var j webhook.ReplayJob
	DoJobs(t, st, nil, func() bool {
		var err error
		j, err = svc.ReplayStatus(t.Context(), Merchant, webhookID, replayID)
		require.NoError(t, err)
		return j.Status != webhook.ReplayRunning
	})
	return j
}

// DoJobs runs a dispatcher that does jobs, of further kinds too, and delivers nothing,
// until they are done.
func DoJobs(t *testing.T, st webhook.DispatchStore, kinds map[string]webhook.JobFunc, done func() bool) {
	t.Helper()
	d, err := webhook.NewDispatcher(jobsOnly{st}, &webhook.DispatcherOptions{Jobs: kinds})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- d.Run(ctx) }()
	for began := time.Now(); !done(); time.Sleep(time.Millisecond) {
		require.Less(t, time.Since(began), 20*time.Second, "the jobs do not come to their end")
	}
	stop()
	require.NoError(t, <-stopped)
}
