package egress_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

const (
	wantHTTPS     = "must start with https://"
	wantUserinfo  = "must not hold a user name or password"
	wantFragment  = "must not have a fragment"
	wantCharacter = "must hold the characters of a URL only; percent-encode all others"
	wantEscape    = "must have two hexadecimal digits after each percent sign"
	wantPort      = "must have a port between 1 and 65535"
	wantPortRule  = "must not use this port; 443 is the usual one"
	wantNoHost    = "must have a host name"
	wantHost      = "must have a valid host name"
	wantIDN       = "must have a host name of ASCII characters; write an international one in its xn-- form"
	wantDot       = "must have a host name without a dot at its end"
	wantIPv4      = "must have a host name, or an IPv4 address as four decimal numbers"
	wantIPv6      = "must have a valid IPv6 address between its brackets"
	wantLocal     = "must have a public host name"
	wantAddress   = "must have a public address"
	wantLength    = "must be at most 2048 characters long"
)

// refusedURLs are refused at registration. Those that a parser lets through are
// also refused when they are dialled: see TestStoredURLsAreCheckedAgain.
var refusedURLs = []struct {
	url, reason string
	dial        bool
}{
	// Addresses that are not public, in their plain form.
	{"https://127.0.0.1/", wantAddress, true},
	{"https://127.127.127.127/", wantAddress, true},
	{"https://127.0.0.1:8443/", wantAddress, true},
	{"https://0.0.0.0/", wantAddress, true},
	{"https://10.0.0.1/", wantAddress, true},
	{"https://172.16.0.1/", wantAddress, true},
	{"https://192.168.1.1/", wantAddress, true},
	{"https://169.254.169.254/latest/meta-data/", wantAddress, true},
	{"https://100.100.100.200/", wantAddress, true},
	{"https://168.63.129.16/", wantAddress, true},
	{"https://192.0.0.192/", wantAddress, true},
	{"https://198.18.0.1/", wantAddress, true},
	{"https://192.88.99.1/", wantAddress, true},
	{"https://224.0.0.1/", wantAddress, true},
	{"https://255.255.255.255/", wantAddress, true},

	// IPv4 as inet_aton reads it.
	{"https://2130706433/", wantIPv4, true},
	{"https://2852039166/", wantIPv4, true},
	{"https://0x7f000001/", wantIPv4, true},
	{"https://0X7F000001/", wantIPv4, true},
	{"https://0x7f.1/", wantIPv4, true},
	{"https://0x7f.0.0.1/", wantIPv4, true},
	{"https://127.0.0.0x1/", wantIPv4, true},
	{"https://0x/", wantIPv4, true},
	{"https://0177.0.0.1/", wantIPv4, true},
	{"https://0251.0376.0251.0376/", wantIPv4, true},
	{"https://017700000001/", wantIPv4, true},
	{"https://127.1/", wantIPv4, true},
	{"https://127.0.1/", wantIPv4, true},
	{"https://1.2.3/", wantIPv4, true},
	{"https://0/", wantIPv4, true},
	{"https://0000000127.0.0.1/", wantIPv4, true},
	{"https://127.000.000.001/", wantIPv4, true},
	{"https://256.1.1.1/", wantIPv4, true},
	{"https://1.2.3.4.5/", wantIPv4, true},
	{"https://example.123/", wantIPv4, true},
	{"https://8.8.8.08/", wantIPv4, true},
	{"https://127.0.0.1./", wantDot, true},

	// IPv6.
	{"https://[::1]/", wantAddress, true},
	{"https://[0:0:0:0:0:0:0:1]/", wantAddress, true},
	{"https://[0000:0000:0000:0000:0000:0000:0000:0001]/", wantAddress, true},
	{"https://[::]/", wantAddress, true},
	{"https://[::ffff:7f00:1]/", wantAddress, true},
	{"https://[::ffff:127.0.0.1]/", wantAddress, true},
	{"https://[::FFFF:127.0.0.1]/", wantAddress, true},
	{"https://[::ffff:0a00:0001]/", wantAddress, true},
	{"https://[::ffff:169.254.169.254]/", wantAddress, true},
	{"https://[::127.0.0.1]/", wantAddress, true},
	{"https://[64:ff9b::127.0.0.1]/", wantAddress, true},
	{"https://[64:ff9b::808:808]/", wantAddress, true},
	{"https://[64:ff9b:1::a00:1]/", wantAddress, true},
	{"https://[2002:a9fe:a9fe::1]/", wantAddress, true},
	{"https://[2001:0:1::1]/", wantAddress, true},
	{"https://[fe80::1]/", wantAddress, true},
	{"https://[fec0::1]/", wantAddress, true},
	{"https://[fc00::1]/", wantAddress, true},
	{"https://[fd00:ec2::254]/", wantAddress, true},
	{"https://[ff02::1]/", wantAddress, true},
	{"https://[2001:db8::1]/", wantAddress, true},
	{"https://[5f00::1]/", wantAddress, true},
	{"https://[3fff::1]/", wantAddress, true},
	{"https://[fe80::1%25eth0]/", wantIPv6, true},
	{"https://[fe80::1%eth0]/", wantIPv6, false},
	{"https://[2606:4700::1%25eth0]/", wantIPv6, false},
	{"https://[127.0.0.1]/", wantIPv6, false},
	{"https://[0177.0.0.1]/", wantIPv6, false},
	{"https://[v1.fe80::a+en1]/", wantIPv6, false},
	{"https://[example.com]/", wantIPv6, false},
	{"https://[]/", wantIPv6, false},
	{"https://[/", wantIPv6, false},
	{"https://[::1/", wantIPv6, false},
	{"https://[::1]x/", wantIPv6, false},
	{"https://[::1]:443:443/", wantIPv6, false},
	{"https://[[::1]]/", wantIPv6, false},
	{"https://::1/", wantHost, false},
	{"https://::1]/", wantHost, false},
	{"https://2606:4700:4700::1111/", wantHost, false},

	// Names of the inside.
	{"https://localhost/", wantLocal, true},
	{"https://LOCALHOST/", wantLocal, true},
	{"https://localhost./", wantDot, true},
	{"https://localhost.localdomain/", wantLocal, true},
	{"https://foo.localhost/", wantLocal, true},
	{"https://foo.local/", wantLocal, true},
	{"https://x.cluster.local/", wantLocal, true},
	{"https://kubernetes.default.svc/", wantLocal, true},
	{"https://metadata.google.internal/", wantLocal, true},
	{"https://router.lan/", wantLocal, true},
	{"https://wiki.corp/", wantLocal, true},
	{"https://nas.home.arpa/", wantLocal, true},
	{"https://home.arpa/", wantLocal, true},
	{"https://redis/", wantLocal, true},
	{"https://ai/", wantLocal, true},

	// What parsers differ on.
	{"https://example.com@127.0.0.1/", wantUserinfo, true},
	{"https://example.com;@127.0.0.1/", wantUserinfo, true},
	{"https://user:password@example.com/", wantUserinfo, false},
	{"https://@example.com/", wantUserinfo, false},
	{"https://127.0.0.1@example.com/", wantUserinfo, false},
	{"https://example.com:443@127.0.0.1/", wantUserinfo, true},
	{`https://example.com\@127.0.0.1/`, wantUserinfo, false},
	{"https://example.com#@127.0.0.1/", wantFragment, false},
	{"https://example.com/#top", wantFragment, false},
	{"https://example.com/#", wantFragment, false},
	{"https://example.com/?a#b", wantFragment, false},
	{`https:\\127.0.0.1/`, wantHTTPS, false},
	{`https://127.0.0.1\@example.com/`, wantUserinfo, false},
	{`https://example.com\.evil.net/`, wantHost, false},
	{`https://example.com/\127.0.0.1`, wantCharacter, false},
	{"https:127.0.0.1", wantHTTPS, false},
	{"https:/127.0.0.1/", wantHTTPS, false},
	{"https:///127.0.0.1/", wantNoHost, false},
	{"https:////127.0.0.1/", wantNoHost, false},
	{"//127.0.0.1/", wantHTTPS, false},
	{"https://127.0.0.1%2f.example.com/", wantHost, false},
	{"https://127.0.0.1%00.example.com/", wantHost, false},
	{"https://%31%32%37.0.0.1/", wantHost, false},
	{"https://ex%61mple.com/", wantHost, false},
	{"https://example.com,127.0.0.1/", wantHost, true},
	{"https://example.com;127.0.0.1/", wantHost, true},
	{"https://example.com&127.0.0.1/", wantHost, true},
	{"https://exam ple.com/", wantHost, false},
	{"https://example.com /", wantHost, false},
	{"https://*.example.com/", wantHost, true},
	{"https://{host}/", wantHost, false},
	{"https://$HOST/", wantHost, true},
	{"https://example.com\r\nHost: evil/", wantHost, false},
	{"https://example.com\r\n/", wantHost, false},
	{"https://example.com/\r\nX-Evil: 1", wantCharacter, false},
	{"https://example.com/\x00", wantCharacter, false},
	{"https://example.com/\x7f", wantCharacter, false},
	{"https://exa\tmple.com/", wantHost, false},
	{"https://example.com/a b", wantCharacter, false},
	{" https://example.com/", wantHTTPS, false},
	{"https://example.com/ ", wantCharacter, false},
	{"\thttps://example.com/", wantHTTPS, false},
	{"ht\ntps://example.com/", wantHTTPS, false},
	{"https://example.com/%", wantEscape, false},
	{"https://example.com/%2", wantEscape, false},
	{"https://example.com/%zz", wantEscape, false},
	{"https://example.com/?%u0041", wantEscape, false},
	{"https://example.com/<script>", wantCharacter, false},
	{"https://example.com/?q=\"", wantCharacter, false},

	// Characters that become others in the next parser (UTS 46).
	{"https://①②⑦.⓪.⓪.①/", wantIDN, true},
	{"https://１２７.０.０.１/", wantIDN, true},
	{"https://127。0。0。1/", wantIDN, true},
	{"https://169｡254｡169｡254/", wantIDN, true},
	{"https://ｌocalhost/", wantIDN, true},
	{"https://loc\u00adalhost/", wantIDN, true},
	{"https://loc\u200balhost/", wantIDN, true},
	{"https://ⅼocalhost/", wantIDN, true},
	{"https://exаmple.com/", wantIDN, false}, // Cyrillic а
	{"https://ﬁle.example/", wantIDN, false},
	{"https://exämple.com/", wantIDN, false},
	{"https://example.com\u2024evil.net/", wantIDN, false},
	{"https://example.com／evil/", wantIDN, false},
	{"https://example.com\u200b/", wantIDN, false},
	{"https://\u202eexample.com/", wantIDN, false},
	{"https://example.com/ä", wantCharacter, false},
	{"https://example.com/?q=日本", wantCharacter, false},
	{"https://exa\xffmple.com/", wantIDN, false},
	{"\ufeffhttps://example.com/", wantHTTPS, false},

	// Ports.
	{"https://example.com:0/", wantPort, false},
	{"https://example.com:65536/", wantPort, false},
	{"https://example.com:99999999999999999999/", wantPort, false},
	{"https://example.com:-1/", wantPort, false},
	{"https://example.com:+443/", wantPort, false},
	{"https://example.com:0443/", wantPort, false},
	{"https://example.com:0x1bb/", wantPort, false},
	{"https://example.com:https/", wantPort, false},
	{"https://example.com:4４3/", wantPort, false},
	{"https://example.com:443:443/", wantHost, false},
	{"https://example.com:443:/", wantHost, false},
	{"https://example.com:22/", wantPortRule, true},
	{"https://example.com:25/", wantPortRule, true},
	{"https://example.com:80/", wantPortRule, true},
	{"https://example.com:1023/", wantPortRule, true},
	{"https://example.com:3306/", wantPortRule, true},
	{"https://example.com:6379/", wantPortRule, true},
	{"https://example.com:11211/", wantPortRule, true},

	// Schemes and shape.
	{"", wantHTTPS, false},
	{"https", wantHTTPS, false},
	{"https:", wantHTTPS, false},
	{"https://", wantNoHost, false},
	{"https:///", wantNoHost, false},
	{"https://?q=1", wantNoHost, false},
	{"https://:443/", wantNoHost, false},
	{"https://.", wantDot, false},
	{"https://./", wantDot, true},
	{"https://../", wantDot, true},
	{"https://.example.com/", wantHost, true},
	{"https://example..com/", wantHost, true},
	{"https://example.com./", wantDot, true},
	{"https://-example.com/", wantHost, true},
	{"https://example-.com/", wantHost, true},
	{"https://" + strings.Repeat("a", 64) + ".com/", wantHost, true},
	{"https://" + strings.Repeat("a.", 127) + "com/", wantHost, true},
	{"http://example.com/", wantHTTPS, true},
	{"wss://example.com/", wantHTTPS, false},
	{"ftp://example.com/", wantHTTPS, false},
	{"gopher://example.com/", wantHTTPS, false},
	{"file:///etc/passwd", wantHTTPS, false},
	{"unix:///var/run/docker.sock", wantHTTPS, false},
	{"javascript:alert(1)", wantHTTPS, false},
	{"javascript://example.com/%0aalert(1)", wantHTTPS, false},
	{"data:text/html,x", wantHTTPS, false},
	{"httpss://example.com/", wantHTTPS, false},
	{"x-https://example.com/", wantHTTPS, false},
	{"url:https://example.com/", wantHTTPS, false},
	{"example.com/hook", wantHTTPS, false},
	{"/hook", wantHTTPS, false},
	{"https://example.com/" + strings.Repeat("a", 2048), wantLength, false},
	{"https://example.com?" + strings.Repeat("a", 2048-len("https://example.com?")), wantLength, false},
}

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
