package inbox

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook/event"
)

func TestMessagesComeBackAsTheyWere(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	for _, tt := range []struct {
		name, body, data, contentType string
		id, storedID                  string
		kind, storedType              string
	}{
		{"data within", `{"a": {"b":1.0}, "type":"x"}`, `{"b":1.0}`, "application/json", "evt_1", "evt_1", "x", "x"},
		{"all of the body", `{"a":"<é & \u00e9>"}`, `{"a":"<é & \u00e9>"}`, "application/json", "evt_1", "evt_1", "x", "x"},
		{"spaces around", " {\"a\":1}\n", `{"a":1}`, "application/json", "evt_1", "evt_1", "x", "x"},
		{"a form", "a=1&b=%20", `{"a":"1","b":" "}`, "application/x-www-form-urlencoded", "SM 1", "evt_7d0cac4b0a4ea1f9bd5b28a2e0b0d5fb", "message", "message"},
		{"no text", "\xff\xfe", `"/+8="`, "application/octet-stream", "evt_1", "evt_1", "x", "x"},
		{"JSON that is no UTF-8", "\"\xff\"", `1`, "application/json", "evt_1", "evt_1", "x", "x"},
		{"nothing", "", `null`, "", "evt_1", "evt_1", "x", "x"},
		{"a long type", "1", "1", "application/json", "evt_1", "evt_1", strings.Repeat("é", 60), strings.Repeat("é", 50)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := verifier.Message{
				Event: event.Event{
					ID: tt.id, Type: event.Type(tt.kind), Created: at, Data: json.RawMessage(tt.data), Body: []byte(tt.body), ContentType: tt.contentType,
				},
				Header: http.Header{"X-A": {"1", "2"}}, Body: []byte(tt.body), Key: 2,
			}
			row, err := pack(in)
			require.NoError(t, err)
			require.True(t, json.Valid(row.Body), "%s", row.Body)
			require.Equal(t, tt.storedType, row.Type)
			if tt.storedID == tt.id {
				require.Equal(t, tt.id, row.ID)
			} else {
				require.Regexp(t, `^evt_[0-9a-f]{32}$`, row.ID)
			}
			out, err := unpack(row.Body)
			require.NoError(t, err)
			if len(tt.body) == 0 {
				out.Body, out.Event.Body = []byte{}, []byte{}
			}
			require.Equal(t, in, out)
		})
	}
}

func TestDamagedMessages(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "x", `{"id":1}`, `{"dataAt":[0,9],"body":1}`, `{"dataAt":[1,0],"body":1}`, `{"dataAt":[-1,0],"body":1}`} {
		_, err := unpack([]byte(text))
		require.ErrorIs(t, err, errDamaged, text)
	}
}

// FuzzMessages holds what is stored to what came.
func FuzzMessages(f *testing.F) {
	f.Add([]byte(`{"a":1}`), "evt_1", "a.b", "v")
	f.Add([]byte("\xff"), "é", "", "")
	f.Add([]byte(" 1 "), "a/b", "Contact-Created", "\x00")
	f.Fuzz(func(t *testing.T, body []byte, id, kind, value string) {
		in := verifier.Message{
			Event:  event.Event{ID: id, Type: event.Type(kind), Data: json.RawMessage(`{}`), Body: body},
			Header: http.Header{"X": {value}}, Body: body,
		}
		row, err := pack(in)
		require.NoError(t, err)
		out, err := unpack(row.Body)
		require.NoError(t, err)
		require.True(t, bytes.Equal(body, out.Body))
		if utf8.ValidString(id) { // As every Checker of this module sees to.
			require.Equal(t, id, out.Event.ID)
		}
	})
}
