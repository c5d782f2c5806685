package egress_test

import (
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
