package webhook_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
)

// A form carries a token that was made with it, and an API takes a key from its
// caller. Sent twice, either acts once.
func ExampleService_Once() {
	svc, err := webhook.NewService(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	register := func(key, url string) {
		webhookID, again, err := svc.Once(context.Background(), "merchant_42", key, &webhook.OnceOptions{Fingerprint: url},
			func(ctx context.Context) (string, error) {
				out, err := svc.Register(ctx, "merchant_42", webhook.Registration{URL: url, Events: []string{"document.created"}})
				return out.Webhook.ID, err
			})
		fmt.Println(webhookID != "", again, errors.Is(err, webhook.ErrConflict))
	}
	register("key_1", "https://example.com/hook")
	register("key_1", "https://example.com/hook")
	register("key_1", "https://example.com/other")
	// Output:
	// true false false
	// true true false
	// false false true
}
