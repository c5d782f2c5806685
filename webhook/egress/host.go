package egress

import (
	"net/netip"
	"strings"

	"github.com/rag-assistant/webhooks/webhook/words"
)

// Why a host is refused, to be read after "url".
const (
	reasonNoHost   = "must have a host name"
	reasonHost     = "must have a valid host name"
	reasonHostIDN  = "must have a host name of ASCII characters; write an international one in its xn-- form"
	reasonHostDot  = "must have a host name without a dot at its end"
	reasonHostIPv4 = "must have a host name, or an IPv4 address as four decimal numbers"
	reasonHostIPv6 = "must have a valid IPv6 address between its brackets"
	reasonLocal    = "must have a public host name"
	reasonAddress  = "must have a public address"
)

// checkAddr returns why a literal address may not be a host, or "".
func (e *Egress) checkAddr(a netip.Addr) words.Text {
	if !e.addresses.allows(a) {
		return reasonAddress
	}
	return ""
}

// checkName returns why name, in lower case, may not be a host, or "". It refuses
// everything that somebody could read as an address.
func (e *Egress) checkName(name string) words.Text {
	switch {
	case name == "":
		return reasonNoHost
	case len(name) > 253:
		return reasonHost
	case strings.HasSuffix(name, "."):
		return reasonHostDot
	}
	topLevel := ""
	for label := range strings.SplitSeq(name, ".") {
		if reason := checkLabel(label); reason != "" {
			return reason
		}
		topLevel = label
	}
	// C libraries read 2130706433, 0x7f.1 and 127.1 as addresses (inet_aton).
	// No top-level domain is a number (RFC 3696, section 2).
	if isNumber(topLevel) {
		return reasonHostIPv4
	}
	if isLocal(name, topLevel) && !e.allowsLocal(topLevel) {
		return reasonLocal
	}
	return ""
}

// allowsLocal reports whether a local name may be a host. With AllowNetworks, the
// addresses of the name decide later, which needs names to be resolved here.
func (e *Egress) allowsLocal(topLevel string) bool {
	return e.opts.InsecureAllowPrivateNetworks ||
		len(e.opts.AllowNetworks) > 0 && !e.namesToProxy && topLevel != "localhost" && topLevel != "localdomain"
}

// checkLabel returns why label may not be part of a host name, or "". It allows
// letters, digits and hyphens (RFC 1123), and the underscore, which is common below
// wildcard certificates.
func checkLabel(label string) words.Text {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return reasonHost
	}
	for i := range len(label) {
		switch c := label[i]; {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_':
		case c >= 0x80:
			return reasonHostIDN
		default:
			return reasonHost
		}
	}
	return ""
}

// isNumber reports whether label is decimal, octal or hexadecimal digits.
func isNumber(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return strings.Trim(label, "0123456789") == ""
}

// isLocal reports whether a name has a meaning inside a network only. Such a name has
// one label, or ends in one that is reserved (RFC 6761, 6762, 8375, ICANN's internal)
// or customary for this.
func isLocal(name, topLevel string) bool {
	switch topLevel {
	case "localhost", "localdomain", "local", "internal", "intranet", "lan", "home", "corp", "private", "svc", "onion":
		return true
	}
	return len(name) == len(topLevel) || name == "home.arpa" || strings.HasSuffix(name, ".home.arpa")
}
