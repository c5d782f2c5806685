package event_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/event"
)

func ExampleShape() {
	// The envelope that the host's customers have had for years.
	envelope := func(e event.Event) (event.Shaped, error) {
		body, err := json.Marshal(map[string]any{"topic": e.Type, "at": e.Created.Unix(), "payload": e.Data})
		return event.Shaped{Body: body, Header: map[string]string{"X-Acme-Version": "2019-04"}}, err
	}
	catalog, err := event.NewCatalog(event.Entry{Type: OrderPaid{}.EventType(), Description: "A customer paid an order"})
	if err != nil {
		fmt.Println(err)
		return
	}
	catalog = catalog.WithShape(envelope) // for ServiceOptions and DispatcherOptions

	e := event.New(OrderPaid{OrderID: "ord_1", Cents: 1999})
	e.ID, e.Created = "evt_1", time.Date(2025, 11, 4, 12, 38, 0, 0, time.UTC)
	sent, err := catalog.Shape()(e)
	fmt.Println(string(sent.Body), sent.Header["X-Acme-Version"], err)
	// Output:
	// {"at":1762259880,"payload":{"orderId":"ord_1","cents":1999},"topic":"order.paid"} 2019-04 <nil>
}

func ExampleCloudEvents() {
	e := event.New(OrderPaid{OrderID: "ord_1", Cents: 1999})
	e.ID, e.Created = "evt_1", time.Date(2025, 11, 4, 12, 38, 0, 0, time.UTC)
	sent, err := event.CloudEvents("https://acme.example/shops")(e)
	fmt.Println(sent.ContentType)
	fmt.Println(string(sent.Body), err)
	// Output:
	// application/cloudevents+json
	// {"data":{"orderId":"ord_1","cents":1999},"datacontenttype":"application/json","id":"evt_1","source":"https://acme.example/shops","specversion":"1.0","time":"2025-11-04T12:38:00Z","type":"order.paid"} <nil>
}

// shaped is an event with every kind of character that JSON may escape.
func shaped() event.Event {
	return event.Event{
		ID: "evt_1", Type: "order.paid", Created: time.Date(2025, 11, 4, 13, 38, 0, 5e8, time.FixedZone("", 3600)),
		Data: json.RawMessage("{\"a\":\"<é\u2028&>\\\\\",\"b\":[]}"),
	}
}

func TestReadyMadeShapes(t *testing.T) {
	t.Parallel()
	const data = "{\"a\":\"<é\u2028&>\\\\\",\"b\":[]}"
	for _, tt := range []struct {
		name  string
		shape event.Shape
		want  event.Shaped
	}{
		{"Standard Webhooks", event.StandardShape, event.Shaped{
			Body: []byte(`{"data":` + data + `,"timestamp":"2025-11-04T12:38:00Z","type":"order.paid"}`),
		}},
		{"CloudEvents", event.CloudEvents("/shops?a=%20&b"), event.Shaped{
			ContentType: "application/cloudevents+json",
			Body: []byte(`{"data":` + data + `,"datacontenttype":"application/json","id":"evt_1","source":"/shops?a=%20&b",` +
				`"specversion":"1.0","time":"2025-11-04T12:38:00Z","type":"order.paid"}`),
		}},
		{"CloudEvents in binary mode", event.CloudEventsBinary("/shops?a=%20&b"), event.Shaped{
			ContentType: "application/json", Body: []byte(data),
			Header: map[string]string{
				"ce-id": "evt_1", "ce-source": "/shops?a=%2520&b", "ce-specversion": "1.0",
				"ce-time": "2025-11-04T12:38:00Z", "ce-type": "order.paid",
			},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := tt.shape(shaped())
			require.NoError(t, err)
			require.Equal(t, string(tt.want.Body), string(got.Body))
			require.Equal(t, tt.want, got)

			nothing := shaped()
			nothing.Data = nil
			_, err = tt.shape(nothing)
			require.ErrorContains(t, err, "there is no data")
			unnamed := shaped()
			unnamed.ID = ""
			_, err = tt.shape(unnamed)
			require.ErrorContains(t, err, "the id is not valid")
		})
	}
}

// TestCloudEventAttributes holds structured mode to section 3 of the CloudEvents JSON format:
// the required attributes, types and all, and no member beyond those of the specification.
func TestCloudEventAttributes(t *testing.T) {
	t.Parallel()
	got, err := event.CloudEvents("urn:acme")(shaped())
	require.NoError(t, err)
	var attributes map[string]any
	require.NoError(t, json.Unmarshal(got.Body, &attributes))
	for _, required := range []string{"id", "source", "specversion", "type"} {
		require.NotEmpty(t, attributes[required], required)
		require.IsType(t, "", attributes[required], required)
	}
	at, err := time.Parse(time.RFC3339, fmt.Sprint(attributes["time"]))
	require.NoError(t, err)
	require.True(t, at.Equal(shaped().Created.Truncate(time.Second)))
	require.IsType(t, map[string]any{}, attributes["data"], "JSON data is a value, and no text")
	for name := range attributes {
		require.Contains(t, []string{"data", "datacontenttype", "id", "source", "specversion", "time", "type"}, name)
	}
}

// TestBinaryHeadersAreEncoded holds the headers of binary mode to section 3.1.3.2 of the HTTP
// protocol binding of CloudEvents, whose sample is "Euro € 😀".
func TestBinaryHeadersAreEncoded(t *testing.T) {
	t.Parallel()
	e := shaped()
	e.ID = "Euro € 😀 100% \"~!"
	got, err := event.CloudEventsBinary("/")(e)
	require.NoError(t, err)
	require.Equal(t, "Euro%20%E2%82%AC%20%F0%9F%98%80%20100%25%20%22~!", got.Header["ce-id"])
}

func TestSourcesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, source := range []string{"", "a b", "é", "https://acme.example/<", "%zz", "http://a\n", ":x"} {
		for name, shape := range map[string]event.Shape{"structured": event.CloudEvents(source), "binary": event.CloudEventsBinary(source)} {
			_, err := shape(shaped())
			require.ErrorContains(t, err, "URI reference", "%s %q", name, source)
		}
	}
}

// TestParseStandardReadsShapes reads back what carries its type in what is signed.
func TestParseStandardReadsShapes(t *testing.T) {
	t.Parallel()
	want := shaped()
	want.Created = time.Date(2025, 11, 4, 12, 38, 0, 0, time.UTC)
	sent := want.Created.Add(time.Hour)
	for name, shape := range map[string]event.Shape{"Standard Webhooks": event.StandardShape, "CloudEvents": event.CloudEvents("/")} {
		got, err := shape(shaped())
		require.NoError(t, err)
		e, err := event.ParseStandard(got.Body, "evt_1", sent)
		require.NoError(t, err, name)
		require.Equal(t, want, e, name)
	}
	got, err := event.CloudEventsBinary("/")(shaped())
	require.NoError(t, err)
	_, err = event.ParseStandard(got.Body, "evt_1", sent)
	require.ErrorIs(t, err, event.ErrMalformed, "its type is not in the body")
}

func TestCatalogKeepsItsShape(t *testing.T) {
	t.Parallel()
	plain := event.DefaultCatalog()
	require.Nil(t, plain.Shape())
	c := plain.WithShape(event.StandardShape)
	require.Nil(t, plain.Shape(), "a catalog is immutable")
	more, err := c.With(event.Entry{Type: "order.paid"})
	require.NoError(t, err)
	require.NotNil(t, more.Shape())
	require.Nil(t, more.WithShape(nil).Shape())
	require.Equal(t, plain.Entries(), c.Entries())
}
