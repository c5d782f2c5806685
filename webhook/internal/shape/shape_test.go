package shape_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/internal/jcs"
	"github.com/rag-assistant/webhooks/webhook/internal/shape"
	"github.com/rag-assistant/webhooks/webhook/internal/vault"
)

const canonical = `{"created":"2025-11-04T12:34:56Z","data":{"a":"é"},"id":"evt_1","type":"a.b"}`

// always is a shape that makes one thing of every event.
func always(s event.Shaped) event.Shape {
	return func(event.Event) (event.Shaped, error) { return s, nil }
}

// own are the headers that no shape may set.
var own = vault.NewReserved(signer.Wire{})

func TestMake(t *testing.T) {
	t.Parallel()
	plain, err := shape.Make(nil, own, []byte(canonical))
	require.NoError(t, err)
	require.Equal(t, event.Shaped{Body: []byte(canonical), ContentType: shape.JSON}, plain)

	var got event.Event
	s, err := shape.Make(func(e event.Event) (event.Shaped, error) {
		got = e
		return event.Shaped{Body: []byte(" 1\n")}, nil
	}, own, []byte(canonical))
	require.NoError(t, err)
	require.Equal(t, event.Shaped{Body: []byte(" 1\n"), ContentType: shape.JSON}, s)
	require.Equal(t, json.RawMessage(`{"a":"é"}`), got.Data)
	require.Equal(t, []string{"evt_1", "a.b", "2025-11-04T12:34:56Z"}, []string{got.ID, string(got.Type), got.Created.Format("2006-01-02T15:04:05Z07:00")})

	_, err = shape.Make(func(event.Event) (event.Shaped, error) { return event.Shaped{}, errors.New("no") }, own, []byte(canonical))
	require.EqualError(t, err, "no")
}

func TestMakeRefuses(t *testing.T) {
	t.Parallel()
	headers := func(pairs ...string) map[string]string {
		out := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			out[pairs[i]] = pairs[i+1]
		}
		return out
	}
	many := map[string]string{}
	for i := range 17 {
		many["ce-"+strings.Repeat("x", i+1)] = "1"
	}
	ok := []byte(`{}`)
	for _, tt := range []struct {
		name   string
		shaped event.Shaped
		want   string
	}{
		{"no body", event.Shaped{}, "the body is empty"},
		{"too much", event.Shaped{Body: []byte(strings.Repeat("1", jcs.MaxSize+1))}, "larger than 262144 bytes"},
		{"no UTF-8", event.Shaped{Body: []byte("\xff"), ContentType: "text/plain"}, "not valid UTF-8"},
		{"no JSON", event.Shaped{Body: []byte("a=1")}, "not JSON"},
		{"no JSON by a suffix", event.Shaped{Body: []byte("a=1"), ContentType: "application/x+json; a=b"}, "not JSON"},
		{"no media type", event.Shaped{Body: ok, ContentType: "json"}, "not a media type"},
		{"two lines", event.Shaped{Body: ok, ContentType: "text/plain;\n a=b"}, "not a media type"},
		{"many headers", event.Shaped{Body: ok, Header: many}, "more than 16 headers"},
		{"the sender's own", event.Shaped{Body: ok, Header: headers("Webhook-Id", "1")}, `header "Webhook-Id": this header is set by the sender`},
		{"of the body", event.Shaped{Body: ok, Header: headers("content_type", "1")}, "this header is set by the sender"},
		{"no name", event.Shaped{Body: ok, Header: headers("a b", "1")}, "the name must be"},
		{"two lines in one", event.Shaped{Body: ok, Header: headers("A", "1\nB: 2")}, "the value must be"},
		{"no value", event.Shaped{Body: ok, Header: headers("A", "")}, "the value must be"},
		{"twice", event.Shaped{Body: ok, Header: headers("ce-id", "1", "CE_Id", "2")}, "receivers cannot tell it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := shape.Make(always(tt.shaped), own, []byte(canonical))
			require.ErrorContains(t, err, tt.want)
		})
	}
}

func TestPack(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		shaped event.Shaped
		want   string
	}{
		{"as it always was", event.Shaped{Body: []byte(canonical)}, canonical},
		{"another media type", event.Shaped{Body: []byte("{}"), ContentType: "application/x+json"}, "Content-Type: application/x+json\nContent-Length: 2\n\n{}"},
		{"headers", event.Shaped{Body: []byte("{}"), Header: map[string]string{"B": "b: c", "A": "1 2"}}, "Content-Type: application/json\nContent-Length: 2\nA: 1 2\nB: b: c\n\n{}"},
		{"no object", event.Shaped{Body: []byte("\n\n[]")}, "Content-Type: application/json\nContent-Length: 4\n\n\n\n[]"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := shape.Make(always(tt.shaped), own, []byte(canonical))
			require.NoError(t, err)
			text := shape.Pack(s)
			require.Equal(t, tt.want, string(text))
			back, ok := shape.Unpack(text)
			require.True(t, ok)
			require.Equal(t, s, back)
			require.Equal(t, len(tt.shaped.Body), shape.Size(text))
		})
	}
}

// TestUnpackFindsDamage cuts a text at each of its bytes, at either end.
func TestUnpackFindsDamage(t *testing.T) {
	t.Parallel()
	text := shape.Pack(event.Shaped{Body: []byte("a=1&b=2"), ContentType: "text/plain", Header: map[string]string{"ce-id": "1"}})
	for i := range text {
		_, ok := shape.Unpack(text[:i])
		require.False(t, ok, "%q", text[:i])
		if i > 0 {
			_, ok = shape.Unpack(text[i:])
			require.False(t, ok, "%q", text[i:])
		}
	}
	for _, broken := range []string{
		"garbage", "{", "\n\n", "Content-Type: text/plain\n\n", "Content-Type: \nContent-Length: 0\n\n", "Content-Type: a\nContent-Length: 1\nA\n\n1",
		"Content-Type: a\nContent-Length: 1\na b: c\n\n1", "Content-Type: a\nContent-Length: 1\nA: \n\n1",
		"Content-Type: a\nContent-Length: 1\n" + strings.Repeat("A: 1\n", 17) + "\n1",
	} {
		_, ok := shape.Unpack([]byte(broken))
		require.False(t, ok, "%q", broken)
		require.Len(t, broken, shape.Size([]byte(broken)))
	}
}

func FuzzUnpack(f *testing.F) {
	f.Add([]byte(canonical))
	f.Add([]byte("Content-Type: text/plain\nContent-Length: 3\nA: 1\n\na=1"))
	f.Add([]byte("Content-Type: a\nContent-Length: 0\n\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, ok := shape.Unpack(text)
		if !ok {
			return
		}
		again, ok := shape.Unpack(shape.Pack(s))
		require.True(t, ok)
		require.Equal(t, s, again)
		require.Len(t, s.Body, shape.Size(text))
	})
}

func FuzzPack(f *testing.F) {
	f.Add("{}", "", "", "")
	f.Add("a=1", "text/plain; charset=utf-8", "ce-id", "a: b")
	f.Fuzz(func(t *testing.T, body, contentType, name, value string) {
		in := event.Shaped{Body: []byte(body), ContentType: contentType}
		if name != "" {
			in.Header = map[string]string{name: value}
		}
		s, err := shape.Make(always(in), own, []byte(canonical))
		if err != nil {
			return
		}
		text := shape.Pack(s)
		back, ok := shape.Unpack(text)
		require.True(t, ok)
		require.Equal(t, s, back)
		require.Equal(t, text[0] == '{', shape.JSON == s.ContentType && s.Header == nil && len(text) == len(body))
	})
}
