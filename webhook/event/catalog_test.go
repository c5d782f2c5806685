package event_test

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/event"
)

func TestDefaultCatalog(t *testing.T) {
	t.Parallel()
	c := event.DefaultCatalog()
	entries := c.Entries()
	require.Len(t, entries, 9)
	require.Equal(t, entries, slices.Collect(c.All()))
	checked, err := event.NewCatalog(entries...)
	require.NoError(t, err, "types and examples are valid")
	require.Equal(t, c, checked)
	for _, e := range entries {
		require.NotEmpty(t, e.Description)
		require.NotEmpty(t, e.Example)
		found, ok := c.Lookup(e.Type)
		require.True(t, ok)
		require.Equal(t, e, found)
		require.Equal(t, e.Type != event.TypeWebhookTest, e.Subscribable())
	}
	_, ok := c.Lookup("chat.query")
	require.False(t, ok)
}

func TestCatalogIsNotShared(t *testing.T) {
	t.Parallel()
	first := event.DefaultCatalog()
	first.Entries()[0].Type = "changed"
	example := json.RawMessage(envelope())
	second, err := first.With(event.Entry{Type: "a.b", Example: example})
	require.NoError(t, err)
	clear(example)
	require.Equal(t, event.DefaultCatalog(), first, "With makes a new one")
	added, ok := second.Lookup("a.b")
	require.True(t, ok)
	require.Equal(t, event.Entry{Type: "a.b", Frequency: event.Medium, Example: json.RawMessage(envelope())}, added)
	require.Len(t, second.Entries(), 10)

	third, err := first.With(event.Entry{Type: "c"})
	require.NoError(t, err)
	_, ok = third.Lookup("a.b")
	require.False(t, ok, "catalogs made of one do not meet")

	var zero event.Catalog
	_, ok = zero.Lookup("a.b")
	require.False(t, ok)
	one, err := zero.With(event.Entry{Type: "a.b"})
	require.NoError(t, err)
	require.Len(t, one.Entries(), 1)
}

func TestCatalogOfAHost(t *testing.T) {
	t.Parallel()
	all := event.DefaultCatalog().Entries()
	own := slices.Clone(all)
	own[2].Description, own[3].Example, own[5].Frequency = "A file came", nil, event.High
	other := event.Entry{Type: "order.paid"}
	for _, tt := range []struct {
		name    string
		entries []event.Entry
		want    []event.Type
	}{
		{"the default", all, nil},
		{"more", append(slices.Clone(all), other), nil},
		{"one missing", all[1:], []event.Type{all[0].Type}},
		{"entries of its own", own, []event.Type{own[2].Type, own[3].Type, own[5].Type}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := event.NewCatalog(tt.entries...)
			require.NoError(t, err)
			require.Equal(t, tt.want, c.Replaced())
		})
	}
}

func TestCatalogNamesEveryFault(t *testing.T) {
	t.Parallel()
	c, err := event.NewCatalog(
		event.Entry{Type: "fine", Frequency: event.Low},
		event.Entry{Type: "Not Fine"},
		event.Entry{Type: "fine"},
		event.Entry{Type: "often", Frequency: "Often"},
		event.Entry{Type: "no.event", Example: json.RawMessage(`{"id":1}`)},
		event.Entry{Type: "other.type", Example: json.RawMessage(envelope())},
	)
	require.Nil(t, c)
	require.EqualError(t, err, `event: catalog: "Not Fine": not a valid type
event: catalog: "fine": there twice
event: catalog: "often": unknown frequency "Often": must be High, Medium, Low or Manual
event: catalog: "no.event": example: event: malformed: type is missing
event: catalog: "other.type": example: an event of type "a.b"`)
	_, err = event.DefaultCatalog().With(event.Entry{Type: event.TypeDocumentCreated})
	require.EqualError(t, err, `event: catalog: "document.created": there twice`)
}

func TestEntryAsJSON(t *testing.T) {
	t.Parallel()
	text, err := json.Marshal(event.Entry{Type: "a.b", Description: "D", Frequency: event.High, Example: json.RawMessage(`{}`)})
	require.NoError(t, err)
	require.Equal(t, `{"type":"a.b","description":"D","frequency":"High","example":{}}`, string(text))
}
