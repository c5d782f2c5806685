package operator

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
)

// place is how far a walk over webhooks has come. Its zero value is the beginning.
type place struct {
	Outer    string `json:"o,omitempty"` // the cursor of the directory, or how many of the named merchants are done
	Merchant string `json:"m,omitempty"` // whose webhooks are looked at
	Inner    string `json:"i,omitempty"` // the cursor among them
	Last     bool   `json:"l,omitempty"` // no merchant comes after this one
	Over     bool   `json:"e,omitempty"`
}

// cursor is a place for a caller to keep, empty at the end.
func (p place) cursor() string {
	if p.Over {
		return ""
	}
	text, _ := json.Marshal(p) //nolint:errchkjson // It has texts only.
	return base64.RawURLEncoding.EncodeToString(text)
}

func parsePlace(cursor string) (p place, err error) {
	if cursor == "" {
		return p, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	if err != nil {
		return place{}, errCursor()
	}
	return p, nil
}

const notACursor = "is not one that was given out here"

func errCursor() error { return invalid("cursor", notACursor) }

// orCursor makes of a cursor that the store refuses a fault of the caller's.
func orCursor(err error) error {
	if errors.Is(err, store.ErrCursor) {
		return errCursor()
	}
	return err
}

// troubled reads up to limit webhooks of the index of those in trouble.
func (o *Operator) troubled(ctx context.Context, p place, limit int) (store.WebhookPage, place, error) {
	page, err := o.store.Troubled(ctx, store.TroubledQuery{Limit: limit, Cursor: p.Outer})
	if err != nil {
		return page, p, err
	}
	return page, place{Outer: page.Next, Over: page.Next == ""}, nil
}

// nextMerchant goes to the next of the named merchants, or of all if none is named.
func (o *Operator) nextMerchant(ctx context.Context, p place, named []string) (place, error) {
	if len(named) > 0 {
		n, _ := strconv.Atoi(p.Outer)
		if n < 0 || n >= len(named) {
			return place{Over: true}, nil
		}
		return place{Merchant: named[n], Outer: strconv.Itoa(n + 1), Last: n+1 == len(named)}, nil
	}
	page, err := o.store.Merchants(ctx, store.MerchantQuery{Limit: 1, Cursor: p.Outer})
	if err != nil {
		return p, err
	}
	next := place{Outer: page.Next, Last: page.Next == ""}
	if len(page.Merchants) > 0 {
		next.Merchant = page.Merchants[0]
	}
	next.Over = next.Merchant == "" && next.Last
	return next, nil
}

// among reads up to limit webhooks of the merchant that p is at.
func (o *Operator) among(ctx context.Context, p place, limit int) (store.WebhookPage, place, error) {
	page, err := o.store.ListWebhooks(ctx, p.Merchant, store.WebhookQuery{Limit: limit, Cursor: p.Inner})
	if err != nil {
		return page, p, err
	}
	if p.Inner = page.Next; page.Next == "" {
		p.Merchant, p.Over = "", p.Last
	}
	return page, p, nil
}

// views are webhooks as the service shows them.
func (o *Operator) views(page store.WebhookPage) []webhook.Webhook {
	out := make([]webhook.Webhook, len(page.Webhooks))
	for i, w := range page.Webhooks {
		out[i] = o.svc.View(w)
	}
	return out
}
