package memstore_test

import (
	"context"
	"fmt"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
)

func Example() {
	ctx := context.Background()
	st := memstore.New(nil)
	_, err := st.CreateWebhook(ctx, "merchant_42", store.Webhook{
		ID: "whk_1", URL: "https://example.com/hook", Events: []string{"document.created"}, Status: store.Active,
	}, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = st.Publish(ctx, "merchant_42", []store.NewEvent{
		{ID: "evt_1", Type: "document.created", Body: []byte(`{"id":"evt_1"}`)},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	claimed, err := st.Claim(ctx, store.ClaimRequest{Limit: 10, Lease: time.Minute, PerWebhook: 10})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, l := range claimed.Leases {
		fmt.Printf("post %s to %s\n", l.Body, l.URL)
		done, err := st.Finish(ctx, []store.Result{{
			MerchantID: l.MerchantID, WebhookID: l.WebhookID, DeliveryID: l.DeliveryID, Token: l.Token,
			Outcome: store.Succeeded, Attempt: store.Attempt{StatusCode: 200},
		}})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(done[0].State)
	}
	// Output:
	// post {"id":"evt_1"} to https://example.com/hook
	// accepted
}

// A test moves the clock itself.
func ExampleOptions() {
	now := time.Date(2026, time.February, 27, 12, 0, 0, 0, time.UTC)
	st := memstore.New(&memstore.Options{Now: func() time.Time { return now }})

	ctx := context.Background()
	holder := store.SeenBegin{Holder: "first try", Lease: time.Minute}
	a, _ := st.BeginSeen(ctx, "receiver", "evt_1", holder)
	b, _ := st.BeginSeen(ctx, "receiver", "evt_1", store.SeenBegin{Holder: "second try", Lease: time.Minute})
	now = now.Add(time.Minute)
	c, _ := st.BeginSeen(ctx, "receiver", "evt_1", store.SeenBegin{Holder: "third try", Lease: time.Minute})
	fmt.Println(a.State, b.State, c.State)
	// Output:
	// new in_progress new
}
