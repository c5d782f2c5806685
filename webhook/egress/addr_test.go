package egress_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

// denied are the special-purpose prefixes, written down here a second time so
// that a change in the dependency that holds the registries is seen.
var denied = prefixes(
	"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
	"192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
	"198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32",
	"2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20", "3ffe::/16",
)

var global = netip.MustParsePrefix("2000::/3")

func prefixes(list ...string) []netip.Prefix {
	parsed := make([]netip.Prefix, len(list))
	for i, s := range list {
		parsed[i] = netip.MustParsePrefix(s)
	}
	return parsed
}

// expected is the rule in its plainest form.
func expected(a netip.Addr) bool {
	a = a.WithZone("").Unmap()
	return (a.Is4() || global.Contains(a)) &&
		!slices.ContainsFunc(denied, func(p netip.Prefix) bool { return p.Contains(a) })
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	public := newEgress(t, nil)
	private := newEgress(t, &egress.Options{InsecureAllowPrivateNetworks: true})
	nat64 := newEgress(t, &egress.Options{AllowNAT64: true})
	for _, tt := range []struct {
		addr                   string
		public, private, nat64 bool
	}{
		{"8.8.8.8", true, true, true},
		{"1.1.1.1", true, true, true},
		{"2606:4700:4700::1111", true, true, true},
		{"2001:4860:4860::8888", true, true, true},
		{"::ffff:8.8.8.8", true, true, true},

		{"127.0.0.1", false, true, false},
		{"127.255.255.254", false, true, false},
		{"::1", false, true, false},
		{"::ffff:127.0.0.1", false, true, false},
		{"10.1.2.3", false, true, false},
		{"172.31.255.255", false, true, false},
		{"192.168.1.1", false, true, false},
		{"::ffff:10.0.0.1", false, true, false},
		{"100.64.0.1", false, true, false},
		{"fc00::1", false, true, false},
		{"fd7a:115c:a1e0::1", false, true, false},

		// Metadata services, in whatever network.
		{"169.254.169.254", false, false, false},
		{"::ffff:169.254.169.254", false, false, false},
		{"::ffff:169.254.169.254%eth0", false, false, false},
		{"168.63.129.16", false, false, false},
		{"::ffff:168.63.129.16", false, false, false},
		{"100.100.100.200", false, false, false},
		{"::ffff:100.100.100.200", false, false, false},
		{"192.0.0.192", false, false, false},
		{"fd00:ec2::254", false, false, false},
		{"fd00:ec2::254%eth0", false, false, false},
		{"fd00:ec2::23", false, false, false},
		{"fd00:ec3::1", false, true, false},
		{"fd20:ce::254", false, false, false},
		{"fd20:ce::255", false, true, false},
		{"fd00:42::42", false, false, false},
		{"fd00:c1::a9fe:a9fe", false, false, false},
		{"fd00:a9fe:a9fe::1", false, false, false},
		{"fd00:100::100:200", false, false, false},
		{"100.100.100.199", false, true, false},

		// Addresses of no host.
		{"0.0.0.0", false, false, false},
		{"0.1.2.3", false, false, false},
		{"::", false, false, false},
		{"::ffff:0.0.0.0", false, false, false},
		{"255.255.255.255", false, false, false},
		{"240.0.0.1", false, false, false},
		{"224.0.0.1", false, false, false},
		{"ff02::1", false, false, false},
		{"192.0.2.1", false, false, false},
		{"198.18.0.1", false, false, false},
		{"2001:db8::1", false, false, false},
		{"3fff::1", false, false, false},
		{"100::1", false, false, false},
		{"5f00::1", false, false, false},
		{"fe80::1", false, false, false},
		{"fe80::1%eth0", false, false, false},
		{"fec0::1", false, false, false},
		{"4000::1", false, false, false},

		// IPv4 addresses written as IPv6.
		{"::7f00:1", false, false, false},
		{"::ffff:0:7f00:1", false, false, false},
		{"2002:808:808::1", false, false, false},
		{"2002:a9fe:a9fe::1", false, false, false},
		{"2001:0:1::1", false, false, false},
		{"2001:20::1", false, false, false},
		{"64:ff9b::808:808", false, false, true},
		{"64:ff9b::808:808%eth0", false, false, true},
		{"64:ff9b::7f00:1", false, false, false},
		{"64:ff9b::a9fe:a9fe", false, false, false},
		{"64:ff9b::a83f:8110", false, false, false},
		{"64:ff9b::a00:1", false, false, false},
		{"64:ff9b:1::808:808", false, false, false},
		{"64:ff9b::1:808:808", false, false, false},
		{"64:ff9b:1::1", false, false, false},
	} {
		t.Run(tt.addr, func(t *testing.T) {
			t.Parallel()
			a := netip.MustParseAddr(tt.addr)
			require.Equal(t, tt.public, public.Allowed(a), "public")
			require.Equal(t, tt.private, private.Allowed(a), "with private networks")
			require.Equal(t, tt.nat64, nat64.Allowed(a), "with NAT64")
			require.Equal(t, tt.public, expected(a))
		})
	}
}

func TestNoAddressIsNotAllowed(t *testing.T) {
	t.Parallel()
	require.False(t, newEgress(t, nil).Allowed(netip.Addr{}))
	both := newEgress(t, &egress.Options{InsecureAllowPrivateNetworks: true, AllowNAT64: true})
	require.False(t, both.Allowed(netip.Addr{}))
	require.False(t, both.Allowed(netip.MustParseAddr("64:ff9b::7f00:1")), "a NAT64 gateway's loopback is not ours")
}

func TestBordersOfPrefixes(t *testing.T) {
	t.Parallel()
	e := newEgress(t, nil)
	check := func(a netip.Addr) {
		if !a.IsValid() {
			return // Before the first address or after the last.
		}
		require.Equal(t, expected(a), e.Allowed(a), "%s", a)
		if a.Is4() {
			mapped := netip.AddrFrom16(a.As16())
			require.Equal(t, expected(a), e.Allowed(mapped), "%s", mapped)
			return
		}
		require.Equal(t, expected(a), e.Allowed(a.WithZone("eth0")), "%s with a zone", a)
	}
	for _, p := range append([]netip.Prefix{global}, denied...) {
		first, last := p.Addr(), lastOf(p)
		if p != global {
			require.False(t, e.Allowed(first), "%s: first", p)
			require.False(t, e.Allowed(last), "%s: last", p)
		}
		check(first.Prev())
		check(first)
		check(first.Next())
		check(last.Prev())
		check(last)
		check(last.Next())
	}
	// A rule that denies too much would pass all of the above.
	for _, s := range []string{
		"9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255",
		"169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0", "198.17.255.255",
		"198.20.0.0", "223.255.255.255", "168.63.129.15", "168.63.129.17", "2001:200::", "2001:db7:ffff::", "2001:db9::",
		"2003::", "2620:4f:7fff::", "2620:4f:8001::", "3ffd::", "3fff:1000::",
	} {
		require.True(t, e.Allowed(netip.MustParseAddr(s)), s)
	}
}

func lastOf(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func TestRandomAddresses(t *testing.T) {
	t.Parallel()
	e := newEgress(t, nil)
	r := rand.New(rand.NewPCG(1, 2))
	counts := map[bool]int{}
	for range 20_000 {
		v4 := netip.AddrFrom4([4]byte{byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())})
		var b [16]byte
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		if r.IntN(2) == 0 {
			b[0] = 0x20 | b[0]&0x1f // inside of 2000::/3
		}
		for _, a := range []netip.Addr{v4, netip.AddrFrom16(v4.As16()), netip.AddrFrom16(b)} {
			want := expected(a)
			require.Equal(t, want, e.Allowed(a), "%s", a)
			counts[want]++
		}
	}
	require.Greater(t, counts[true], 10_000)
	require.Greater(t, counts[false], 10_000)
}

func TestControlFailsClosed(t *testing.T) {
	t.Parallel()
	e := newEgress(t, nil)
	require.NoError(t, e.Control("tcp4", "8.8.8.8:443"))
	require.NoError(t, e.Control("tcp6", "[2606:4700:4700::1111]:443"))
	for _, tt := range []struct{ network, address string }{
		{"tcp4", "127.0.0.1:443"},
		{"tcp6", "[::1]:443"},
		{"tcp6", "[::ffff:127.0.0.1]:443"},
		{"tcp6", "[fe80::1%eth0]:443"},
		{"tcp6", "[::]:443"},
		{"tcp4", "0.0.0.0:443"},
		{"tcp4", ":443"},
		{"tcp4", ""},
		{"tcp4", "8.8.8.8"},
		{"tcp4", "example.com:443"},
		{"tcp", "8.8.8.8:443"},
		{"udp4", "8.8.8.8:443"},
		{"unix", "/var/run/docker.sock"},
		{"", "8.8.8.8:443"},
	} {
		requireCode(t, egress.CodeBlockedAddress, e.Control(tt.network, tt.address))
	}
}
