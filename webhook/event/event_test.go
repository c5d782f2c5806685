package event_test

import (
	"bytes"
	"encoding/json"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/internal/jcs"
)

// at has a zone and a fraction of a second, which are not written.
var (
	at    = time.Date(2025, 11, 4, 13, 34, 56, 789_000_000, time.FixedZone("", 3600))
	wired = "2025-11-04T12:34:56Z"
)

// whole returns e as an event that can be written.
func whole(e event.Event) event.Event {
	e.ID, e.Created = "evt_1", at
	return e
}

func dataOf(t *testing.T, e event.Event) string {
	t.Helper()
	body, err := e.MarshalJSON()
	require.NoError(t, err)
	parsed, err := event.Parse(body)
	require.NoError(t, err)
	data, err := event.Data[json.RawMessage](parsed)
	require.NoError(t, err)
	return string(data)
}

func canonical(t *testing.T, text []byte) string {
	t.Helper()
	out, err := jcs.Canonicalize(text)
	require.NoError(t, err)
	return string(out)
}

// roundTrip reads the example of the catalog as a T, refusing fields that T does not
// have, and writes it again.
func roundTrip[T event.Payload](t *testing.T) {
	t.Helper()
	var zero T
	t.Run(string(zero.EventType()), func(t *testing.T) {
		t.Parallel()
		entry, ok := event.DefaultCatalog().Lookup(zero.EventType())
		require.True(t, ok)
		sample, err := event.Parse(entry.Example)
		require.NoError(t, err)
		require.Equal(t, zero.EventType(), sample.Type)

		raw, err := event.Data[json.RawMessage](sample)
		require.NoError(t, err)
		var strict T
		d := json.NewDecoder(bytes.NewReader(raw))
		d.DisallowUnknownFields()
		require.NoError(t, d.Decode(&strict))
		data, err := event.Data[T](sample)
		require.NoError(t, err)
		require.Equal(t, strict, data)

		again := event.New(data)
		again.ID, again.Created = sample.ID, sample.Created
		body, err := again.MarshalJSON()
		require.NoError(t, err)
		require.Equal(t, canonical(t, entry.Example), canonical(t, body))
		pointer, err := event.Data[*T](again)
		require.NoError(t, err)
		require.Equal(t, data, *pointer)
	})
}

func TestSamplesOfTheGuide(t *testing.T) {
	t.Parallel()
	roundTrip[event.ChatQueryCompleted](t)
	roundTrip[event.ChatQueryFailed](t)
	roundTrip[event.DocumentCreated](t)
	roundTrip[event.DocumentUpdated](t)
	roundTrip[event.DocumentDeleted](t)
	roundTrip[event.UsageLimitApproaching](t)
	roundTrip[event.UsageLimitExceeded](t)
	roundTrip[event.APIKeyExpiring](t)
	roundTrip[event.WebhookTest](t)
}

func TestType(t *testing.T) {
	t.Parallel()
	rule := regexp.MustCompile(`\A[a-z0-9_]+(\.[a-z0-9_]+)*\z`)
	cases := []string{
		"", ".", "a", "a.b", "a..b", ".a", "a.", "a.b.c_1", "A.b", "a-b", "a b", "a.b\n", "*", "é", "a.*", "0", "_", "_._",
		strings.Repeat("a", 100), strings.Repeat("a", 101), strings.Repeat("a.", 50), strings.Repeat("a.", 49) + "ab", strings.Repeat("a.", 49) + "abc",
	}
	for c := range 256 {
		cases = append(cases, string([]byte{byte(c)}), "a"+string([]byte{byte(c)}), "a."+string([]byte{byte(c)})+".a")
	}
	for _, s := range cases {
		want := rule.MatchString(s) && len(s) <= event.MaxTypeLen
		require.Equal(t, want, event.Type(s).Valid(), "%q", s)
		parsed, err := event.ParseType(s)
		if want {
			require.NoError(t, err)
			require.Equal(t, event.Type(s), parsed)
		} else {
			require.Error(t, err)
			require.Empty(t, parsed)
		}
	}
}

func TestMarshal(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		data any
		want string
	}{
		{"null", json.RawMessage("null"), `null`},
		{"text", "<a> & \"b\"", `"<a> & \"b\""`},
		{"number", 1.5, `1.5`},
		{"false", false, `false`},
		{"list", []int{1, 2}, `[1,2]`},
		{"map", map[string]any{"b": 1, "a": nil}, `{"a":null,"b":1}`},
		{"empty map", map[string]any{}, `{}`},
		{"text of JSON", json.RawMessage(" {\n\"a\" : \"&\" } "), `{"a":"&"}`},
		{"pointer", &OrderPaid{OrderID: "1"}, `{"orderId":"1","cents":0}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := whole(event.NewRaw("order.paid", tt.data))
			body, err := e.MarshalJSON()
			require.NoError(t, err)
			require.Equal(t, `{"id":"evt_1","type":"order.paid","created":"`+wired+`","data":`+tt.want+`}`, string(body))
			viaJSON, err := json.Marshal(e)
			require.NoError(t, err)
			require.Equal(t, canonical(t, body), canonical(t, viaJSON))
		})
	}
}

func TestMarshalRefuses(t *testing.T) {
	t.Parallel()
	good := whole(event.New(OrderPaid{}))
	change := func(f func(*event.Event)) event.Event {
		e := good
		f(&e)
		return e
	}
	for _, tt := range []struct {
		name string
		e    event.Event
		want string
	}{
		{"nothing", event.Event{}, "the type is not valid"},
		{"type", change(func(e *event.Event) { e.Type = "Order Paid" }), "the type is not valid"},
		{"no id", change(func(e *event.Event) { e.ID = "" }), "order.paid: the id is not valid"},
		{"long id", change(func(e *event.Event) { e.ID = strings.Repeat("a", 256) }), "the id is not valid"},
		{"id with a line feed", change(func(e *event.Event) { e.ID = "a\nb" }), "the id is not valid"},
		{"id in Latin-1", change(func(e *event.Event) { e.ID = "\xe9" }), "the id is not valid"},
		{"no time", change(func(e *event.Event) { e.Created = time.Time{} }), "time of creation is not valid"},
		{"year 10000", change(func(e *event.Event) { e.Created = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }), "time of creation is not valid"},
		{"no data", change(func(e *event.Event) { e.Data = nil }), "order.paid: there is no data"},
		{"nil pointer", change(func(e *event.Event) { e.Data = (*event.DocumentCreated)(nil) }), "order.paid: there is no data"},
		{"empty text of JSON", change(func(e *event.Event) { e.Data = json.RawMessage{} }), "order.paid: there is no data"},
		{"nil text of JSON", change(func(e *event.Event) { e.Data = json.RawMessage(nil) }), "order.paid: there is no data"},
		{"text that is no JSON", change(func(e *event.Event) { e.Data = json.RawMessage("{") }), "order.paid: data: "},
		{"NaN", change(func(e *event.Event) { e.Data = math.NaN() }), "order.paid: data: "},
		{"infinity in a payload", whole(event.New(event.ChatQueryCompleted{Confidence: math.Inf(1)})), "chat.query.completed: data: "},
		{"channel", change(func(e *event.Event) { e.Data = make(chan int) }), "order.paid: data: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			body, err := tt.e.MarshalJSON()
			require.ErrorContains(t, err, tt.want)
			require.True(t, strings.HasPrefix(err.Error(), "event: "), err)
			require.Nil(t, body)
		})
	}
}

func TestTimesOfPayloads(t *testing.T) {
	t.Parallel()
	own := time.Date(2025, 11, 1, 2, 0, 0, 5, time.FixedZone("", 7200))
	for _, tt := range []struct {
		p     event.Payload
		other string // Another time that the payload has.
	}{
		{event.ChatQueryCompleted{}, ""},
		{event.ChatQueryFailed{}, ""},
		{event.DocumentCreated{}, ""},
		{event.DocumentUpdated{}, ""},
		{event.DocumentDeleted{}, ""},
		{event.UsageLimitApproaching{ResetDate: own}, "resetDate"},
		{event.UsageLimitExceeded{}, ""},
		{event.APIKeyExpiring{ExpiresAt: own}, "expiresAt"},
		{event.WebhookTest{}, ""},
	} {
		t.Run(string(tt.p.EventType()), func(t *testing.T) {
			t.Parallel()
			var got map[string]any
			require.NoError(t, json.Unmarshal([]byte(dataOf(t, whole(event.New(tt.p)))), &got))
			require.Equal(t, wired, got["timestamp"])
			if tt.other != "" {
				require.Equal(t, "2025-11-01T00:00:00Z", got[tt.other])
			}
		})
	}

	e := whole(event.New(event.DocumentCreated{Timestamp: own}))
	require.Contains(t, dataOf(t, e), `"timestamp":"2025-11-01T00:00:00Z"`, "a time that is set stays")
	require.Equal(t, event.DocumentCreated{Timestamp: own}, e.Data, "the caller's payload does not change")
	pointer := &event.DocumentCreated{}
	require.Contains(t, dataOf(t, whole(event.New(pointer))), `"timestamp":"`+wired+`"`)
	require.Zero(t, *pointer, "nor through a pointer")
}

func TestEmptyFieldsOfPayloads(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		p    event.Payload
		want string
	}{
		{
			event.ChatQueryCompleted{},
			`{"answer":"","confidence":0,"executionTime":0,"intent":"","query":"","recommendations":[],"sessionId":"","timestamp":"` + wired + `","userId":""}`,
		},
		{event.DocumentCreated{Metadata: map[string]any{}}, `{"documentId":"","timestamp":"` + wired + `","title":"","type":""}`},
		{event.DocumentUpdated{Changes: map[string]event.Change{}}, `{"documentId":"","timestamp":"` + wired + `","title":"","type":""}`},
		{
			event.DocumentUpdated{Changes: map[string]event.Change{"price": {New: 1}}},
			`{"changes":{"price":{"new":1,"old":null}},"documentId":"","timestamp":"` + wired + `","title":"","type":""}`,
		},
		{event.UsageLimitApproaching{}, `{"current":0,"limit":0,"metric":"","percentage":0,"period":"","timestamp":"` + wired + `"}`},
		{event.APIKeyExpiring{}, `{"daysRemaining":0,"environment":"","keyId":"","name":"","timestamp":"` + wired + `"}`},
	} {
		require.Equal(t, tt.want, canonical(t, []byte(dataOf(t, whole(event.New(tt.p))))))
	}
}

func TestData(t *testing.T) {
	t.Parallel()
	made := whole(event.New(event.DocumentCreated{DocumentID: "doc_1"}))
	body, err := made.MarshalJSON()
	require.NoError(t, err)
	parsed, err := event.Parse(body)
	require.NoError(t, err)
	for name, e := range map[string]event.Event{"made": made, "by pointer": whole(event.New(&event.DocumentCreated{DocumentID: "doc_1"})), "parsed": parsed} {
		doc, err := event.Data[event.DocumentCreated](e)
		require.NoError(t, err, name)
		require.Equal(t, "doc_1", doc.DocumentID, name)
		require.Equal(t, parsed.Created, doc.Timestamp, name)

		_, err = event.Data[event.DocumentDeleted](e)
		require.EqualError(t, err, `event: the data of "document.created" is not that of "document.deleted"`, name)
		_, err = event.Data[*event.DocumentDeleted](e)
		require.Error(t, err, name)

		loose, err := event.Data[map[string]any](e)
		require.NoError(t, err, name)
		require.Equal(t, "doc_1", loose["documentId"], name)
		_, err = event.Data[[]int](e)
		require.ErrorContains(t, err, "event: read data", name)

		var part struct{ DocumentID string }
		require.NoError(t, e.Decode(&part), name)
		require.Equal(t, "doc_1", part.DocumentID, name)
	}
	raw, err := event.Data[json.RawMessage](parsed)
	require.NoError(t, err)
	require.Equal(t, parsed.Data, raw)
	require.EqualError(t, event.Event{}.Decode(&raw), "event: there is no data")
	require.ErrorContains(t, event.NewRaw("a", math.NaN()).Decode(&raw), "event: write data")
}
