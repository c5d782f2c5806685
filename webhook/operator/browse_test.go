package operator_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/operator"
)

func TestMerchants(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(d *desk) {
		t := d.t
		want := map[string]operator.Merchant{}
		for i := range 25 {
			m := fmt.Sprintf("m%d", i)
			d.register(m, 1)
			d.publish(m)
			want[m] = operator.Merchant{ID: m, Webhooks: 1, Active: 1, Failing: 1}
		}
		d.fail(0)
		a := d.register("a", 4)
		d.set(webhook.Disabled, a[0])
		d.publish("a")
		want["a"] = operator.Merchant{ID: "a", Webhooks: 4, Active: 3, Disabled: 1, Pending: 3}
		got := map[string]operator.Merchant{}
		for q := (operator.Page{Limit: 7}); ; {
			page, err := d.Merchants(t.Context(), q)
			require.NoError(t, err)
			require.LessOrEqual(t, len(page.Merchants), 7)
			for _, m := range page.Merchants {
				require.NotContains(t, got, m.ID)
				got[m.ID] = m
			}
			if q.Cursor = page.Next; page.Next == "" {
				break
			}
		}
		require.Equal(t, want, got)
	})
}

// How much one question counts does not depend on how many webhooks merchants have.
func TestMerchantsWithManyWebhooks(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(d *desk) {
		t := d.t
		for i := range 12 {
			d.register(fmt.Sprintf("m%d", i), 100)
		}
		first, err := d.Merchants(t.Context(), operator.Page{Limit: 50})
		require.NoError(t, err)
		require.Len(t, first.Merchants, 10)
		second, err := d.Merchants(t.Context(), operator.Page{Limit: 50, Cursor: first.Next})
		require.NoError(t, err)
		require.Len(t, second.Merchants, 2)
		require.Empty(t, second.Next)
	})
}

func TestWebhooksInTrouble(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(d *desk) {
		t := d.t
		a, b, c := d.register("a", 3), d.register("b", 1), d.register("c", 2)
		d.set(webhook.Disabled, a[1])
		d.publish("b")
		d.fail(1)
		d.publish("c")
		d.fail(0)
		later := time.Now().Add(time.Hour)
		for name, q := range map[string]struct {
			filter operator.Filter
			want   []webhook.Webhook
		}{
			"all":            {operator.Filter{}, []webhook.Webhook{a[1], b[0], c[0], c[1]}},
			"disabled":       {operator.Filter{Status: webhook.Disabled}, []webhook.Webhook{a[1], b[0]}},
			"failing":        {operator.Filter{Health: webhook.ConditionFailing}, c},
			"reason":         {operator.Filter{Reason: webhook.ReasonFailures}, b},
			"host":           {operator.Filter{Host: "C.example.com"}, c},
			"host and port":  {operator.Filter{Host: "c.example.com:444"}, nil},
			"failing before": {operator.Filter{FailingBefore: later}, []webhook.Webhook{b[0], c[0], c[1]}},
			"failing long":   {operator.Filter{FailingBefore: later.Add(-2 * time.Hour)}, nil},
		} {
			for _, limit := range []int{1, 3, 1000} {
				var got, want []string
				for p := (operator.Page{Limit: limit}); ; {
					page, err := d.Webhooks(t.Context(), q.filter, p)
					require.NoError(t, err)
					require.LessOrEqual(t, len(page.Webhooks), limit)
					for _, w := range page.Webhooks {
						got = append(got, w.ID)
					}
					if p.Cursor = page.Next; page.Next == "" {
						break
					}
				}
				for _, w := range q.want {
					want = append(want, w.ID)
				}
				require.ElementsMatch(t, want, got, name)
			}
		}
		for _, f := range []operator.Filter{{Status: "x"}, {Health: webhook.ConditionHealthy}} {
			_, err := d.Webhooks(t.Context(), f, operator.Page{Limit: 1})
			require.ErrorIs(t, err, webhook.ErrInvalid)
		}
		for _, cursor := range []string{"x", "e30x", "eyJvIjoieCJ9"} {
			_, err := d.Webhooks(t.Context(), operator.Filter{}, operator.Page{Limit: 1, Cursor: cursor})
			require.ErrorIs(t, err, webhook.ErrInvalid, cursor)
		}
	})
}

func TestFailing(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(d *desk) {
		t := d.t
		for i, m := range []string{"a", "b", "c"} {
			d.register(m, 1)
			for range i {
				d.publish(m)
			}
		}
		d.fail(0)
		d.publish("c")
		e := d.register("e", 1)
		d.set(webhook.Disabled, e...)
		got, err := d.Failing(t.Context(), 10)
		require.NoError(t, err)
		require.Len(t, got, 2)
		require.Equal(t, "c", got[0].MerchantID, "the worst comes first")
		require.EqualValues(t, 2, got[0].Failed)
		require.EqualValues(t, 1, got[0].Pending)
		require.Equal(t, "b", got[1].MerchantID)
		got, err = d.Failing(t.Context(), 1)
		require.NoError(t, err)
		require.Len(t, got, 1)
		_, err = d.Failing(t.Context(), 0)
		require.ErrorIs(t, err, webhook.ErrInvalid)
	})
}

// short is a store with short pages of its index, and with so many empty ones before.
type short struct {
	store.Store

	empty, calls int
}

func (s *short) Troubled(ctx context.Context, q store.TroubledQuery) (store.WebhookPage, error) {
	s.calls++
	if s.calls <= s.empty {
		return store.WebhookPage{Next: "empty"}, nil
	}
	if q.Cursor == "empty" {
		q.Cursor = ""
	}
	q.Limit = min(q.Limit, 2)
	return s.Store.Troubled(ctx, q)
}

// What counts against the bound on a question is what it has looked at, not what it has
// asked for, and a store that answers nothing is not asked for ever.
func TestShortPagesOfTheIndex(t *testing.T) {
	t.Parallel()
	st := &short{Store: memstore.New(nil)}
	d := newDesk(t, st)
	d.set(webhook.Disabled, d.register("a", 20)...)
	last := d.register("b", 1)
	d.publish("b")
	d.fail(0)
	look := func() (failing, listed int, next string) {
		got, err := d.Failing(t.Context(), 1)
		require.NoError(t, err)
		st.calls = 0
		page, err := d.Webhooks(t.Context(), operator.Filter{Host: "b.example.com"}, operator.Page{Limit: 1000})
		require.NoError(t, err)
		for _, w := range page.Webhooks {
			require.Equal(t, last[0].ID, w.ID)
		}
		return len(got), len(page.Webhooks), page.Next
	}
	failing, listed, next := look()
	require.Equal(t, []any{1, 1, ""}, []any{failing, listed, next})
	st.empty, st.calls = 1_000_000, 0
	failing, listed, next = look()
	require.Equal(t, []any{0, 0}, []any{failing, listed})
	require.NotEmpty(t, next)
	require.Equal(t, 100, st.calls)
}

func TestSearch(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(d *desk) {
		t := d.t
		for i := range 30 {
			d.register(fmt.Sprintf("m%d", i), 2)
		}
		a := d.register("a", 3)
		eventID := d.publish("a")
		page, err := d.svc.Deliveries(t.Context(), "a", a[1].ID, webhook.DeliveryQuery{Limit: 1})
		require.NoError(t, err)
		delivery := page.Deliveries[0].ID
		hook := func(w webhook.Webhook) operator.Found {
			return operator.Found{Kind: operator.FoundWebhook, MerchantID: "a", WebhookID: w.ID, URL: w.URL}
		}
		for text, want := range map[string][]operator.Found{
			eventID:         {{Kind: operator.FoundEvent, MerchantID: "a", EventID: eventID}},
			delivery:        {{Kind: operator.FoundDelivery, MerchantID: "a", WebhookID: a[1].ID, EventID: eventID, DeliveryID: delivery}},
			a[2].ID:         {hook(a[2])},
			"A.example.com": {hook(a[0]), hook(a[1]), hook(a[2])},
			"nothing":       nil,
			"whdel_nothing": nil,
		} {
			var got []operator.Found
			for cursor := ""; ; {
				page, err := d.Search(t.Context(), text, cursor)
				require.NoError(t, err)
				got = append(got, page.Found...)
				if cursor = page.Next; cursor == "" {
					break
				}
			}
			require.Equal(t, want, got, text)
		}
		_, err = d.Search(t.Context(), "", "")
		require.ErrorIs(t, err, webhook.ErrInvalid)
	})
}

// A search that meets very many webhooks goes on with the next call, and finds all the same.
func TestSearchGoesOn(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(d *desk) {
		t := d.t
		for i := range 700 {
			d.register(fmt.Sprintf("m%d", i), 1)
		}
		d.register("z", 1)
		calls, found := 0, 0
		for cursor := ""; calls == 0 || cursor != ""; calls++ {
			page, err := d.Search(t.Context(), "z.example.com", cursor)
			require.NoError(t, err)
			found += len(page.Found)
			cursor = page.Next
		}
		require.Greater(t, calls, 1)
		require.Equal(t, 1, found)
	})
}

func TestWhyElsewhere(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(d *desk) {
		t := d.t
		d.register("a", 1)
		d.register("b", 1)
		theirs := d.publish("b")
		why, err := d.Why(t.Context(), "b", theirs)
		require.NoError(t, err)
		require.True(t, why.Known && why.Searched)
		require.Empty(t, why.Elsewhere)
		why, err = d.Why(t.Context(), "a", theirs)
		require.NoError(t, err)
		require.False(t, why.Known)
		require.Equal(t, "b", why.Elsewhere)
		require.Contains(t, why.Text, "Merchant b has one.")
		why, err = d.Why(t.Context(), "a", "evt_nobody")
		require.NoError(t, err)
		require.Empty(t, why.Elsewhere)
		require.True(t, why.Searched)
		require.Contains(t, why.Text, "Nor has any other merchant.")
	})
}
