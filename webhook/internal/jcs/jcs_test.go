package jcs_test

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/internal/jcs"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	return text
}

func TestNumbersOfTheRFC(t *testing.T) {
	t.Parallel()
	rows := 0
	for line := range strings.Lines(string(read(t, "rfc8785-numbers.txt"))) {
		word, want, ok := strings.Cut(strings.TrimSpace(line), " ")
		if word == "#" {
			continue
		}
		require.True(t, ok, line)
		bits, err := strconv.ParseUint(word, 16, 64)
		require.NoError(t, err)
		f := math.Float64frombits(bits)
		for _, src := range []string{
			strconv.FormatFloat(f, 'e', 17, 64), // More digits than needed.
			strconv.FormatFloat(f, 'g', -1, 64),
			strconv.FormatFloat(f, 'f', -1, 64),
		} {
			got, err := jcs.Canonicalize([]byte(src))
			require.NoError(t, err, src)
			require.Equal(t, want, string(got), src)
		}
		rows++
	}
	require.Equal(t, 24, rows, "all finite numbers of the appendix")
}

func TestObjectsOfTheRFC(t *testing.T) {
	t.Parallel()
	got, err := jcs.Canonicalize(read(t, "rfc8785-3.2.2.json"))
	require.NoError(t, err)
	want, err := hex.DecodeString(strings.NewReplacer(" ", "", "\n", "").Replace(string(read(t, "rfc8785-3.2.4.hex"))))
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))

	got, err = jcs.Canonicalize(read(t, "rfc8785-3.2.3.json"))
	require.NoError(t, err)
	require.Equal(t, `{"\r":"Carriage Return","1":"One","`+"\u0080"+`":"Control","ö":"Latin Small Letter O With Diaeresis",`+
		`"€":"Euro Sign","😀":"Emoji: Grinning Face","`+"\ufb33"+`":"Hebrew Letter Dalet With Dagesh"}`, string(got))
}

func TestCanonicalize(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, src, want string }{
		{"sorted at every level", `{"b":[{"z":1,"a":{"y":2,"x":3}}],"a":0}`, `{"a":0,"b":[{"a":{"x":3,"y":2},"z":1}]}`},
		{"space", " [ 1 ,\t{ \"a\" : 2 }\r\n] ", `[1,{"a":2}]`},
		{"prefix first", `{"aa":1,"a":2,"":3}`, `{"":3,"a":2,"aa":1}`},
		{"digits are text", `{"10":1,"9":2}`, `{"10":1,"9":2}`},
		{"UTF-16 order", `{"` + "\uff5e" + `":1,"` + "\U0001f600" + `":2}`, `{"` + "\U0001f600" + `":2,"` + "\uff5e" + `":1}`},
		{"controls", `"\u0000\u0001\b\t\n\u000B\f\r\u001F"`, `"\u0000\u0001\b\t\n\u000b\f\r\u001f"`},
		{"raw beyond ASCII", `"\u007f\u0080\u00e9\u2028\u2029\ufffd\uffff\ud83d\ude00"`, "\"\u007f\u0080é\u2028\u2029\ufffd\uffff😀\""},
		{"no HTML escapes", `"\u003c\u003e\u0026\/"`, `"<>&/"`},
		{"minus zero", `-0`, `0`},
		{"minus zero point zero", `[-0.0,-0e9]`, `[0,0]`},
		{"trailing zeros", `[200.0,199.90,1E5,1e+2]`, `[200,199.9,100000,100]`},
		{"small", `[0.0001,0.000001,0.0000001]`, `[0.0001,0.000001,1e-7]`},
		{"too small for a double", `1e-400`, `0`},
		{"largest safe integers", `[9007199254740991,-9007199254740991]`, `[9007199254740991,-9007199254740991]`},
		{"an exact power of two", `[9223372036854775808,18446744073709551616]`, `[9223372036854776000,18446744073709552000]`},
		{"an integer in canonical form", `[9223372036854776000,100000000000000000000000]`, `[9223372036854776000,1e+23]`},
		{"a long fraction", `0.30000000000000004440892098500626`, `0.30000000000000004`},
		{"a string of digits", `"9007199254740993"`, `"9007199254740993"`},
		{"brackets in strings", `"` + strings.Repeat("[", 200) + `\"` + strings.Repeat("{", 200) + `"`, `"` + strings.Repeat("[", 200) + `\"` + strings.Repeat("{", 200) + `"`},
		{"as deep as it may be", nested(jcs.MaxDepth), nested(jcs.MaxDepth)},
		{"many, but not deep", "[" + strings.Repeat("{},[],", 200) + "0]", "[" + strings.Repeat("{},[],", 200) + "0]"},
		{"as large as it may be", `"` + strings.Repeat("a", jcs.MaxSize-2) + `"`, `"` + strings.Repeat("a", jcs.MaxSize-2) + `"`},
		{"larger, but for space", strings.Repeat(" ", jcs.MaxSize) + "1", "1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			src := []byte(tt.src)
			got, err := jcs.Canonicalize(src)
			require.NoError(t, err)
			require.Equal(t, tt.want, string(got))
			require.Equal(t, tt.src, string(src), "the source is the caller's")
			clear(src)
			require.Equal(t, tt.want, string(got), "the answer is the caller's too")
		})
	}
}

func nested(depth int) string {
	return strings.Repeat("[", depth) + strings.Repeat("]", depth)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	const (
		notJSON   = "is not valid JSON"
		surrogate = "holds half of a surrogate pair"
		tooLong   = "is an integer too long for a double; send it as a string"
		tooBig    = "is a number out of range"
		tooDeep   = "is nested more than 100 levels deep"
	)
	for _, tt := range []struct{ name, src, path, reason string }{
		{"nothing", "", "", notJSON},
		{"space only", " \n", "", notJSON},
		{"two values", "1 2", "", notJSON},
		{"trailing letter", "{}x", "", notJSON},
		{"trailing comma", `{"a":1,}`, "", notJSON},
		{"unquoted name", `{a:1}`, "", notJSON},
		{"comment", "{} // c", "", notJSON},
		{"NaN", "NaN", "", notJSON},
		{"Infinity", "-Infinity", "", notJSON},
		{"hex", "0x10", "", notJSON},
		{"leading zero", "01", "", notJSON},
		{"bare exponent", "1e", "", notJSON},
		{"long bare exponent", "1234567890123456e", "", notJSON},
		{"two numbers in one", "1-2+3e", "", notJSON},
		{"byte order mark", "\xef\xbb\xbf{}", "", notJSON},
		{"raw control", "\"\x01\"", "", notJSON},
		{"open string", `"a`, "", notJSON},
		{"open escape", `"a\`, "", notJSON},
		{"name twice", `{"a":1,"a":1}`, "/a", "appears twice"},
		{"name twice, escaped", `{"a":{"b":1,"\u0062":2}}`, "/a/b", "appears twice"},
		{"invalid UTF-8", "\"\xff\"", "", "is not valid UTF-8"},
		{"invalid UTF-8 in a name", "{\"\xc3\":1}", "", "is not valid UTF-8"},
		{"surrogate in UTF-8", "\"\xed\xa0\x80\"", "", "is not valid UTF-8"},
		{"high surrogate", `{"a":["\ud800"]}`, "/a/0", surrogate},
		{"low surrogate", `"\udc00"`, "", surrogate},
		{"surrogates in the wrong order", `"\ude00\ud83d"`, "", surrogate},
		{"surrogate in a name", `{"\ud800":1}`, "", surrogate},
		{"number out of range", `{"a":[0,1e999]}`, "/a/1", tooBig},
		{"negative number out of range", "-1e400", "", tooBig},
		{"number out of range without exponent", strings.Repeat("9", 400), "", tooBig},
		{"2^53 + 1", `{"id":9007199254740993}`, "/id", tooLong},
		{"-2^53 - 1", "-9007199254740993", "", tooLong},
		{"largest int64", fmt.Sprint(math.MaxInt64), "", tooLong},
		{"too deep", nested(jcs.MaxDepth + 1), strings.Repeat("/0", jcs.MaxDepth), tooDeep},
		{"very deep", strings.Repeat("[", 1_000_000), strings.Repeat("/0", jcs.MaxDepth), tooDeep},
		{"too large", `"` + strings.Repeat("a", jcs.MaxSize-1) + `"`, "", "is larger than 262144 bytes"},
		{"too large once written out", "[" + strings.Repeat("1e20,", jcs.MaxSize/20) + "1]", "", "is larger than 262144 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := jcs.Canonicalize([]byte(tt.src))
			require.Nil(t, got)
			var refused *jcs.Error
			require.ErrorAs(t, err, &refused)
			require.Equal(t, tt.reason, refused.Reason.String())
			require.Equal(t, tt.path, refused.Path)
			require.ErrorContains(t, err, tt.reason)
		})
	}
}

// FuzzCanonicalize checks that canonical form is one: a fixed point, of the same
// value, and in all encodings.
func FuzzCanonicalize(f *testing.F) {
	for _, seed := range []string{
		`{"b":1,"a":[1.50,"\u00e9\ud83d\ude00<&>` + "\u2028" + `"]}`, `-0`, `1e23`, `9007199254740993`, `{"a":1,"a":2}`,
		`"\ud800"`, "\"\xff\"", ` null `, `[[[]]]`, `123456789012345678901234567890`, `1e999`, `{"` + "\uff5e" + `":1,"😀":2}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		first, err := jcs.Canonicalize(src)
		if err != nil {
			return
		}
		second, err := jcs.Canonicalize(first)
		require.NoError(t, err)
		require.Equal(t, string(first), string(second))

		want := decode(t, src)
		require.Equal(t, want, decode(t, first))
		for _, e := range []jcs.Encoding{jcs.Standard, jcs.ASCII, jcs.HTML} {
			other := jcs.Encode(first, e)
			require.Equal(t, want, decode(t, other), e)
			require.Equal(t, string(other), string(jcs.AppendEncode(nil, first, e)))
			back, err := jcs.Canonicalize(other)
			require.NoError(t, err)
			require.Equal(t, string(first), string(back), e)
		}
	})
}

// decode reads a value. Minus zero, which canonical form does not have, becomes
// zero.
func decode(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal(text, &v))
	return unsigned(v)
}

func unsigned(v any) any {
	switch v := v.(type) {
	case float64:
		if v == 0 {
			return 0.0
		}
	case []any:
		for i := range v {
			v[i] = unsigned(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = unsigned(v[k])
		}
	}
	return v
}
