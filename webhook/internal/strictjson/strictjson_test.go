package strictjson_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/internal/strictjson"
)

func Example() {
	body := []byte(`{"url":"https:\/\/example.com\/hook","events":["a","b"]}`)
	fields, err := strictjson.Object(body, strictjson.Limits{Size: 64 << 10, Depth: 16})
	url, ok := strictjson.String(fields.Get("url"))
	fmt.Println(url, ok, err)
	fmt.Println(string(fields.Get("events")), fields.Get("URL") == nil)

	_, err = strictjson.Object([]byte(`{"events":[{"a":1,"b":2,"a":3}]}`), strictjson.Limits{})
	fmt.Println(err)
	// Output:
	// https://example.com/hook true <nil>
	// ["a","b"] true
	// events[0].a appears twice
}

func TestMember(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, want string }{
		{"key", "data.key"},
		{"X-Name_$1", "data.X-Name_$1"},
		{"", `data[""]`},
		{"a b", `data["a b"]`},
		{"a.b", `data["a.b"]`},
		{"é\n", `data["\u00e9\n"]`},
		{"\xff", `data["\xff"]`},
		{strings.Repeat("x", 65), `data["` + strings.Repeat("x", 64) + `"…]`},
	} {
		require.Equal(t, tt.want, strictjson.Member("data", tt.name))
	}
	_, err := strictjson.Object([]byte(`{"data":{"a b":1,"a b":2}}`), strictjson.Limits{})
	wrong, _ := errors.AsType[*strictjson.Error](err)
	require.Equal(t, strictjson.Member("data", "a b"), wrong.Field, "it is what an Error says")
}

func TestObject(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       []string // Names and values.
	}{
		{"empty", "{}", nil},
		{"space", " \t\r\n{ \"a\" :\t1 , \"b\" : [ 1 ,2 ] }\n", []string{"a", "1", "b", "[ 1 ,2 ]"}},
		{
			"all kinds", `{"a":null,"b":true,"c":false,"d":-1.5e+3,"e":"x","f":[],"g":{}}`,
			[]string{"a", "null", "b", "true", "c", "false", "d", "-1.5e+3", "e", `"x"`, "f", "[]", "g", "{}"},
		},
		{"case matters", `{"a":1,"A":2}`, []string{"a", "1", "A", "2"}},
		{"escaped name", `{"\u0061\n\"\\\/":1}`, []string{"a\n\"\\/", "1"}},
		{"name beyond U+FFFF", `{"\ud83d\ude00":1}`, []string{"😀", "1"}},
		{"empty name", `{"":1}`, []string{"", "1"}},
		{"same name on other levels", `{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}`, []string{"a", `{"a":{"a":1}}`, "b", `[{"a":1},{"a":1}]`}},
		{"name of a level that is closed", `{"a":{"b":1},"b":2}`, []string{"a", `{"b":1}`, "b", "2"}},
		{"name that only looks the same", "{\"\u00e9\":1,\"e\u0301\":2}", []string{"\u00e9", "1", "e\u0301", "2"}},
		{"prototype", `{"__proto__":{}}`, []string{"__proto__", "{}"}},
		{"braces in strings", `{"a":"}]{[,:\""}`, []string{"a", `"}]{[,:\""`}},
		{"zeros", `{"a":0,"b":-0,"c":0.0e0}`, []string{"a", "0", "b", "-0", "c", "0.0e0"}},
		{"too small for a double", `{"a":1e-999}`, []string{"a", "1e-999"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			fields, err := strictjson.Object([]byte(tt.text), strictjson.Limits{})
			require.NoError(t, err)
			var got []string
			for _, f := range fields {
				got = append(got, string(f.Name), string(f.Value))
				require.Equal(t, string(f.Value), string(fields.Get(string(f.Name))))
			}
			require.Equal(t, tt.want, got)
			require.Nil(t, fields.Get("absent"))
			require.NoError(t, strictjson.Value([]byte(tt.text), strictjson.Limits{}))
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	const half = "holds half of a surrogate pair"
	for _, tt := range []struct{ name, text, field, reason string }{
		{"nothing", "", "", "is empty"},
		{"space", " \n", "", "is empty"},
		{"array", "[]", "", "must be an object"},
		{"string", `"a"`, "", "must be an object"},
		{"null", "null", "", "must be an object"},
		{"number", "12", "", "must be an object"},
		{"array that is none", "[1", "", "ends too early"},
		{"array of members", `[{"a":1},{"b":2}]`, "", "must be an object"},

		{"letters after", "{} x", "", "is followed by more data"},
		{"object after", "{}{}", "", "is followed by more data"},
		{"comma after", "{},", "", "is followed by more data"},
		{"NUL after", "{}\x00", "", "is followed by more data"},
		{"brace after", "{}}", "", "is followed by more data"},

		{"cut off", `{"a":`, "", "ends too early"},
		{"cut off in a string", `{"a":"b`, "", "ends too early"},
		{"cut off in an escape", `{"a":"\`, "", "is malformed at byte 6"},
		{"cut off in a word", `{"a":tru`, "", "is malformed at byte 5"},
		{"cut off in a number", `{"a":-`, "", "ends too early"},
		{"cut off after a comma", `{"a":1,`, "", "ends too early"},
		{"trailing comma", `{"a":1,}`, "", "is malformed at byte 7"},
		{"trailing comma in an array", `{"a":[1,]}`, "", "is malformed at byte 8"},
		{"leading comma", `{,"a":1}`, "", "is malformed at byte 1"},
		{"no comma", `{"a":1 "b":2}`, "", "is malformed at byte 7"},
		{"no colon", `{"a" 1}`, "", "is malformed at byte 5"},
		{"no value", `{"a":}`, "", "is malformed at byte 5"},
		{"no quotes", `{a:1}`, "", "is malformed at byte 1"},
		{"single quotes", `{'a':1}`, "", "is malformed at byte 1"},
		{"name that is a number", `{1:1}`, "", "is malformed at byte 1"},
		{"comment", "{/**/}", "", "is malformed at byte 1"},
		{"closed by the other bracket", `{"a":[}`, "", "is malformed at byte 6"},
		{"object closed by ]", `{"a":1]`, "", "is malformed at byte 6"},
		{"array closed by }", `{"a":[1}}`, "", "is malformed at byte 7"},
		{"hex", `{"a":0x10}`, "", "is malformed at byte 6"},
		{"NaN", `{"a":NaN}`, "", "is malformed at byte 5"},
		{"plus", `{"a":+1}`, "", "is malformed at byte 5"},
		{"leading zero", `{"a":01}`, "", "is malformed at byte 6"},
		{"negative leading zero", `{"a":-01}`, "", "is malformed at byte 7"},
		{"no digit after the point", `{"a":1.}`, "", "is malformed at byte 7"},
		{"no digit before the point", `{"a":.5}`, "", "is malformed at byte 5"},
		{"no exponent", `{"a":1e+}`, "", "is malformed at byte 8"},
		{"upper case", `{"a":TRUE}`, "", "is malformed at byte 5"},
		{"longer word", `{"a":nullx}`, "", "is malformed at byte 9"},
		{"vertical tab", "{\v}", "", "is malformed at byte 1"},
		{"no-break space", "{\u00a0}", "", "is malformed at byte 1"},
		{"control in a string", "{\"a\":\"\n\"}", "", "is malformed at byte 6"},
		{"unknown escape", `{"a":"\x41"}`, "", "is malformed at byte 6"},
		{"short escape", `{"a":"\u12"}`, "", "is malformed at byte 6"},
		{"no hex", `{"a":"\u12g4"}`, "", "is malformed at byte 6"},

		{"byte order mark", "\xef\xbb\xbf{}", "", "starts with a byte order mark"},
		{"UTF-16", "{\x00}\x00", "", "is malformed at byte 1"},
		{"invalid UTF-8", "{\"a\":\"\xff\"}", "", "is not valid UTF-8"},
		{"invalid UTF-8 outside of strings", "{}\x80", "", "is not valid UTF-8"},
		{"overlong UTF-8", "{\"a\":\"\xc0\xaf\"}", "", "is not valid UTF-8"},
		{"surrogate in UTF-8", "{\"a\":\"\xed\xa0\x80\"}", "", "is not valid UTF-8"},
		{"high surrogate", `{"a":"\ud800"}`, "a", half},
		{"high surrogate before text", `{"a":"\ud800abcdef"}`, "a", half},
		{"high surrogate before an escape", `{"a":"\ud800\n12345"}`, "a", half},
		{"two high surrogates", `{"a":"\ud800\ud800"}`, "a", half},
		{"low surrogate", `{"a":[0,"\udc00"]}`, "a[1]", half},
		{"surrogate in a name", `{"a":{"\udfff":1}}`, "a", half},

		{"name twice", `{"a":1,"b":2,"a":3}`, "a", "appears twice"},
		{"name twice, escaped", `{"a":1,"\u0061":3}`, "a", "appears twice"},
		{"name twice below", `{"a":{"b":[0,{"c":1,"c":1}]}}`, "a.b[1].c", "appears twice"},
		{"name twice in an array of objects", `{"a":[{"b":1},{"b":1,"b":2}]}`, "a[1].b", "appears twice"},
		{"empty name twice", `{"a":{"":1,"":1}}`, `a[""]`, "appears twice"},
		{"odd name twice", `{"a b\u0000é":1,"a b\u0000é":1}`, `["a b\x00\u00e9"]`, "appears twice"},
		{"long name twice", fmt.Sprintf(`{"%[1]s":1,"%[1]s":1}`, strings.Repeat("x", 1000)), `["` + strings.Repeat("x", 64) + `"…]`, "appears twice"},
		{"after an object with many names", `{"a":{` + members(50) + `},"a":1}`, "a", "appears twice"},
		{"one of many names", `{` + members(50) + `,"n7":1}`, "n7", "appears twice"},
		{"the 17th name", `{` + members(16) + `,"n15":1}`, "n15", "appears twice"},
		{"the 18th name", `{` + members(17) + `,"n16":1}`, "n16", "appears twice"},

		{"number out of range", `{"a":{"b":1e999}}`, "a.b", "is a number out of range"},
		{"number out of range without exponent", `{"a":` + strings.Repeat("9", 310) + `}`, "a", "is a number out of range"},
		{"as deep as may be, and not closed", strings.Repeat(`{"a":`, 100), "", "ends too early"},
		{"too deep", strings.Repeat(`{"a":`, 101), "a" + strings.Repeat(".a", 99), "is nested more than 100 levels deep"},
		{"very deep", `{"a":` + strings.Repeat("[", 1_000_000), "a" + strings.Repeat("[0]", 67) + "…", "is nested more than 100 levels deep"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := strictjson.Object([]byte(tt.text), strictjson.Limits{})
			var refused *strictjson.Error
			require.ErrorAs(t, err, &refused)
			require.Equal(t, tt.reason, refused.Reason)
			require.Equal(t, tt.field, refused.Field)
			err = strictjson.Value([]byte(tt.text), strictjson.Limits{})
			if tt.reason == "must be an object" {
				require.NoError(t, err)
			} else {
				require.Equal(t, refused, err)
			}
		})
	}
}

func members(n int) string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf(`"n%d":%d`, i, i))
	}
	return strings.Join(out, ",")
}

func TestLimits(t *testing.T) {
	t.Parallel()
	text := []byte(`{"a":[[]]}`)
	require.NoError(t, strictjson.Value(text, strictjson.Limits{Size: len(text), Depth: 3}))
	require.EqualError(t, strictjson.Value(text, strictjson.Limits{Size: len(text) - 1}), "JSON is larger than 9 bytes")
	require.EqualError(t, strictjson.Value(text, strictjson.Limits{Depth: 2}), "a[0] is nested more than 2 levels deep")
	require.NoError(t, strictjson.Value([]byte("1"), strictjson.Limits{Depth: 1}))
}

func TestStrings(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		value  string
		all    []string
		others []int
		ok     bool
	}{
		{`["a","\u0062","",[1,"c"]]`, []string{"a", "b", "", ""}, []int{3}, true},
		{`[ "a" , null,1, {"d":[]} ]`, []string{"a", "", "", ""}, []int{1, 2, 3}, true},
		{`[]`, []string{}, nil, true},
		{`"a"`, nil, nil, false},
		{`{"0":"a"}`, nil, nil, false},
		{`null`, nil, nil, false},
		{``, nil, nil, false},
	} {
		all, others, ok := strictjson.Strings([]byte(tt.value))
		require.Equal(t, tt.ok, ok, tt.value)
		require.Equal(t, tt.all, all, tt.value)
		require.Equal(t, tt.others, others, tt.value)
	}
}

func TestString(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		`""`: "", `"a"`: "a", `"\"\\\/\b\f\n\r\t"`: "\"\\/\b\f\n\r\t", `"x\u00e9\ud83d\ude00y\u0000z"`: "xé😀y\x00z", `"é"`: "é",
	} {
		got, ok := strictjson.String([]byte(value))
		require.True(t, ok, value)
		require.Equal(t, want, got, value)
	}
	for _, value := range []string{"", "1", "null", "[]", `{"a":"b"}`} {
		_, ok := strictjson.String([]byte(value))
		require.False(t, ok, value)
	}
}

// TestHostileTextTakesLinearTime reads texts that are slow to check by comparing
// each name with all others, by recursion, or by looking for an end again and
// again. The yardstick is a checker without memory on the same text.
func TestHostileTextTakesLinearTime(t *testing.T) {
	t.Parallel()
	const n = 50_000
	for name, text := range map[string]string{
		"names":        "{" + members(n) + "}",
		"small maps":   "[" + strings.Repeat("{"+members(20)+"},", n/20) + "0]",
		"escapes":      `"` + strings.Repeat(`\u00e9`, n) + `"`,
		"escaped name": `{"` + strings.Repeat(`\n`, n) + `":1}`,
		"digits":       "[" + strings.Repeat("1", 200) + strings.Repeat(",0.1e-5", n) + "]",
		"flat":         "[" + strings.Repeat("[],", n) + "0]",
		"deep":         strings.Repeat("[", 9_999) + strings.Repeat("]", 9_999),
	} {
		start := time.Now()
		require.True(t, json.Valid([]byte(text)), name)
		yardstick := time.Since(start)
		start = time.Now()
		require.NoError(t, strictjson.Value([]byte(text), strictjson.Limits{Depth: 10_000}), name)
		took := time.Since(start)
		require.Less(t, took, 100*yardstick+time.Second/2, name)
	}
}

// FuzzObject compares with encoding/json and with jsontext, which is as strict.
func FuzzObject(f *testing.F) {
	for _, seed := range []string{
		`{"a":1,"b":[true,null,{"c":"\u00e9\ud83d\ude00"}]}`, `{"a":1,"a":2}`, `{"a":"\ud800"}`, `{"a":1e999}`, `{"a":01}`,
		"\xef\xbb\xbf{}", "{\"\xff\":1}", `{"a":1}x`, ` {"\u0061":"\/","A":-0.5E-7} `, `[1,2]`, `{"a":[{}],}`, `{` + members(20) + `}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		before := bytes.Clone(text)
		fields, err := strictjson.Object(text, strictjson.Limits{})
		require.Equal(t, before, text, "the text is the caller's")

		valueErr := strictjson.Value(text, strictjson.Limits{Depth: 10_000})
		var refused *strictjson.Error
		beyond := errors.As(valueErr, &refused) && refused.Reason == "is a number out of range"
		if !beyond {
			require.Equal(t, jsontext.Value(text).IsValid(), valueErr == nil, "%v", valueErr)
		}
		if err != nil {
			require.True(t, errors.As(err, &refused))
			require.LessOrEqual(t, len(refused.Field), 1000)
			return
		}
		require.NoError(t, valueErr)
		var want map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(text, &want))
		require.Len(t, fields, len(want))
		for _, f := range fields {
			require.Equal(t, string(want[string(f.Name)]), string(f.Value))
			got, isString := strictjson.String(f.Value)
			var s *string
			require.Equal(t, json.Unmarshal(f.Value, &s) == nil && s != nil, isString)
			if isString {
				require.Equal(t, *s, got)
			}
		}
		var whole any
		require.NoError(t, json.Unmarshal(text, &whole), "every value is within range")
	})
}
