package egress_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

func TestRefusedURLs(t *testing.T) {
	t.Parallel()
	e := newEgress(t, nil)
	for i, tt := range refusedURLs {
		t.Run(fmt.Sprintf("%d %.40q", i, tt.url), func(t *testing.T) {
			t.Parallel()
			got, err := e.CheckURL(tt.url)
			require.Empty(t, got)
			var refused *egress.URLError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, tt.reason, refused.Reason)
			require.Equal(t, "egress: url "+tt.reason, err.Error())
			err = e.CheckAddress(t.Context(), tt.url)
			require.ErrorAs(t, err, &refused, "no look-up is made for a URL that is refused")
		})
	}
}

func TestAcceptedURLs(t *testing.T) {
	t.Parallel()
	e := newEgress(t, nil)
	for _, tt := range []struct{ url, want string }{
		{"https://example.com/", "https://example.com/"},
		{"https://example.com", "https://example.com/"},
		{"https://example.com?x=1", "https://example.com/?x=1"},
		{"https://example.com/?", "https://example.com/?"},
		{"HTTPS://EXAMPLE.COM/Path?Q=V", "https://example.com/Path?Q=V"},
		{"https://example.com:443/x?y=1", "https://example.com/x?y=1"},
		{"https://example.com:8443/", "https://example.com:8443/"},
		{"https://example.com:1024/", "https://example.com:1024/"},
		{"https://example.com:65535/", "https://example.com:65535/"},
		{"https://example.com:/", "https://example.com/"},
		{"https://xn--exmple-4nf.com/", "https://xn--exmple-4nf.com/"},
		{"https://my_app.example.com/", "https://my_app.example.com/"},
		{"https://3com.example/", "https://3com.example/"},
		{"https://1.2.3.example.com/", "https://1.2.3.example.com/"},
		{"https://0x7f.example/", "https://0x7f.example/"},
		{"https://localhost.example.com/", "https://localhost.example.com/"},
		{"https://example.com/%0d%0aX:%20y", "https://example.com/%0d%0aX:%20y"},
		{"https://example.com/?q=http://127.0.0.1/", "https://example.com/?q=http://127.0.0.1/"},
		{"https://example.com/a/../b", "https://example.com/a/../b"},
		{"https://example.com//a//b", "https://example.com//a//b"},
		{"https://example.com/a@b:c;d=e,f!$&'()*+~", "https://example.com/a@b:c;d=e,f!$&'()*+~"},
		{"https://example.com/?a[]=1&a[]=2", "https://example.com/?a[]=1&a[]=2"},
		{"https://example.com/%2F%2e%2E", "https://example.com/%2F%2e%2E"},
		{"https://example.com/?q=a?b/c@d", "https://example.com/?q=a?b/c@d"},
		{"https://8.8.8.8/", "https://8.8.8.8/"},
		{"https://8.8.8.8:8443/", "https://8.8.8.8:8443/"},
		{"https://[2606:4700:4700:0:0:0:0:1111]:443/", "https://[2606:4700:4700::1111]/"},
		{"https://[2606:4700:4700::ABCD]:8443/x", "https://[2606:4700:4700::abcd]:8443/x"},
		{"https://[::ffff:8.8.8.8]/", "https://8.8.8.8/"},
		{"https://" + strings.Repeat("a", 63) + ".com/", "https://" + strings.Repeat("a", 63) + ".com/"},
		{"https://example.com/" + strings.Repeat("a", 2028), "https://example.com/" + strings.Repeat("a", 2028)},
	} {
		t.Run(tt.url, func(t *testing.T) {
			t.Parallel()
			got, err := e.CheckURL(tt.url)
			require.NoError(t, err)
			require.Equal(t, tt.want, got)
			again, err := e.CheckURL(got)
			require.NoError(t, err)
			require.Equal(t, got, again)
		})
	}
}

func TestOptionsWidenURLRules(t *testing.T) {
	t.Parallel()
	plain := &egress.Options{InsecureAllowHTTP: true}
	private := &egress.Options{InsecureAllowPrivateNetworks: true}
	both := &egress.Options{InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true}
	partner := &egress.Options{AllowNetworks: prefixes("10.20.0.0/16", "fd12:3456::/32"), DenyNetworks: prefixes("8.8.8.0/24")}
	ports := &egress.Options{AllowPort: egress.Ports(443, 8443)}
	names := &egress.Options{
		AllowNetworks: partner.AllowNetworks, Proxy: &egress.Proxy{URL: "http://127.0.0.1:3128", InsecureResolveNames: true},
	}
	port := &egress.Options{AllowPort: func(p uint16) bool { return p == 6379 }, InsecureAllowPrivateNetworks: true}
	for _, tt := range []struct {
		name, url    string
		options      *egress.Options
		want, reason string
	}{
		{"http", "http://example.com/", plain, "http://example.com/", ""},
		{"http's own port", "http://example.com:80/", plain, "http://example.com/", ""},
		{"http on https's port", "http://example.com:443/", plain, "http://example.com:443/", ""},
		{"https on http's port", "https://example.com:80/", plain, "", wantPortRule},
		{"http low port", "http://example.com:25/", plain, "", wantPortRule},
		{"http private", "http://127.0.0.1/", plain, "", wantAddress},
		{"other scheme", "ws://example.com/", plain, "", "must start with https:// or http://"},
		{"private http", "http://10.0.0.1/", private, "", wantHTTPS},
		{"loopback", "https://127.0.0.1:1/", private, "https://127.0.0.1:1/", ""},
		{"loopback v6", "https://[::1]:6379/", private, "https://[::1]:6379/", ""},
		{"localhost", "https://LocalHost/", private, "https://localhost/", ""},
		{"one label", "https://receiver:22/", private, "https://receiver:22/", ""},
		{"cluster", "https://hooks.default.svc.cluster.local/", private, "https://hooks.default.svc.cluster.local/", ""},
		{"no port", "https://localhost:0/", private, "", wantPort},
		{"http loopback", "http://127.0.0.1:3000/hook", both, "http://127.0.0.1:3000/hook", ""},
		{"metadata", "https://169.254.169.254/", private, "", wantAddress},
		{"unspecified", "https://0.0.0.0/", private, "", wantAddress},
		{"multicast", "https://[ff02::1]/", private, "", wantAddress},
		{"zone", "https://[fe80::1%25eth0]/", private, "", wantIPv6},
		{"number", "https://0x7f.1/", private, "", wantIPv4},
		{"full width", "https://１２７.0.0.1/", private, "", wantIDN},
		{"user", "https://a@localhost/", private, "", wantUserinfo},
		{"own port rule", "https://localhost:6379/", port, "https://localhost:6379/", ""},
		{"own port rule, another", "https://localhost:443/", port, "", wantPortRule},
		{"own length", "https://example.com/", &egress.Options{MaxURLLength: 10}, "", "must be at most 10 characters long"},
		{"listed port", "https://example.com:8443/", ports, "https://example.com:8443/", ""},
		{"port that is not listed", "https://example.com:9443/", ports, "", wantPortRule},
		{"allowed network", "https://10.20.1.2/", partner, "https://10.20.1.2/", ""},
		{"allowed network, mapped", "https://[::ffff:10.20.1.2]/", partner, "https://10.20.1.2/", ""},
		{"allowed network v6", "https://[fd12:3456::1]/", partner, "https://[fd12:3456::1]/", ""},
		{"beside the allowed network", "https://10.21.1.2/", partner, "", wantAddress},
		{"loopback beside the allowed network", "https://127.0.0.1/", partner, "", wantAddress},
		{"metadata beside the allowed network", "https://169.254.169.254/", partner, "", wantAddress},
		{"allowed network, low port", "https://10.20.1.2:22/", partner, "", wantPortRule},
		{"allowed network, port of a database", "https://10.20.1.2:6379/", partner, "", wantPortRule},
		{"allowed network, http", "http://10.20.1.2/", partner, "", wantHTTPS},
		{"name in an allowed network", "https://erp.partner.internal/", partner, "https://erp.partner.internal/", ""},
		{"one label in an allowed network", "https://erp/", partner, "https://erp/", ""},
		{"localhost is in no other network", "https://localhost/", partner, "", wantLocal},
		{"nor is what is below it", "https://x.localhost/", partner, "", wantLocal},
		{"nor localhost.localdomain", "https://localhost.localdomain/", partner, "", wantLocal},
		{"denied network", "https://8.8.8.8/", partner, "", wantAddress},
		{"allowed network, names left to a proxy", "https://10.20.1.2/", names, "https://10.20.1.2/", ""},
		{"local name left to a proxy", "https://erp.partner.internal/", names, "", wantLocal},
		{"one label left to a proxy", "https://erp/", names, "", wantLocal},
		{"nat64", "https://[64:ff9b::8.8.8.8]/", &egress.Options{AllowNAT64: true}, "https://[64:ff9b::808:808]/", ""},
		{"nat64 to private", "https://[64:ff9b::127.0.0.1]/", &egress.Options{AllowNAT64: true}, "", wantAddress},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := newEgress(t, tt.options).CheckURL(tt.url)
			if tt.reason == "" {
				require.NoError(t, err)
				require.Equal(t, tt.want, got)
				return
			}
			var refused *egress.URLError
			require.ErrorAs(t, err, &refused)
			require.Equal(t, tt.reason, refused.Reason)
		})
	}
}

func TestDefaultAllowPort(t *testing.T) {
	t.Parallel()
	for _, p := range []uint16{443, 1024, 3000, 4443, 5000, 8000, 8080, 8443, 8888, 9443, 10443, 32768, 65535} {
		require.True(t, egress.DefaultAllowPort(p), p)
	}
	for _, p := range []uint16{
		0, 1, 21, 22, 23, 25, 53, 80, 110, 389, 445, 636, 1023, 1433, 1521, 2049, 2375, 2379, 3306, 3389, 5432, 5672, 5900,
		6000, 6063, 6379, 6443, 6667, 8086, 8500, 9042, 9092, 9200, 10250, 11211, 15672, 26379, 27017,
	} {
		require.False(t, egress.DefaultAllowPort(p), p)
	}
}
