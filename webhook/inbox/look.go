package inbox

import (
	"context"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// receivedRule says what an inbox's Service does not do.
const receivedRule words.Text = "an inbox has what senders sent: nothing can be registered, published, tested or sent elsewhere"

// lookOnly is the store of [Inbox.Service]: it has events handled again, and takes none in that
// nobody has sent.
type lookOnly struct{ store.Store }

func refused() error {
	return &webhook.InvalidError{Faults: []webhook.Fault{{
		Kind: webhook.FaultWrong, Message: string(receivedRule), Text: words.Message{Text: receivedRule},
	}}}
}

// Publish refuses.
func (lookOnly) Publish(context.Context, string, []store.NewEvent) ([]store.Published, error) {
	return nil, refused()
}

// CreateWebhook refuses.
func (lookOnly) CreateWebhook(context.Context, string, store.Webhook, int) (store.Webhook, error) {
	return store.Webhook{}, refused()
}

// UpdateWebhook refuses another URL and other events.
func (l lookOnly) UpdateWebhook(ctx context.Context, merchantID, webhookID string, u store.WebhookUpdate) (store.Webhook, error) {
	if u.URL != nil || u.Events != nil {
		return store.Webhook{}, refused()
	}
	return l.Store.UpdateWebhook(ctx, merchantID, webhookID, u)
}
