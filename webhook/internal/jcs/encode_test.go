package jcs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/rag-assistant/webhooks/webhook/internal/jcs"
)

func Example() {
	body, err := jcs.Canonicalize([]byte(`{"price": 200.0, "name": "caf\u00e9 & <b>"}`))
	fmt.Println(string(body), err)
	fmt.Println(string(jcs.Encode(body, jcs.ASCII)))
	fmt.Println(string(jcs.Encode(body, jcs.HTML)))
	// Output:
	// {"name":"café & <b>","price":200} <nil>
	// {"name":"caf\u00e9 & <b>","price":200}
	// {"name":"café \u0026 \u003cb\u003e","price":200}
}

func TestEncode(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, src, ascii, html string }{
		{"nothing to change", `{"a":"b\"\\/\u0000"}`, `{"a":"b\"\\/\u0000"}`, `{"a":"b\"\\/\u0000"}`},
		{"letters", `"é日本"`, `"\u00e9\u65e5\u672c"`, `"é日本"`},
		{"a name", `{"é&":1}`, `{"\u00e9&":1}`, `{"é\u0026":1}`},
		{"beyond U+FFFF", "\"😀\U0010ffff\U00010000\"", `"\ud83d\ude00\udbff\udfff\ud800\udc00"`, "\"😀\U0010ffff\U00010000\""},
		{"DEL and C1", "\"~\x7f\u0080\u009f\"", `"~\u007f\u0080\u009f"`, "\"~\x7f\u0080\u009f\""},
		{"HTML", `"<a href='x'>&amp;"`, `"<a href='x'>&amp;"`, `"\u003ca href='x'\u003e\u0026amp;"`},
		{"line separators", "\"\u2027\u2028\u2029\u202a\"", `"\u2027\u2028\u2029\u202a"`, "\"\u2027\\u2028\\u2029\u202a\""},
		{"an escaped backslash before", "\"\\\\é\\\\<\"", `"\\\u00e9\\<"`, `"\\é\\\u003c"`},
		{"E2 that is none of them", "\"€…\u2868\u28e9\"", `"\u20ac\u2026\u2868\u28e9"`, "\"€…\u2868\u28e9\""},
		{"empty", ``, ``, ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for e, want := range map[jcs.Encoding]string{jcs.Standard: tt.src, "": tt.src, jcs.ASCII: tt.ascii, jcs.HTML: tt.html} {
				src := []byte(tt.src)
				got := jcs.Encode(src, e)
				require.Equal(t, want, string(got), e)
				require.Equal(t, tt.src, string(src), "the source stays")
				require.Equal(t, "x"+want, string(jcs.AppendEncode([]byte("x"), src, e)), e)
				if want == tt.src && len(src) > 0 {
					require.Same(t, &src[0], &got[0], "no copy of what does not change")
				}
			}
		})
	}
}

// TestHTMLIsWhatGoWrites compares with encoding/json, which sorts the names of a
// map by bytes. Without names from both ends of Unicode, that is canonical order.
func TestHTMLIsWhatGoWrites(t *testing.T) {
	t.Parallel()
	name := rapid.StringMatching(`[a-z<é]{1,6}`)
	text := rapid.StringOf(rapid.RuneFrom([]rune("aé<>&\u2028\u2029\u202a\"\\/\b\f\n\r\t\x00\x1f\x7f😀€")))
	rapid.Check(t, func(t *rapid.T) {
		value := map[string]any{}
		for k, v := range rapid.MapOf(name, text).Draw(t, "strings") {
			value[k] = v
		}
		value["number"] = rapid.OneOf(rapid.Float64(), rapid.Float64Range(-1e7, 1e7)).Draw(t, "number") + 0
		escaped, err := json.Marshal(value)
		require.NoError(t, err)
		if strings.Contains(string(escaped), `"number":-0`) && value["number"] == 0.0 {
			return // Canonical form has no minus zero.
		}
		canonical, err := jcs.Canonicalize(escaped)
		require.NoError(t, err)
		require.Equal(t, string(escaped), string(jcs.Encode(canonical, jcs.HTML)))

		var raw bytes.Buffer
		enc := json.NewEncoder(&raw)
		enc.SetEscapeHTML(false)
		require.NoError(t, enc.Encode(value))
		separators := strings.NewReplacer(`\u2028`, "\u2028", `\u2029`, "\u2029")
		require.Equal(t, separators.Replace(strings.TrimSuffix(raw.String(), "\n")), string(canonical))
	})
}
