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
	d, err := webhook.NewDispatcher(jobsOnly{st}, nil)
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- d.Run(ctx) }()
	var j webhook.ReplayJob
	require.Eventually(t, func() bool {
		j, err = svc.ReplayStatus(t.Context(), Merchant, webhookID, replayID)
		return err != nil || j.Status != webhook.ReplayRunning
	}, 10*time.Second, time.Millisecond)
	require.NoError(t, err)
	stop()
	require.NoError(t, <-stopped)
	return j
}
