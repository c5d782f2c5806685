package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"time"
)

// Options are the rules for URLs and connections. The zero value is what a
// public service wants.
type Options struct {
	// InsecureAllowHTTP also allows the scheme http and, for it, port 80. Bodies
	// and signatures then cross the network in the clear.
	InsecureAllowHTTP bool

	// InsecureAllowPrivateNetworks also allows names without a dot, names such as
	// localhost or x.internal, and the addresses that they have: loopback, RFC
	// 1918, RFC 6598 (100.64.0.0/10) and unique local IPv6. Everyone who can register
	// a webhook can then reach every host there, so it is for development and for
	// networks where that is no harm. Link-local addresses, the metadata services of
	// clouds, and unspecified, multicast and reserved addresses stay refused.
	InsecureAllowPrivateNetworks bool

	// AllowNetworks are private networks that may be reached besides public
	// addresses, such as that of a partner behind a VPN. Each must be part of what
	// InsecureAllowPrivateNetworks allows as a whole. Names such as x.internal are
	// allowed too, since their addresses are checked; names of the loopback are not.
	// Everyone who can register a webhook can reach every host in these networks, at
	// the ports of AllowPort, but not the metadata services of clouds. Defaults to
	// none.
	AllowNetworks []netip.Prefix

	// DenyNetworks are refused whatever else allows them, for example public
	// ranges of your own in which hosts trust each other. Defaults to none.
	DenyNetworks []netip.Prefix

	// AllowNAT64 allows 64:ff9b::/96 (RFC 6052) where the IPv4 address inside is
	// public. Networks without IPv4 that reach it through NAT64 need it.
	AllowNAT64 bool

	// AllowPort reports whether a URL may name this port: see [Ports]. Defaults to
	// [DefaultAllowPort], and to every port with InsecureAllowPrivateNetworks.
	AllowPort func(port uint16) bool

	// MaxURLLength is the longest URL that CheckURL takes, in bytes. Defaults to
	// 2048.
	MaxURLLength int

	// RootCAs are the authorities that receivers' certificates must come from.
	// Defaults to nil: those of the system.
	RootCAs *x509.CertPool

	// ClientCertificate chooses the certificate to show to a receiver that asks for
	// one; it may return nil for none. It is called in each such handshake, so that a
	// certificate can be renewed, and by many goroutines at once. [Certificates]
	// makes such a function of fixed certificates. An error of it counts against no
	// receiver. Any receiver can ask, and learns the name in the certificate.
	// Defaults to nil: no certificate.
	ClientCertificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error)

	// Proxy is the way to all receivers, for http and https alike. If it cannot be
	// reached, wants other credentials or makes no sense, that counts against no
	// receiver. If it refuses the receiver (403, or 407 without a challenge), the
	// code is [CodeBlockedAddress]. If it cannot reach the receiver (500, 502, 503,
	// 504, or silence for DialTimeout), the code is [CodeConnect]. Defaults to nil:
	// connections are made from here, whatever the environment says.
	Proxy *Proxy

	// Resolver looks up hosts. Its answers are checked, so it need not be trusted.
	// Defaults to Go's own resolver. Unlike many C libraries, that takes no name such
	// as "0x7f.1" for an address. It is asked without the search domains of
	// resolv.conf, unless InsecureAllowPrivateNetworks is set.
	Resolver Resolver

	// DNSTimeout bounds a look-up. Defaults to 3 seconds.
	DNSTimeout time.Duration

	// DialTimeout bounds connecting, over all addresses that are tried, the time that
	// a Proxy takes included. Families of addresses take turns, and the next address is
	// tried when one has failed or has not answered for 300 milliseconds (RFC 8305).
	// Defaults to 5 seconds.
	DialTimeout time.Duration

	// TLSHandshakeTimeout bounds the handshake. Defaults to 5 seconds.
	TLSHandshakeTimeout time.Duration

	// MaxIdleConns is how many connections without a request are kept open over
	// all hosts; the oldest goes first. An eighth of them may be of one owner. Each costs
	// two goroutines and some 10 to 40 KiB. Defaults to 1024.
	MaxIdleConns int

	// MaxIdleConnsPerHost is how many of them one host may have of one owner. If more
	// of his requests are in flight to one host, most of them have to open a new
	// connection. Defaults to 256.
	MaxIdleConnsPerHost int

	// MaxConnAge is for how long a connection is used, so that a host that moves to
	// another address is followed. Defaults to 10 minutes.
	MaxConnAge time.Duration

	// IdleConnTimeout is how long a connection is kept without a request. Defaults
	// to 60 seconds.
	IdleConnTimeout time.Duration
}

// Resolver looks up the addresses of a host. [net.Resolver] is one. Many goroutines
// call it at once, with network "ip" and a name in lower case without a final dot.
// When ctx ends, nobody waits for it.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

func (o Options) withDefaults() Options {
	number := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	duration := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	o.AllowNetworks, o.DenyNetworks = slices.Clone(o.AllowNetworks), slices.Clone(o.DenyNetworks)
	number(&o.MaxURLLength, 2048)
	number(&o.MaxIdleConns, 1024)
	number(&o.MaxIdleConnsPerHost, 256)
	duration(&o.DNSTimeout, 3*time.Second)
	duration(&o.DialTimeout, 5*time.Second)
	duration(&o.TLSHandshakeTimeout, 5*time.Second)
	duration(&o.IdleConnTimeout, time.Minute)
	duration(&o.MaxConnAge, 10*time.Minute)
	if o.AllowPort == nil {
		o.AllowPort = DefaultAllowPort
		if o.InsecureAllowPrivateNetworks {
			o.AllowPort = func(uint16) bool { return true }
		}
	}
	if o.Resolver == nil {
		pure := &net.Resolver{PreferGo: true}
		o.Resolver = rooted{pure}
		if o.InsecureAllowPrivateNetworks {
			o.Resolver = pure
		}
	}
	return o
}

func (o Options) validate() error {
	var bad []error
	number := func(name string, v int) {
		if v < 0 {
			bad = append(bad, fmt.Errorf("%s is negative: %d", name, v))
		}
	}
	duration := func(name string, v time.Duration) {
		if v < 0 {
			bad = append(bad, fmt.Errorf("%s is negative: %s", name, v))
		}
	}
	number("MaxURLLength", o.MaxURLLength)
	number("MaxIdleConns", o.MaxIdleConns)
	number("MaxIdleConnsPerHost", o.MaxIdleConnsPerHost)
	duration("DNSTimeout", o.DNSTimeout)
	duration("DialTimeout", o.DialTimeout)
	duration("TLSHandshakeTimeout", o.TLSHandshakeTimeout)
	duration("IdleConnTimeout", o.IdleConnTimeout)
	duration("MaxConnAge", o.MaxConnAge)
	bad = append(bad, checkNetworks(&o)...)
	return errors.Join(bad...)
}

// rooted adds a final dot to each name. Without it, a resolver may try the name below
// the search domains first, and so find a host of your network.
type rooted struct{ resolver Resolver }

// LookupNetIP makes rooted a [Resolver].
func (r rooted) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	return r.resolver.LookupNetIP(ctx, network, host+".")
}
