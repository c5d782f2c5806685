package operator

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
	"github.com/rag-assistant/webhooks/webhook/words"
)

const (
	// searchReads is how often one call of Search, and of Why, asks the store, more or less.
	searchReads = 1000
	// searchPage is how many webhooks of a merchant it reads at once.
	searchPage = 100
)

// FoundKind says what was found.
type FoundKind string

// An id is that of an event, a delivery or a webhook. A host is that of a webhook.
const (
	FoundEvent    FoundKind = "event"
	FoundDelivery FoundKind = "delivery"
	FoundWebhook  FoundKind = "webhook"
)

// Found is one thing that a search has found, with the ids that lead to it.
type Found struct {
	Kind       FoundKind
	MerchantID string
	WebhookID  string // of a delivery or webhook
	EventID    string // of an event or delivery
	DeliveryID string
	URL        string // of a webhook
}

// SearchPage is what a part of a search has found.
type SearchPage struct {
	Found []Found
	Next  string // goes on with the merchants that were not looked at, empty at the end
}

// Search looks for an event, a delivery or a webhook by its id, and for webhooks by the
// host of their URL, at all merchants, one after the other. One call asks the store some
// thousand times at most, so it may find nothing and have a Next.
func (o *Operator) Search(ctx context.Context, text, cursor string) (SearchPage, error) {
	var bad faults
	if text == "" || !validHost(text) {
		bad.add("q", "must be the id of an event, delivery or webhook, or the host of a URL")
	}
	at, err := parsePlace(cursor)
	if err != nil {
		bad.add("cursor", notACursor)
	}
	if err := bad.err(); err != nil {
		return SearchPage{}, err
	}
	var out SearchPage
	for reads := 0; !at.Over && reads < searchReads; {
		var found []Found
		var n int
		if found, at, n, err = o.searchStep(ctx, text, at); err != nil {
			return SearchPage{}, fmt.Errorf("operator: search: %w", orCursor(err))
		}
		out.Found = append(out.Found, found...)
		reads += n
	}
	out.Next = at.cursor()
	return out, nil
}

// searchStep looks at some webhooks of one merchant, and says how often it has asked.
func (o *Operator) searchStep(ctx context.Context, text string, at place) (found []Found, next place, reads int, err error) {
	if at.Merchant == "" {
		if at, err = o.nextMerchant(ctx, at, nil); err != nil || at.Merchant == "" {
			return nil, at, 1, err
		}
		reads++
	}
	m, delivery := at.Merchant, strings.HasPrefix(text, "whdel_") // as each store's do
	if at.Inner == "" && !delivery && id.Valid(text) {
		reads++
		if _, err := o.store.Event(ctx, m, text); err == nil || errors.Is(err, store.ErrDamaged) {
			found = append(found, Found{Kind: FoundEvent, MerchantID: m, EventID: text})
		} else if !errors.Is(err, store.ErrNotFound) {
			return nil, at, reads, err
		}
	}
	page, next, err := o.among(ctx, at, searchPage)
	if err != nil {
		return nil, at, reads, err
	}
	reads++
	for _, w := range page.Webhooks {
		if w.ID == text || onHost(w.URL, text) {
			found = append(found, Found{Kind: FoundWebhook, MerchantID: m, WebhookID: w.ID, URL: w.URL})
		}
		if !delivery {
			continue
		}
		reads++
		d, err := o.store.Delivery(ctx, m, w.ID, text)
		if err == nil || errors.Is(err, store.ErrDamaged) {
			found = append(found, Found{Kind: FoundDelivery, MerchantID: m, WebhookID: w.ID, EventID: d.EventID, DeliveryID: text})
		} else if !errors.Is(err, store.ErrNotFound) {
			return nil, next, reads, err
		}
	}
	for _, damaged := range page.Damaged {
		if damaged == text {
			found = append(found, Found{Kind: FoundWebhook, MerchantID: m, WebhookID: text})
		}
	}
	return found, next, reads, nil
}

// Explanation is what [webhook.Service.Why] says, for an operator.
type Explanation struct {
	webhook.Explanation

	// Elsewhere is another merchant who has an event with this id, if the one who was
	// asked about has none. Searched says that all merchants were looked at, and not only
	// the first thousand or so.
	Elsewhere string
	Searched  bool
}

// Why says what became of an event at each of a merchant's webhooks. If the merchant does
// not know the event, it looks for one with this id at others.
func (o *Operator) Why(ctx context.Context, merchantID, eventID string) (Explanation, error) {
	why, err := o.svc.Why(ctx, merchantID, eventID)
	out := Explanation{Explanation: why, Searched: why.Known}
	if err != nil || why.Known {
		return out, err
	}
	var at place
	for reads := 0; !at.Over && reads < searchReads; reads += 2 {
		if at, err = o.nextMerchant(ctx, at, nil); err != nil {
			return out, fmt.Errorf("operator: look for an event: %w", err)
		}
		if at.Merchant == "" {
			continue
		}
		_, err := o.store.Event(ctx, at.Merchant, eventID)
		switch {
		case err == nil || errors.Is(err, store.ErrDamaged):
			out.Elsewhere, out.Searched = at.Merchant, true
			out.add("%s {Tenant} %s has one.", at.Merchant)
			return out, nil
		case !errors.Is(err, store.ErrNotFound):
			return out, fmt.Errorf("operator: look for an event: %w", err)
		}
		at.Merchant, at.Over = "", at.Last
	}
	out.Searched = at.Over
	if out.Searched {
		out.add("%s Nor has any other {tenant}.")
	}
	return out, nil
}

// add puts a sentence behind what is said already, for which it has a verb.
func (e *Explanation) add(text words.Text, args ...any) {
	e.Message = words.Message{Text: text, Args: append([]any{e.Message}, args...)}
	e.Text = e.Message.String()
}
