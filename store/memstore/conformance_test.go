package memstore_test

import (
	"context"
	"testing"
	"time"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/store/storetest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, open)
}

// open makes a store whose clock only the test moves.
func open(*testing.T) storetest.Harness {
	now := time.Date(2026, time.February, 27, 12, 0, 0, 0, time.UTC)
	st := memstore.New(&memstore.Options{Now: func() time.Time { return now }})
	return storetest.Harness{
		Store:    st,
		Volatile: true,
		Audit:    func(context.Context) error { return st.Audit() },
		Advance:  func(d time.Duration) { now = now.Add(d) },
	}
}
