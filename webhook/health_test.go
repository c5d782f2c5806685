package webhook_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
)

// TestTroubleIsSeen lets claims fail for five minutes. It has a line at its beginning, one
// a minute and one at its end, and health says so meanwhile.
func TestTroubleIsSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logs strings.Builder
		st := newHooked()
		r := harness.NewRig(t, st, &webhook.DispatcherOptions{Logger: textLogger(&logs)})
		harness.Pass(time.Second)
		require.Equal(t, webhook.Health{Ready: true}, r.Disp.Health(t.Context()))

		st.change(func() {
			st.claim = func(context.Context, store.ClaimRequest) (store.Claimed, error) {
				return store.Claimed{}, errors.New("no room on the disk")
			}
		})
		harness.Pass(5 * time.Minute)
		health := r.Disp.Health(t.Context())
		require.False(t, health.Ready)
		require.Regexp(t, `^claim has failed for (4m5\d|5m0)s: no room on the disk$`, health.String())
		require.Equal(t, 5, strings.Count(logs.String(), `msg="webhook failure" in=claim error="no room on the disk"`))

		logs.Reset()
		st.change(func() { st.claim = nil })
		harness.Pass(2 * time.Second)
		require.Regexp(t, `^level=INFO msg="webhook failure is over" in=claim lasted=(4m5|5m)\S+\n$`, logs.String())
		require.Equal(t, "ok", r.Disp.Health(t.Context()).String())

		r.Close()
		require.Equal(t, webhook.Health{Notes: []string{"Run is not running"}}, r.Disp.Health(t.Context()))
	})
}

// unwell is a store that answers a backlog.
type unwell struct {
	webhook.ServiceStore

	backlog store.Backlog
	err     error
}

func (u unwell) Backlog(context.Context) (store.Backlog, error) { return u.backlog, u.err }

func TestHealthAsksTheStore(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		st   unwell
		want webhook.Health
	}{
		{unwell{}, webhook.Health{Ready: true}},
		{unwell{backlog: store.Backlog{Damaged: 3}}, webhook.Health{Ready: true, Notes: []string{"3 records of the store are damaged and set aside: the log of a dispatcher names each"}}},
		{unwell{err: store.ErrUnavailable}, webhook.Health{Notes: []string{"the store does not answer: " + store.ErrUnavailable.Error()}}},
	} {
		tt.st.ServiceStore = newHooked()
		svc, err := webhook.NewService(tt.st, &webhook.ServiceOptions{InsecurePlaintextSecrets: true})
		require.NoError(t, err)
		require.Equal(t, tt.want, svc.Health(t.Context()))
	}
}
