package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
)

// A cursor comes from whoever asks. It is refused, or the page begins somewhere in
// the list and goes on to its end.
func FuzzCursor(f *testing.F) {
	const records = 20
	st := memstore.New(nil)
	for _, m := range []string{"m", "other"} { // Whose records share the numbers.
		_, err := st.CreateWebhook(f.Context(), m, store.Webhook{ID: "whk", Events: []string{"a"}, Status: store.Active}, 0)
		require.NoError(f, err)
		for i := range records {
			_, err := st.Publish(f.Context(), m, []store.NewEvent{{ID: fmt.Sprint(m, i), Type: "a"}})
			require.NoError(f, err)
		}
	}
	deliveries := func(ctx context.Context, cursor string, limit int) (ids []string, next string, err error) {
		p, err := st.Deliveries(ctx, "m", "whk", store.DeliveryQuery{Limit: limit, Cursor: cursor})
		for _, d := range p.Deliveries {
			ids = append(ids, d.ID)
		}
		return ids, p.Next, err
	}
	events := func(ctx context.Context, cursor string, limit int) (ids []string, next string, err error) {
		p, err := st.Events(ctx, "m", store.EventQuery{Limit: limit, Cursor: cursor})
		for _, e := range p.Events {
			ids = append(ids, e.ID)
		}
		return ids, p.Next, err
	}
	type pages = func(ctx context.Context, cursor string, limit int) (ids []string, next string, err error)
	rest := map[string]int{} // How many records follow a cursor that was given out.
	for _, list := range []pages{deliveries, events} {
		for limit := 1; limit < records; limit++ {
			_, next, err := list(f.Context(), "", limit)
			require.NoError(f, err)
			rest[next] = records - limit
			f.Add(next)
			f.Add(next + "0")
		}
	}
	for _, cursor := range []string{"d", "e", "d0", "e0", "d-1", "d+1", "d01", "dZ", "d_1", "x1", "d1y2p0ij32e8e7", "d1y2p0ij32e8e8", "é", "\x00", "d 1", "D1"} {
		f.Add(cursor)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		for name, list := range map[string]pages{"deliveries": deliveries, "events": events} {
			all, _, err := list(t.Context(), "", records)
			require.NoError(t, err)
			require.Len(t, all, records)
			got, next, err := list(t.Context(), cursor, records)
			n, given := rest[cursor]
			if given = given && cursor[:1] == name[:1]; given {
				require.NoError(t, err)
				require.Len(t, got, n)
			}
			if errors.Is(err, store.ErrCursor) {
				require.Empty(t, got)
				continue
			}
			require.NoError(t, err)
			require.Empty(t, next)
			require.True(t, slices.Equal(all[records-len(got):], got), "%s after %q: %q", name, cursor, got)
		}
	})
}
