package inbox_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook/inbox"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

// TestObserverIsToldTheSource handles what was stored, with the headers by which a trace goes on.
func TestObserverIsToldTheSource(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var told []string // in no order: an event may be handled before its acceptance is told
		tell := func(source, text string) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, source+" "+text)
		}
		d := newDesk(t, nil, &inbox.Options{Receiver: receiver.Options{Observer: receiver.Observer{
			Handling: func(ctx context.Context, i receiver.HandlingInfo) (context.Context, func(receiver.SettledInfo)) {
				m, _ := verifier.MessageFromContext(ctx)
				tell(i.Source, m.Header.Get("X-Id"))
				return ctx, nil
			},
			Settled:  func(_ context.Context, i receiver.SettledInfo) { tell(i.Source, string(i.Outcome)) },
			Rejected: func(_ context.Context, i receiver.RejectedInfo) { tell(i.Source, i.Err.Error()) },
		}}})
		defer d.run(t)()
		require.Equal(t, http.StatusOK, d.post(t, "msg_1", `{"type":"a"}`).Code)
		require.Equal(t, []string{"msg_1"}, d.handled())
		d.token = "wrong"
		require.Equal(t, http.StatusUnauthorized, d.post(t, "msg_2", `{"type":"a"}`).Code)
		require.ElementsMatch(t, []string{"vendor accepted", "vendor msg_1", "vendor processed", "vendor another token"}, told)
		require.Contains(t, d.log.String(), `msg="webhook request rejected" source=vendor status=401`)
	})
}
