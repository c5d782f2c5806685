package api_test

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
)

// fullBodies have every member that a route knows. One that is not listed knows
// none.
var fullBodies = map[string]string{
	"POST /webhooks":                           `{"url":"https://example.com/","events":["document.created"],"payloadEncoding":"ascii"}`,
	"POST /webhooks/":                          `{"url":"https://example.com/","events":["document.created"],"payloadEncoding":"ascii"}`,
	"PUT /webhooks/{webhookId}":                `{"url":"https://example.com/","events":["document.created"],"payloadEncoding":"ascii","status":"disabled"}`,
	"POST /webhooks/{webhookId}/replay":        `{"since":"2025-11-04T12:00:00Z","until":"2025-11-05T12:00:00Z","status":"failed"}`,
	"POST /webhooks/{webhookId}/secret/rotate": `{"graceSeconds":60}`,
	"POST /events":                             `{"type":"document.created","data":{"documentId":"doc_1"},"id":"evt_1"}`,
}

// with adds a member to an object.
func with(object, member string) string {
	if object == "{}" {
		return "{" + member + "}"
	}
	return strings.TrimSuffix(object, "}") + "," + member + "}"
}

// notStrict are texts that some parser takes for the object, or for one with an
// additional member that counts.
func notStrict(t *testing.T, object string) map[string]string {
	t.Helper()
	var members map[string]json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(object), &members))
	utf16Text := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(object)) {
		utf16Text = binary.LittleEndian.AppendUint16(utf16Text, unit)
	}
	out := map[string]string{
		"nothing but space":  " ",
		"cut":                object[:len(object)-1],
		"more behind":        object + " x",
		"another behind":     object + object,
		"a bracket behind":   object + "]",
		"a comma behind":     object + ",",
		"NUL behind":         object + "\x00",
		"comma at the end":   strings.TrimSuffix(object, "}") + ",}",
		"a comment":          "/* */" + object,
		"a comment inside":   "{//\n" + object[1:],
		"single quotes":      strings.ReplaceAll(with(object, `"x":"y"`), `"`, "'"),
		"a bare name":        with(object, `x:1`),
		"byte order mark":    "\ufeff" + object,
		"UTF-16":             string(utf16Text),
		"no UTF-8":           with(object, `"x":"`+"\xff"+`"`),
		"no UTF-8 in a name": with(object, `"`+"\xc0\x80"+`":1`),
		"half a surrogate":   with(object, `"x":"\ud800"`),
		"turned surrogates":  with(object, `"x":"\udc00\ud800"`),
		"unknown escape":     with(object, `"x":"\x41"`),
		"control character":  with(object, `"x":"`+"\n"+`"`),
		"null":               "null",
		"an array":           "[]",
		"in an array":        "[" + object + "]",
		"a string":           `"x"`,
		"a string of it":     fmt.Sprintf("%q", object),
		"a number":           "1",
		"true":               "true",
		"deep":               with(object, `"x":`+strings.Repeat("[", 200)+strings.Repeat("]", 200)),
		"deep and open":      strings.Repeat("[", 10_001),
		"deep objects":       strings.Repeat(`{"x":`, 10_001),
		"an empty name":      with(object, `"":1`),
	}
	for _, number := range []string{"0x10", "NaN", "Infinity", "-", "1.", ".5", "01", "+1", "1e", "1e999", "1_000", "1a"} {
		out["the number "+number] = with(object, `"x":`+number)
	}
	// What is the server's to set, and what some languages give a meaning.
	for _, name := range []string{
		"webhookId", "merchantId", "secret", "createdAt", "updatedAt", "disabledReason", "consecutiveFailures", "stats", "version",
		"Secret", "ID", "deliveries", "attempts", "limit", "wait", "__proto__", "constructor", "prototype", "$set", "url ", "\\u0000", "url\\u0000",
		"status", "id", "graceSeconds", "since", "type", "data", "url", "events", "payloadEncoding",
	} {
		if members[name] == nil {
			out["the member "+name] = with(object, `"`+name+`":1`)
			out["the member "+name+" alone"] = `{"` + name + `":null}`
		}
	}
	// Of what may have any members, each is read as strictly.
	if members["data"] != nil {
		for _, inside := range []string{
			`"a":"\ud800"`, `"a":"` + "\xff" + `"`, `"a":"\x41"`, `"` + "\xff" + `":1`, `"\udc00":1`, `"a":1,"a":1`, `"a":1,"\u0061":1`, `"a":{"b":1,"b":2}`,
			`"a":1e999`, `"a":01`, `"a":NaN`, `"a":.5`, `"a":[1,]`, `"a":1,`, `a:1`, `"a":'b'`, `"a":/**/1`, `"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100),
		} {
			out["the data "+inside] = strings.Replace(object, string(members["data"]), "{"+inside+"}", 1)
		}
	}
	for name, value := range members {
		again := `"` + name + `":` + string(value)
		out[name+" twice"] = with(object, again)
		out[name+" twice, escaped"] = with(object, fmt.Sprintf(`"\u%04x%s":%s`, name[0], name[1:], value))
		out[name+" in capitals"] = with(object, strings.ToUpper(again[:len(name)+2])+again[len(name)+2:])
		out[name+" with a capital too"] = with(object, `"`+strings.ToUpper(name[:1])+name[1:]+`":`+string(value))
		for _, wrong := range []string{"null", "true", "[null]", `{"$ne":null}`, "-1.5", `[[]]`} {
			changed := maps.Clone(members)
			changed[name] = json.RawMessage(wrong)
			text, err := json.Marshal(changed)
			require.NoError(t, err)
			if name != "data" || wrong[0] != '{' {
				out[name+" as "+wrong] = string(text)
			}
		}
	}
	return out
}

// Each route reads its body as strictly as the others, and does nothing with one
// that it does not take whole.
func TestEveryBodyIsReadStrictly(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, allRoutes(t))
	id := s.hook(harness.Merchant)
	ids := s.records(harness.Merchant, id)
	_, err := s.svc.StopReplay(t.Context(), harness.Merchant, id, ids.replay) // So that another one can begin.
	require.NoError(t, err)
	known := slices.Collect(maps.Keys(fullBodies))
	for _, o := range s.operations() {
		if !o.sends() {
			continue
		}
		known = slices.DeleteFunc(known, func(k string) bool { return k == o.String() })
		object := fullBodies[o.String()]
		if object == "" {
			object = "{}"
		}
		path := o.at(harness.Merchant, id, ids.of(o))
		before := harness.Dump(s.store)
		for name, text := range notStrict(t, object) {
			a := s.do(o.method, path, text)
			require.NotEmpty(t, a.faults(), "%s with %s", o, name)
		}
		for _, mediaType := range []string{"text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16", "multipart/form-data; boundary=x"} {
			s.do(o.method, path, object, "Content-Type", mediaType).is(http.StatusUnsupportedMediaType)
		}
		s.do(o.method, path, object, "Content-Encoding", "gzip").is(http.StatusUnsupportedMediaType)
		require.True(t, before == harness.Dump(s.store), "%s has changed something", o)
		require.Equal(t, 2, s.do(o.method, path, " \r\n\t"+object+"\n").status/100, "%s takes the object itself", o)
	}
	require.Empty(t, known, "no route knows these")
}
