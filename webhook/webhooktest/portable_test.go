package webhooktest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/webhooktest"
)

func requirePortable(payload any) *trial {
	return run(context.Background(), func(t *trial) { webhooktest.RequirePortable(t, payload) })
}

func TestRequirePortable(t *testing.T) {
	t.Parallel()
	changes := func(number float64) event.Payload {
		return event.DocumentUpdated{DocumentID: "doc_1", Changes: map[string]event.Change{"price": {Old: 1, New: number}}}
	}
	for _, tt := range []struct {
		name       string
		payload    any
		log, fatal string
	}{
		{"a default event", event.DocumentDeleted{DocumentID: "doc_1", Title: "Headphones"}, "", ""},
		{"a pointer", &event.DocumentDeleted{DocumentID: "doc_1"}, "", ""},
		{"a whole event", event.Event{ID: "evt_1", Type: "a.b", Created: time.Unix(1, 0), Data: []int{1}}, "", ""},
		{"an event to be published", event.NewRaw("order.paid", map[string]any{"total": 12.5}), "", ""},
		{"data", map[string]any{"total": 12.5}, "", ""},
		{"text of JSON", json.RawMessage(`[1]`), "", ""},
		{"people", map[string]any{"name": "Zoë"}, `data.name has characters beyond ASCII: Python verifies it`, ""},
		{"an empty object", map[string]any{"name": "Zoë", "tags": struct{}{}}, "data.name has", "data.tags is an empty object"},
		{"a small number", changes(0.00001), "", "data.changes.price.new is a fraction below 0.0001"},
		{"minus zero", json.RawMessage(`-0`), "", "data is minus zero"},
		{"a long integer", json.RawMessage(`{"id":9007199254740993}`), "", "data.id is an integer too long for a double: it cannot be published"},
		{"no JSON", make(chan int), "", "cannot be published"},
		{"nothing", nil, "", "there is no data"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := requirePortable(tt.payload)
			for want, got := range map[string]string{tt.log: p.log, tt.fatal: p.fatal} {
				if want == "" {
					continue
				}
				require.Contains(t, got, want)
			}
			require.Equal(t, tt.log == "", p.log == "", p.log)
			require.Equal(t, tt.fatal == "", p.fatal == "", p.fatal)
		})
	}
}

func TestRequirePortableShape(t *testing.T) {
	t.Parallel()
	flat := func(event.Event) (event.Shaped, error) { return event.Shaped{Body: []byte(`{"a":{}}`)}, nil }
	text := func(event.Event) (event.Shaped, error) {
		return event.Shaped{Body: []byte("a={}"), ContentType: "text/plain"}, nil
	}
	wrong := func(event.Event) (event.Shaped, error) { return event.Shaped{Body: []byte("a={}")}, nil }
	for _, tt := range []struct {
		name  string
		shape event.Shape
		fatal string
	}{
		{"a ready-made one", event.CloudEvents("/acme"), ""},
		{"one that adds what is not portable", flat, "a is an empty object"},
		{"no JSON", text, ""},
		{"one that breaks the rules", wrong, "the body is not JSON"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := run(context.Background(), func(t *trial) {
				webhooktest.RequirePortableShape(t, tt.shape, event.DocumentDeleted{DocumentID: "doc_1"})
			})
			require.Contains(t, p.fatal, tt.fatal)
			require.Equal(t, tt.fatal == "", p.fatal == "", p.fatal)
		})
	}
}

func ExampleRequirePortable() {
	t := &testing.T{} // In a test, its own.
	webhooktest.RequirePortable(t, event.DocumentDeleted{DocumentID: "doc_1", Title: "Headphones"})
	fmt.Println(t.Failed())
	// Output: false
}
