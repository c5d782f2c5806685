package event_test

import (
	"fmt"
	"time"

	"github.com/rag-assistant/webhooks/webhook/event"
)

func ExampleNew() {
	e := event.New(event.DocumentDeleted{DocumentID: "doc_1", Type: "product", Title: "Headphones"})
	// A service that publishes the event fills these in.
	e.ID, e.Created = "evt_1", time.Date(2025, 11, 4, 12, 38, 0, 0, time.UTC)
	body, err := e.MarshalJSON()
	fmt.Println(string(body), err)
	// Output:
	// {"id":"evt_1","type":"document.deleted","created":"2025-11-04T12:38:00Z","data":{"documentId":"doc_1","type":"product","title":"Headphones","timestamp":"2025-11-04T12:38:00Z"}} <nil>
}

func ExampleParse() {
	body := []byte(`{"id":"evt_1","type":"document.created","created":"2025-11-04T12:36:00Z","data":{"documentId":"doc_1","title":"Headphones"}}`)
	e, err := event.Parse(body)
	if err != nil {
		fmt.Println(err)
		return
	}
	switch e.Type {
	case event.TypeDocumentCreated:
		doc, err := event.Data[event.DocumentCreated](e)
		fmt.Println(e.ID, doc.DocumentID, doc.Title, err)
	default:
		// Types that came later than this program are no error.
	}

	_, err = event.Parse([]byte(`{"id":"evt_1","id":"evt_2"}`))
	fmt.Println(err)
	// Output:
	// evt_1 doc_1 Headphones <nil>
	// event: malformed: id appears twice
}

// OrderPaid is an event of the host's own.
type OrderPaid struct {
	OrderID string `json:"orderId"`
	Cents   int64  `json:"cents"`
}

// EventType names the type.
func (OrderPaid) EventType() event.Type { return "order.paid" }

func ExamplePayload() {
	e := event.New(OrderPaid{OrderID: "ord_1", Cents: 1999})
	fmt.Println(e.Type)
	// Output: order.paid
}

func ExampleCatalog_With() {
	catalog, err := event.DefaultCatalog().With(event.Entry{
		Type:        OrderPaid{}.EventType(),
		Description: "A customer paid an order",
		Frequency:   event.High,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for entry := range catalog.All() {
		fmt.Printf("%-24s %-7s subscribable: %v\n", entry.Type, entry.Frequency, entry.Subscribable())
	}
	// Output:
	// chat.query.completed     High    subscribable: true
	// chat.query.failed        Low     subscribable: true
	// document.created         Medium  subscribable: true
	// document.updated         Medium  subscribable: true
	// document.deleted         Low     subscribable: true
	// usage.limit.approaching  Low     subscribable: true
	// usage.limit.exceeded     Low     subscribable: true
	// api_key.expiring         Low     subscribable: true
	// webhook.test             Manual  subscribable: false
	// order.paid               High    subscribable: true
}
