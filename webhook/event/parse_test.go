package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/event"
)

// envelope is an event with its members in the usual order, which can be replaced.
func envelope(replace ...string) string {
	members := map[string]string{"id": `"evt_1"`, "type": `"a.b"`, "created": `"2025-11-04T12:34:56Z"`, "data": `{"a":1}`}
	for i := 0; i < len(replace); i += 2 {
		members[replace[i]] = replace[i+1]
	}
	return fmt.Sprintf(`{"id":%s,"type":%s,"created":%s,"data":%s}`, members["id"], members["type"], members["created"], members["data"])
}

func TestParse(t *testing.T) {
	t.Parallel()
	want := event.Event{ID: "evt_1", Type: "a.b", Created: time.Date(2025, 11, 4, 12, 34, 56, 0, time.UTC), Data: json.RawMessage(`{"a":1}`)}
	change := func(f func(*event.Event)) event.Event {
		e := want
		f(&e)
		return e
	}
	data := func(text string) event.Event {
		return change(func(e *event.Event) { e.Data = json.RawMessage(text) })
	}
	for _, tt := range []struct {
		name, body string
		want       event.Event
	}{
		{"the usual order", envelope(), want},
		{"another order", `{"data":{"a":1},"created":"2025-11-04T12:34:56Z","id":"evt_1","type":"a.b"}`, want},
		{"space", " {\"id\" : \"evt_1\" ,\n\"type\":\"a.b\",\t\"created\":\"2025-11-04T12:34:56Z\",\r\n\"data\": {\"a\":1} }\n", want},
		{"escapes", `{"\u0069d":"evt\u005f1","type":"a\u002eb","created":"2025-11-04T12:34:56Z","data":{"a":1}}`, want},
		{"members of later senders", strings.Replace(envelope(), "{", `{"apiVersion":"2","ids":[],"_":{"id":1,"ID":2},`, 1), want},
		{"another zone", envelope("created", `"2025-11-04T14:34:56+02:00"`), want},
		{"a fraction", envelope("created", `"2025-11-04T12:34:56.5Z"`), change(func(e *event.Event) { e.Created = e.Created.Add(time.Second / 2) })},
		{"1970", envelope("created", `"1970-01-01T00:00:00Z"`), change(func(e *event.Event) { e.Created = time.Unix(0, 0).UTC() })},
		{"an unknown type", envelope("type", `"x"`), change(func(e *event.Event) { e.Type = "x" })},
		{"a long id", envelope("id", `"`+strings.Repeat("é", 127)+`a"`), change(func(e *event.Event) { e.ID = strings.Repeat("é", 127) + "a" })},
		{"null", envelope("data", "null"), data("null")},
		{"text", envelope("data", `"\u00e9"`), data(`"\u00e9"`)},
		{"list", envelope("data", "[ 1 ]"), data("[ 1 ]")},
		{"case variants below", envelope("data", `{"id":1,"ID":2,"Data":3}`), data(`{"id":1,"ID":2,"Data":3}`)},
		{"deep", envelope("data", strings.Repeat("[", 999)+strings.Repeat("]", 999)), data(strings.Repeat("[", 999) + strings.Repeat("]", 999))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			body := []byte(tt.body)
			got, err := event.Parse(body)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
			clear(body)
			require.Equal(t, tt.want, got, "nothing of the body is kept")

			var viaJSON event.Event
			require.NoError(t, json.Unmarshal([]byte(tt.body), &viaJSON))
			require.Equal(t, tt.want, viaJSON)
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	const (
		badID   = "id is not a string of 1 to 255 bytes without control characters"
		badType = "type is not an event type"
		badTime = "created is not a time as in RFC 3339"
	)
	without := func(name string) string {
		fields := map[string]json.RawMessage{}
		require.NoError(t, json.Unmarshal([]byte(envelope()), &fields))
		delete(fields, name)
		body, err := json.Marshal(fields)
		require.NoError(t, err)
		return string(body)
	}
	for _, tt := range []struct{ name, body, want string }{
		{"nothing", "", "JSON is empty"},
		{"null", "null", "JSON must be an object"},
		{"array", "[" + envelope() + "]", "JSON must be an object"},
		{"string", `"` + "evt_1" + `"`, "JSON must be an object"},
		{"empty object", "{}", "id is missing"},
		{"no id", without("id"), "id is missing"},
		{"no type", without("type"), "type is missing"},
		{"no time", without("created"), "created is missing"},
		{"no data", without("data"), "data is missing"},
		{"id in upper case", strings.Replace(envelope(), `"id"`, `"ID"`, 1), "id is spelled in another case"},
		{"both cases", strings.Replace(envelope(), "{", `{"Type":"x",`, 1), "type is spelled in another case"},
		{"data in title case, last", strings.TrimSuffix(envelope(), "}") + `,"Data":1}`, "data is spelled in another case"},
		{"another case through an escape", strings.TrimSuffix(envelope(), "}") + `,"\u0043reated":1}`, "created is spelled in another case"},
		{"id null", envelope("id", "null"), badID},
		{"id a number", envelope("id", "1"), badID},
		{"id empty", envelope("id", `""`), badID},
		{"id long", envelope("id", `"`+strings.Repeat("a", 256)+`"`), badID},
		{"id with a line feed", envelope("id", `"a\n"`), badID},
		{"id with NUL", envelope("id", `"\u0000"`), badID},
		{"id with DEL", envelope("id", "\"\x7f\""), badID},
		{"id with C1", envelope("id", `"\u0085"`), badID},
		{"type null", envelope("type", "null"), badType},
		{"type empty", envelope("type", `""`), badType},
		{"type in upper case", envelope("type", `"A.b"`), badType},
		{"type with space", envelope("type", `"a.b "`), badType},
		{"type long", envelope("type", `"`+strings.Repeat("a", 101)+`"`), badType},
		{"time null", envelope("created", "null"), badTime},
		{"time a number", envelope("created", "1762259696"), badTime},
		{"time empty", envelope("created", `""`), badTime},
		{"time without zone", envelope("created", `"2025-11-04T12:34:56"`), badTime},
		{"date only", envelope("created", `"2025-11-04"`), badTime},
		{"time with a space", envelope("created", `"2025-11-04 12:34:56Z"`), badTime},
		{"time with one digit", envelope("created", `"2025-11-04T1:34:56Z"`), badTime},
		{"time with a comma", envelope("created", `"2025-11-04T12:34:56,5Z"`), badTime},
		{"no such day", envelope("created", `"2025-02-30T12:34:56Z"`), badTime},
		{"no such zone", envelope("created", `"2025-11-04T12:34:56+25:00"`), badTime},
		{"before 1970", envelope("created", `"0001-01-01T00:00:00Z"`), badTime},
		{"before 1970 in UTC", envelope("created", `"1970-01-01T00:00:00+01:00"`), badTime},
		{"after 9999 in UTC", envelope("created", `"9999-12-31T23:59:59-01:00"`), badTime},
		{"id twice", strings.Replace(envelope(), "{", `{"id":"evt_1",`, 1), "id appears twice"},
		{"id twice, escaped", strings.Replace(envelope(), "{", `{"\u0069d":"evt_2",`, 1), "id appears twice"},
		{"twice below", envelope("data", `{"a":[{"b":1,"b":1}]}`), "data.a[0].b appears twice"},
		{"unknown member twice", strings.Replace(envelope(), "{", `{"x":1,"x":2,`, 1), "x appears twice"},
		{"trailing letter", envelope() + "x", "JSON is followed by more data"},
		{"two events", envelope() + envelope(), "JSON is followed by more data"},
		{"cut off", strings.TrimSuffix(envelope(), "}"), "JSON ends too early"},
		{"byte order mark", "\xef\xbb\xbf" + envelope(), "JSON starts with a byte order mark"},
		{"UTF-16", "{\x00\"\x00i\x00d\x00", "JSON is malformed at byte 1"},
		{"invalid UTF-8", envelope("data", "\"\xff\""), "JSON is not valid UTF-8"},
		{"half a surrogate pair", envelope("data", `["\ud800"]`), "data[0] holds half of a surrogate pair"},
		{"number out of range", envelope("data", `1e999`), "data is a number out of range"},
		{"too deep", envelope("data", strings.Repeat("[", 1000)+strings.Repeat("]", 1000)), "is nested more than 1000 levels deep"},
		{"very deep", strings.Repeat("[", 10_001), "is nested more than 1000 levels deep"},
		{"form", "payload=%7B%7D", "is malformed at byte 0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, err := event.Parse([]byte(tt.body))
			require.ErrorIs(t, err, event.ErrMalformed)
			require.ErrorContains(t, err, tt.want)
			require.Zero(t, e)

			e = event.Event{ID: "kept"}
			require.Error(t, json.Unmarshal([]byte(tt.body), &e))
			require.Equal(t, event.Event{ID: "kept"}, e)
		})
	}
}

// FuzzParse checks that what Parse takes can be written and read again, and is
// what encoding/json sees in the same body.
func FuzzParse(f *testing.F) {
	for entry := range event.DefaultCatalog().All() {
		f.Add([]byte(entry.Example))
	}
	for _, seed := range []string{
		envelope("data", `"<&>\u2028\ud83d\ude00"`), envelope("created", `"2025-11-04T14:34:56.999+02:00"`), envelope("id", `"\u0065é"`),
		envelope("created", `"1969-12-31T23:59:59Z"`), strings.Replace(envelope(), "{", `{"ID":1,`, 1), strings.Replace(envelope(), "{", `{"x":[{}],`, 1),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := event.Parse(body)
		if err != nil {
			require.True(t, errors.Is(err, event.ErrMalformed))
			require.Zero(t, e)
			return
		}
		var plain struct {
			ID      string          `json:"id"`
			Type    string          `json:"type"`
			Created time.Time       `json:"created"`
			Data    json.RawMessage `json:"data"`
		}
		require.NoError(t, json.Unmarshal(body, &plain))
		require.Equal(t, plain.ID, e.ID)
		require.Equal(t, plain.Type, string(e.Type))
		require.True(t, plain.Created.Equal(e.Created))
		require.Equal(t, plain.Data, e.Data)

		written, err := e.MarshalJSON()
		require.NoError(t, err)
		again, err := event.Parse(written)
		require.NoError(t, err)
		var data bytes.Buffer
		require.NoError(t, json.Compact(&data, plain.Data))
		e.Created, e.Data = e.Created.Truncate(time.Second), json.RawMessage(data.Bytes())
		require.Equal(t, e, again)

		value, err := event.Data[any](e)
		require.NoError(t, err)
		_ = value
	})
}

func TestParseStandard(t *testing.T) {
	t.Parallel()
	sent := time.Date(2025, 11, 4, 13, 0, 0, 0, time.FixedZone("", 3600))
	occurred := time.Date(2022, 11, 3, 20, 26, 10, 344522000, time.UTC)
	raw := func(text string) json.RawMessage { return json.RawMessage(text) }
	own := event.Event{ID: "evt_1", Type: "a.b", Created: time.Date(2025, 11, 4, 12, 34, 56, 0, time.UTC), Data: raw(`{"a":1}`)}
	for _, tt := range []struct {
		name, body string
		want       event.Event
	}{
		{"one of ours", envelope(), own},
		{
			"as the standard shows it", `{"type":"example.event","timestamp":"2022-11-03T20:26:10.344522Z","data":{"foo":"bar"}}`,
			event.Event{ID: "msg_1", Type: "example.event", Created: occurred, Data: raw(`{"foo":"bar"}`)},
		},
		{"without a time", `{"type":"Contact-Created","data":1}`, event.Event{ID: "msg_1", Type: "Contact-Created", Created: sent.UTC(), Data: raw("1")}},
		{
			"a time as a number", `{"type":"x","timestamp":1667507170,"data":null}`,
			event.Event{ID: "msg_1", Type: "x", Created: sent.UTC(), Data: raw("null")},
		},
		{
			"data at the top, with an id of its own", `{"type":"contact.updated","id":"contact_1","name":"é"}`,
			event.Event{ID: "msg_1", Type: "contact.updated", Created: sent.UTC(), Data: raw(`{"type":"contact.updated","id":"contact_1","name":"é"}`)},
		},
		{"a type of another alphabet", `{"type":"événement: créé","data":{}}`, event.Event{ID: "msg_1", Type: "événement: créé", Created: sent.UTC(), Data: raw("{}")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			body := []byte(tt.body)
			got, err := event.ParseStandard(body, "msg_1", sent)
			require.NoError(t, err)
			clear(body)
			require.Equal(t, tt.want, got, "nothing of the body is kept")
		})
	}
	for _, tt := range []struct{ name, body, id, want string }{
		{"no type", `{"data":{}}`, "msg_1", "type is missing"},
		{"type a number", `{"type":1}`, "msg_1", "type is missing, or not a string"},
		{"type with a line feed", `{"type":"a\n"}`, "msg_1", "without control characters"},
		{"a member twice", `{"type":"a","type":"a"}`, "msg_1", "event: malformed"},
		{"not JSON", `type=a`, "msg_1", "event: malformed"},
		{"a list", `[]`, "msg_1", "JSON must be an object"},
		{"no id", `{"type":"a"}`, "", "webhook-id"},
		{"a long id", `{"type":"a"}`, strings.Repeat("a", 256), "webhook-id"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := event.ParseStandard([]byte(tt.body), tt.id, sent)
			require.ErrorIs(t, err, event.ErrMalformed)
			require.ErrorContains(t, err, tt.want)
		})
	}
}
