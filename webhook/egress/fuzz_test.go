package egress_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

// FuzzCheckURL holds what an accepted URL must be, as net/http will read it.
func FuzzCheckURL(f *testing.F) {
	for _, tt := range refusedURLs {
		f.Add(tt.url)
	}
	for _, s := range []string{
		"https://example.com:443/x?y=1", "HTTPS://EXAMPLE.COM", "https://xn--exmple-4nf.com/", "https://8.8.8.8/",
		"https://[2606:4700:4700::1111]:8443/%0d%0a?", "https://example.com//x", "https://example.com/a/../b?[]",
	} {
		f.Add(s)
	}
	e := newEgress(f, nil)
	f.Fuzz(func(t *testing.T, raw string) {
		got, err := e.CheckURL(raw)
		if err != nil {
			var refused *egress.URLError
			require.ErrorAs(t, err, &refused)
			require.Empty(t, got)
			return
		}
		require.LessOrEqual(t, len(got), 2048)
		u, err := url.Parse(got)
		require.NoError(t, err)
		require.Equal(t, "https", u.Scheme)
		require.Nil(t, u.User)
		require.Empty(t, u.Opaque)
		require.Empty(t, u.Fragment)
		require.Equal(t, got, u.String(), "net/http sends what was checked")
		require.Equal(t, got, "https://"+u.Host+u.RequestURI())
		host := u.Hostname()
		require.NotEmpty(t, host)
		for _, c := range []byte(got) {
			require.True(t, c > ' ' && c < 0x7f)
		}
		if addr, err := netip.ParseAddr(host); err == nil {
			require.True(t, expected(addr), "%s", addr)
		} else {
			require.Contains(t, host, ".")
			require.NotContains(t, host, ":")
			last := host[strings.LastIndexByte(host, '.')+1:]
			require.NotEmpty(t, strings.Trim(last, "0123456789"), "a number may be read as an address")
			require.False(t, strings.HasPrefix(last, "0x") && strings.Trim(last[2:], "0123456789abcdef") == "")
		}
		again, err := e.CheckURL(got)
		require.NoError(t, err)
		require.Equal(t, got, again)
	})
}

// FuzzFraming holds where a response ends to where net/http says.
func FuzzFraming(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n",
		"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.1 304 Not\nTransfer-Encoding: chunked\n\n2\nok\n0\n\n",
		"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n2;a=b\r\nok\r\n00\r\nX-A: b\r\n\r\nHTTP",
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nokok",
		"HTTP/1.1 200 OK\r\nX: y\r\n Content-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n\r\nokHTTP",
		"HTTP/1.1 200 OK\nTransfer-Encoding:\n\tchunked\n\n0\n\nHTTP",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		in := bufio.NewReaderSize(bytes.NewReader(text), len(text)+16)
		resp, err := http.ReadResponse(in, &http.Request{Method: http.MethodPost})
		if err != nil || resp.StatusCode < 200 || resp.Close {
			return // Its connection is not used again.
		}
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if err != nil {
			return
		}
		n, ends := egress.Framed(text)
		if resp.ContentLength == 0 {
			require.True(t, ends, "net/http takes the response for ended")
		}
		require.LessOrEqual(t, n, len(text)-in.Buffered(), "a byte too much is handed out")
		if ends {
			require.Equal(t, len(text)-in.Buffered(), n)
		}
	})
}
