package egress

import (
	"net/netip"

	"code.dny.dev/ssrf"
)

// addresses says which addresses may be connected to. It is the only place that
// knows where the registries come from.
type addresses struct {
	registries *ssrf.Guardian
	private    bool
	nat64      bool
}

func newAddresses(private, nat64 bool) addresses {
	return addresses{
		registries: ssrf.New(
			ssrf.WithAnyNetwork(), ssrf.WithAnyPort(),
			// Public by the registry, but inside of Azure its own platform.
			ssrf.WithDeniedV4Prefixes(netip.MustParsePrefix("168.63.129.16/32")),
			// The 6bone, given back in 2006 (RFC 3701).
			ssrf.WithDeniedV6Prefixes(netip.MustParsePrefix("3ffe::/16")),
		),
		private: private,
		nat64:   nat64,
	}
}

// allowed reports whether a may be connected to. A zone changes nothing, and an
// IPv4 address written as IPv6 is judged as what it is.
func (s addresses) allowed(a netip.Addr) bool {
	a = a.WithZone("").Unmap() // Prefixes contain neither zones nor mapped addresses.
	if !a.IsValid() {
		return false
	}
	if s.nat64 && ssrf.IPv6NAT64Prefix.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
		return s.public(a)
	}
	return s.public(a) || s.private && isPrivate(a)
}

func (s addresses) public(a netip.Addr) bool { return s.registries.SafeAddr(a) == nil }

func isPrivate(a netip.Addr) bool {
	switch a.String() {
	case "100.100.100.200", // Alibaba
		"fd00:ec2::254", // AWS
		"fd20:ce::254":  // Google
		return false // The metadata services that do not live at a link-local address.
	}
	shared := netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10) // RFC 6598
	return a.IsLoopback() || a.IsPrivate() || shared.Contains(a)
}
