package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/rag-assistant/webhooks/store"
)

// FuzzCursor fuzzes the cursors of an empty store. A cursor comes from whoever asks:
// it is refused, or the page begins somewhere in the list and goes on to its end. The
// hints are cursors that look like the store's own.
func FuzzCursor(f *testing.F, st store.Store, hints ...string) {
	f.Helper()
	const records = 20
	fill(f, st, records)
	lists := map[string]cursorList{"deliveries": listDeliveries(st), "events": listEvents(st)}
	left := map[string]map[string]int{} // How many records follow a cursor that was given out.
	for name, list := range lists {
		left[name] = map[string]int{}
		for limit := 1; limit < records; limit++ {
			ids, next, err := list(f.Context(), "", limit)
			if err != nil {
				f.Fatal(err)
			}
			left[name][next] = records - len(ids)
			f.Add(next)
			f.Add(next + "0")
		}
	}
	for _, cursor := range append(hints, "é", "\x00") {
		f.Add(cursor)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		for name, list := range lists {
			all, err := toTheEnd(t.Context(), list, "")
			if err != nil || len(all) != records {
				t.Fatalf("%s: %d records, %v", name, len(all), err)
			}
			got, err := toTheEnd(t.Context(), list, cursor)
			n, given := left[name][cursor]
			switch {
			case errors.Is(err, store.ErrCursor) && len(got) == 0 && !given:
			case err != nil:
				t.Fatalf("%s after %q: %d records, %v", name, cursor, len(got), err)
			case given && len(got) != n, !slices.Equal(all[max(0, len(all)-len(got)):], got):
				t.Fatalf("%s after %q: %q", name, cursor, got)
			}
		}
	})
}

// cursorList returns ids from a cursor on, and the next cursor.
type cursorList = func(ctx context.Context, cursor string, limit int) (ids []string, next string, err error)

// toTheEnd follows a list from a cursor on.
func toTheEnd(ctx context.Context, list cursorList, cursor string) (all []string, err error) {
	for range endless {
		ids, next, err := list(ctx, cursor, endless)
		if all = append(all, ids...); err != nil || next == "" {
			return all, err
		}
		cursor = next
	}
	return nil, errors.New("the list has no end")
}

func listDeliveries(st store.Store) cursorList {
	return func(ctx context.Context, cursor string, limit int) (ids []string, next string, err error) {
		p, err := st.Deliveries(ctx, "m", "whk", store.DeliveryQuery{Limit: limit, Cursor: cursor})
		return pick(p.Deliveries, deliveryID), p.Next, err
	}
}

func listEvents(st store.Store) cursorList {
	return func(ctx context.Context, cursor string, limit int) (ids []string, next string, err error) {
		p, err := st.Events(ctx, "m", store.EventQuery{Limit: limit, Cursor: cursor})
		return pick(p.Events, eventID), p.Next, err
	}
}

// fill gives two merchants a webhook each and so many deliveries to it. They may
// share numbers.
func fill(f *testing.F, st store.Store, records int) {
	f.Helper()
	for _, m := range []string{"m", "other"} {
		_, err := st.CreateWebhook(f.Context(), m, store.Webhook{ID: "whk", Events: []string{"a"}, Status: store.Active}, 0)
		if err != nil {
			f.Fatal(err)
		}
		for i := range records {
			if _, err := st.Publish(f.Context(), m, []store.NewEvent{{ID: fmt.Sprint(m, i), Type: "a"}}); err != nil {
				f.Fatal(err)
			}
		}
	}
}
