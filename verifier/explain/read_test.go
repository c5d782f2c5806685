package explain_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/verifier/explain"
)

// received is when the requests of testdata were signed.
var received = time.Unix(1762257600, 0)

// TestRecordedCaptures reads what the tools have written: requests that were signed with secretA.
func TestRecordedCaptures(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file, from string
		want       codes // none: it verifies
	}{
		{"curl_trace_ascii.txt", "curl --trace-ascii", codes{}},
		{"curl_trace_ascii_utf8.txt", "curl --trace-ascii", codes{explain.CaptureLost}},
		{"curl_trace.txt", "curl --trace", codes{}},
		{"curl_verbose.txt", "curl -v", codes{explain.CaptureLost}},
		{"chunked.http", "a request as it is on the wire, in chunks", codes{}},
		{"http2.txt", "a request as it is on the wire", codes{}},
		{"export.har", "an entry of a HAR file", codes{}},
		{"entry_without_text.json", "an entry of a HAR file", codes{explain.CaptureLost}},
		{"gateway_v1.json", "the event of an API gateway (1.0)", codes{}},
		{"gateway_v2.json", "the event of an API gateway (2.0)", codes{}},
		{"function_url.json", "the event of a function URL", codes{}},
		{"alb.json", "the event of an ALB", codes{}},
		{"ngrok.json", "a request of ngrok's inspector", codes{}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(filepath.Join("testdata", tt.file))
			require.NoError(t, err)
			c, err := explain.Read(raw)
			require.NoError(t, err)
			require.Equal(t, tt.from, c.From)
			require.Equal(t, http.MethodPost, c.Method)
			r := c.Explain(&verifier.Options{Now: func() time.Time { return received }}, secretA)
			require.Equal(t, tt.want, causes(r), r)
			require.Equal(t, len(tt.want) == 0, r.Verified, r)
			require.False(t, c.Explain(&verifier.Options{Now: func() time.Time { return received }}, secretB).Verified)
		})
	}
}

// TestDamagedCaptures changes captures as editors and gateways do.
func TestDamagedCaptures(t *testing.T) {
	t.Parallel()
	replace := func(pairs ...string) func(string) string { return strings.NewReplacer(pairs...).Replace }
	for _, tt := range []struct {
		name, file string
		change     func(string) string
		want       codes  // none: it verifies
		fails      string // what Read says, if it does
	}{
		{"spaces at the ends of lines", "curl_trace_ascii.txt", replace(": \n", ":\n"), codes{}, ""},
		{"CRLF of a Windows console", "curl_trace.txt", replace("\n", "\r\n"), codes{}, ""},
		{"two requests", "curl_trace_ascii.txt", func(s string) string { return s + s }, codes{}, ""},
		{"a line that is gone", "curl_trace_ascii.txt", replace("006a: itle", "x: itle"), codes{explain.CaptureLost}, ""},
		{"sizes that cannot be", "curl_trace_ascii.txt", replace("184 bytes", "999999999 bytes"), nil, "as many bytes"},
		{"without an end", "chunked.http", func(s string) string { return strings.TrimSuffix(s, "\r\n") }, codes{}, ""},
		{"lost CRs", "chunked.http", func(s string) string {
			head, body, _ := strings.Cut(strings.Replace(s, "Transfer-Encoding: chunked", "Content-Length: 184", 1), "\r\n\r\nb8\r\n")
			return strings.ReplaceAll(head+"\r\n\r\n"+strings.TrimSuffix(body, "\r\n0\r\n\r\n"), "\r\n", "\n")
		}, codes{}, ""},
		{"a line break behind the length", "http2.txt", func(s string) string { return strings.Replace(s, "\n", "\nContent-Length: 98\n", 1) + "\n" }, codes{}, ""},
		{"a GET", "http2.txt", replace(":method: POST", ":method: GET"), codes{explain.Method}, ""},
		{"no POST", "export.har", replace(`"POST"`, `"PUT"`), codes{explain.Method, explain.CaptureLost}, ""},
		{"characters that are lost", "export.har", replace("é", "\ufffd"), codes{explain.CaptureLost}, ""},
		{"another flag", "alb.json", replace(`d": true`, `d": false`), codes{explain.BodyBase64}, ""},
		{"no base64", "gateway_v1.json", replace(`d": false`, `d": true`), nil, "base64"},
		{"one value", "gateway_v1.json", replace("multiValueHeaders", "others"), codes{}, ""},
		{"cut off", "alb.json", func(s string) string { return s[:200] }, nil, "cannot be read"},
		{"a body alone", "alb.json", func(string) string { return eventBody }, nil, "a body alone"},
		{"one line", "http2.txt", replace("\n", " "), nil, "lost its line ends"},
		{"nothing", "http2.txt", func(string) string { return " \n" }, nil, "it is empty"},
		{"no headers", "http2.txt", func(string) string { return "POST / HTTP/1.1\nnonsense\n\n" }, nil, "Name: value"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			raw, err := os.ReadFile(filepath.Join("testdata", tt.file))
			require.NoError(t, err)
			c, err := explain.Read([]byte(tt.change(string(raw))))
			if tt.fails != "" {
				require.ErrorContains(t, err, tt.fails)
				return
			}
			require.NoError(t, err)
			r := c.Explain(&verifier.Options{Now: func() time.Time { return received }}, secretA)
			require.Equal(t, tt.want, causes(r), r)
		})
	}
}

// FuzzRead reads anything at all: nothing panics, and there is a request or an error.
func FuzzRead(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*")
	require.NoError(f, err)
	for _, name := range files {
		raw, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c, err := explain.Read(raw)
		require.Equal(t, err == nil, c != nil && c.Header != nil)
	})
}
