package egress

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/rag-assistant/webhooks/webhook/words"
)

// Why a URL is refused, to be read after "url". More are in host.go.
const (
	reasonHTTPS     = "must start with https://"
	reasonHTTP      = "must start with https:// or http://"
	reasonUserinfo  = "must not hold a user name or password"
	reasonFragment  = "must not have a fragment"
	reasonCharacter = "must hold the characters of a URL only; percent-encode all others"
	reasonEscape    = "must have two hexadecimal digits after each percent sign"
	reasonPort      = "must have a port between 1 and 65535"
	reasonPortRule  = "must not use this port; 443 is the usual one"
	reasonURL       = "must be a valid URL"
	reasonLength    = "must be at most %d characters long"
	reasonNotFound  = "must have a host name that resolves"
)

// URLError says why a URL is refused.
type URLError struct {
	// Reason is a fixed text for the person who typed the URL, made to be read
	// after the name of the field: "must start with https://". It holds nothing of
	// the URL and no error text.
	Reason string

	// Text is the reason for those who say it in words of their own.
	Text words.Message
}

// refuse says why a URL is refused.
func (e *Egress) refuse(reason words.Text) *URLError {
	said := words.Message{Text: reason}
	if reason == reasonLength {
		said.Args = []any{e.opts.MaxURLLength}
	}
	return &URLError{Reason: said.String(), Text: said}
}

func (e *URLError) Error() string { return "egress: url " + e.Reason }

// CheckURL applies the rules for a webhook URL and returns its normal form, in
// which scheme and host are in lower case, the scheme's own port is left out
// and the path is at least "/". Everything else stays byte for byte. It touches no
// network. A URL that breaks a rule is refused with a [*URLError].
//
// A URL has the scheme https, a host, and maybe a port, a path and a query. It has no
// user and no fragment. Parsers forgive different mistakes, so one may check another
// host than the next one connects to; CheckURL forgives none. A host is a public
// domain name in ASCII (an international one in its xn-- form), or a public address:
// IPv4 as four decimal numbers, or IPv6 in brackets. [Options] can allow more schemes,
// ports and hosts.
func (e *Egress) CheckURL(raw string) (string, error) {
	t, reason := e.parse(raw)
	if reason != "" {
		return "", e.refuse(reason)
	}
	return t.String(), nil
}

// target is a URL in parts that have all been checked.
type target struct {
	scheme    string
	host      string     // as in a URL, with brackets
	addr      netip.Addr // the zero Addr if host is a name
	port      uint16     // 0: the scheme's own
	pathQuery string     // as given
}

func (t target) String() string {
	authority := t.host
	if t.port != 0 {
		authority += ":" + strconv.Itoa(int(t.port))
	}
	return t.scheme + "://" + authority + t.pathQuery
}

// parse returns the parts of raw, or why it is refused.
func (e *Egress) parse(raw string) (t target, reason words.Text) {
	if len(raw) > e.opts.MaxURLLength {
		return t, reasonLength
	}
	scheme, rest, ok := strings.Cut(raw, "://")
	t.scheme = strings.ToLower(scheme)
	switch {
	case ok && t.scheme == "https":
	case ok && t.scheme == "http" && e.opts.InsecureAllowHTTP:
	case e.opts.InsecureAllowHTTP:
		return t, reasonHTTP
	default:
		return t, reasonHTTPS
	}
	authority := rest
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, t.pathQuery = rest[:i], rest[i:]
	}
	if reason := checkPathQuery(t.pathQuery); reason != "" {
		return t, reason
	}
	if !strings.HasPrefix(t.pathQuery, "/") {
		t.pathQuery = "/" + t.pathQuery
	}
	if reason := e.parseAuthority(&t, authority); reason != "" {
		return t, reason
	}
	normal := t.String()
	if len(normal) > e.opts.MaxURLLength {
		return t, reasonLength
	}
	// net/http must read the URL as it was read here.
	u, err := url.Parse(normal)
	if err != nil || u.User != nil || u.Scheme+"://"+u.Host+u.RequestURI() != normal {
		return t, reasonURL
	}
	return t, ""
}

// parseAuthority fills in host and port.
func (e *Egress) parseAuthority(t *target, authority string) (reason words.Text) {
	if strings.Contains(authority, "@") {
		return reasonUserinfo
	}
	host, port := authority, ""
	if i := strings.LastIndexByte(authority, ':'); i > strings.LastIndexByte(authority, ']') {
		host, port = authority[:i], authority[i+1:]
	}
	if reason := e.parseHost(t, lower(host)); reason != "" {
		return reason
	}
	schemePort := uint16(443)
	if t.scheme == "http" {
		schemePort = 80
	}
	t.port = schemePort
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || port[0] == '0' {
			return reasonPort
		}
		t.port = uint16(n)
	}
	if !e.allowPort(t.scheme, t.port) {
		return reasonPortRule
	}
	if t.port == schemePort {
		t.port = 0
	}
	return ""
}

func (e *Egress) parseHost(t *target, host string) (reason words.Text) {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		if !ok || err != nil || !addr.Is6() || addr.Zone() != "" {
			return reasonHostIPv6
		}
		t.addr = addr.Unmap()
		t.host = t.addr.String()
		if t.addr.Is6() {
			t.host = "[" + t.host + "]"
		}
		return e.checkAddr(t.addr)
	}
	t.host = host
	if addr, err := netip.ParseAddr(host); err == nil && addr.Is4() {
		t.addr = addr
		return e.checkAddr(addr)
	}
	return e.checkName(host)
}

func (e *Egress) allowPort(scheme string, port uint16) bool {
	return e.opts.AllowPort(port) || scheme == "http" && port == 80
}

// checkPathQuery returns what is wrong with path and query by RFC 3986, or "". It
// allows brackets, which the RFC does not, because many queries have them.
func checkPathQuery(rest string) (reason words.Text) {
	for i := range len(rest) {
		switch c := rest[i]; {
		case c == '#':
			return reasonFragment
		case c <= ' ', c >= 0x7f, strings.IndexByte("\"<>\\^`{|}", c) >= 0:
			return reasonCharacter
		case c == '%' && (i+2 >= len(rest) || !isHex(rest[i+1]) || !isHex(rest[i+2])):
			return reasonEscape
		}
	}
	return ""
}

// lower maps A to Z only. strings.ToLower would make a plain k of the Kelvin sign.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}
