package egress

import (
	"fmt"
	"net/netip"
	"slices"

	"code.dny.dev/ssrf"
)

// addresses says which addresses may be connected to. It is the only place that
// knows where the registries come from.
type addresses struct {
	registries *ssrf.Guardian
	denied     []netip.Prefix
	allowed    []netip.Prefix // private networks that options allow
	metadata   []netip.Prefix // parts of private networks that are never allowed
	nat64      bool
}

func newAddresses(o *Options) addresses {
	s := addresses{
		registries: ssrf.New(
			ssrf.WithAnyNetwork(), ssrf.WithAnyPort(),
			// Public by the registry, but inside Azure it is the platform's own.
			ssrf.WithDeniedV4Prefixes(netip.MustParsePrefix("168.63.129.16/32")),
			// The 6bone, given back in 2006 (RFC 3701).
			ssrf.WithDeniedV6Prefixes(netip.MustParsePrefix("3ffe::/16")),
		),
		denied:   o.DenyNetworks,
		allowed:  o.AllowNetworks,
		metadata: metadataNetworks(),
		nat64:    o.AllowNAT64,
	}
	if o.InsecureAllowPrivateNetworks {
		s.allowed = privateNetworks()
	}
	return s
}

// allows reports whether a may be connected to. A zone changes nothing, and an
// IPv4 address written as IPv6 is judged as what it is.
func (s addresses) allows(a netip.Addr) bool {
	a = a.WithZone("").Unmap() // Prefixes contain neither zones nor mapped addresses.
	if !a.IsValid() || isIn(s.denied, a) {
		return false
	}
	if s.nat64 && ssrf.IPv6NAT64Prefix.Contains(a) {
		b := a.As16()
		a = netip.AddrFrom4([4]byte(b[12:]))
		return s.public(a) && !isIn(s.denied, a)
	}
	return s.public(a) || isIn(s.allowed, a) && !isIn(s.metadata, a)
}

func (s addresses) public(a netip.Addr) bool { return s.registries.SafeAddr(a) == nil }

func isIn(networks []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// privateNetworks are those that options can allow: loopback, RFC 1918, RFC 6598
// and RFC 4193.
func privateNetworks() []netip.Prefix {
	return parsePrefixes(
		"127.0.0.0/8", "::1/128",
		"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16",
		"100.64.0.0/10",
		"fc00::/7",
	)
}

// checkNetworks returns what is wrong with the networks in o.
func checkNetworks(o *Options) (bad []error) {
	isNetwork := func(p netip.Prefix) bool {
		return p.IsValid() && p == p.Masked() && !p.Addr().Is4In6()
	}
	for i, p := range o.DenyNetworks {
		if !isNetwork(p) {
			bad = append(bad, fmt.Errorf("DenyNetworks[%d] is not a network: %s", i, p))
		}
	}
	for i, p := range o.AllowNetworks {
		private := slices.ContainsFunc(privateNetworks(), func(whole netip.Prefix) bool {
			return whole.Contains(p.Addr()) && whole.Bits() <= p.Bits()
		})
		if !private || !isNetwork(p) {
			bad = append(bad, fmt.Errorf("AllowNetworks[%d] is not a private network: %s", i, p))
		}
	}
	return bad
}

// metadataNetworks are where clouds hand out credentials to whoever asks. Listed are
// those in private networks; link-local addresses are refused anyway.
func metadataNetworks() []netip.Prefix {
	return parsePrefixes(
		"100.100.100.200/32", "fd00:100::100:200/128", // Alibaba
		"fd00:ec2::/32",          // AWS: metadata, credentials of pods, DNS, time
		"fd00:a9fe:a9fe::1/128",  // Akamai
		"fd20:ce::254/128",       // Google
		"fd00:c1::a9fe:a9fe/128", // Oracle
		"fd00:42::42/128",        // Scaleway
	)
}

func parsePrefixes(list ...string) []netip.Prefix {
	parsed := make([]netip.Prefix, len(list))
	for i, s := range list {
		parsed[i] = netip.MustParsePrefix(s)
	}
	return parsed
}
