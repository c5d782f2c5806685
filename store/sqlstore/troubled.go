package sqlstore

import (
	"context"

	"github.com/rag-assistant/webhooks/store"
)

// Troubled implements [store.Directory]. The order is that of the keys.
func (s *Store) Troubled(ctx context.Context, q store.TroubledQuery) (store.WebhookPage, error) {
	after, err := readCursor(troubledCursor, q.Cursor, 0)
	if err != nil {
		return store.WebhookPage{}, err
	}
	page, last, err := s.page(ctx, "troubled", q.Limit, after, q.Limit+1, s.now())
	if last != nil {
		page.Next = writeNumber(troubledCursor, last.wh)
	}
	return page, err
}
