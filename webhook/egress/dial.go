package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"syscall"
)

// CheckAddress applies [Egress.CheckURL] and resolves the host. It refuses the URL,
// with a [*URLError], if the host has no address or one that may not be reached. If
// the resolver fails, the error is an [*Error] of [CodeDNS], which says nothing about
// the URL. Where a proxy resolves names, nothing is looked up.
//
// It is meant for registration. A delivery is less strict: it uses those addresses
// of a host that are allowed.
func (e *Egress) CheckAddress(ctx context.Context, raw string) error {
	t, reason := e.parse(raw)
	if reason != "" {
		return e.refuse(reason)
	}
	if t.addr.IsValid() || e.namesToProxy {
		return nil
	}
	addrs, err := e.lookup(ctx, t.host)
	if err != nil {
		if dns, ok := errors.AsType[*net.DNSError](err); ok && dns.IsNotFound {
			return e.refuse(reasonNotFound)
		}
		return err
	}
	for _, a := range addrs {
		if !e.addresses.allows(a) {
			return e.refuse(reasonAddress)
		}
	}
	return nil
}

// dialHTTP connects for the scheme http.
func (e *Egress) dialHTTP(ctx context.Context, _, address string) (conn net.Conn, err error) {
	defer recoverFault(&err)
	if !e.opts.InsecureAllowHTTP {
		return nil, blocked("the scheme http is not allowed")
	}
	conn, _, tag, err := e.dial(ctx, "http", address)
	if err != nil {
		return nil, err
	}
	return e.frame(conn, tag), nil
}

// dialTLS connects for the scheme https. It makes the handshake itself, and not
// the transport, so that whatever fails in it is known to be TLS.
func (e *Egress) dialTLS(ctx context.Context, _, address string) (_ net.Conn, err error) {
	defer recoverFault(&err)
	raw, host, tag, err := e.dial(ctx, "https", address)
	if err != nil {
		return nil, err
	}
	var ourFault error
	conn := tls.Client(raw, e.handshakeConfig(host, &ourFault))
	ctx, cancel := context.WithTimeout(ctx, e.opts.TLSHandshakeTimeout)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		if ourFault != nil {
			return nil, ourFault
		}
		return nil, &Error{Code: CodeTLS, cause: err}
	}
	return e.frame(conn, tag), nil
}

// dial connects to the first of the host's allowed addresses that accepts.
// Rules for host and port apply again: a stored URL may be older than they are,
// and net/http maps characters such as full-width digits after any check.
func (e *Egress) dial(ctx context.Context, scheme, address string) (conn net.Conn, host, tag string, err error) {
	tag, address, err = untagged(address)
	if err != nil {
		return nil, "", "", blocked(err.Error())
	}
	host, port, err := splitHostPort(address)
	if err != nil {
		return nil, "", "", blocked(err.Error())
	}
	if !e.allowPort(scheme, port) {
		return nil, "", "", blocked("port " + strconv.Itoa(int(port)) + " is not allowed")
	}
	candidates, err := e.candidates(ctx, host, port)
	if err != nil {
		return nil, "", "", err
	}
	conn, err = e.connectFirst(ctx, host, candidates)
	return conn, host, tag, err
}

// splitHostPort is stricter than package net: the port must be a number.
func splitHostPort(address string) (string, uint16, error) {
	host, digits, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	port, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || port == 0 {
		return "", 0, fmt.Errorf("port %q is not a number from 1 to 65535", digits)
	}
	return lower(host), uint16(port), nil
}

// candidates returns at least one address for host that may be connected to. If the
// proxy resolves names, it returns the name.
func (e *Egress) candidates(ctx context.Context, host string, port uint16) ([]string, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Zone() != "" || !e.addresses.allows(addr) {
			return nil, blocked(addr.String() + " is not public")
		}
		return []string{netip.AddrPortFrom(addr.Unmap(), port).String()}, nil
	}
	if reason := e.checkName(host); reason != "" {
		return nil, blocked("url " + string(reason))
	}
	if e.namesToProxy {
		return []string{host + ":" + strconv.Itoa(int(port))}, nil
	}
	addrs, err := e.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	var four, six []string
	for _, a := range addrs {
		switch a = a.WithZone("").Unmap(); {
		case !e.addresses.allows(a):
		case a.Is4():
			four = append(four, netip.AddrPortFrom(a, port).String())
		default:
			six = append(six, netip.AddrPortFrom(a, port).String())
		}
	}
	if len(four)+len(six) == 0 {
		return nil, blocked(fmt.Sprintf("none of %d addresses is public", len(addrs)))
	}
	if addrs[0].Unmap().Is4() { // The resolver prefers it (RFC 6724).
		return e.worked.first(host, turns(four, six)), nil
	}
	return e.worked.first(host, turns(six, four)), nil
}

// lookup resolves a name to at least one address. All its errors are of CodeDNS.
func (e *Egress) lookup(ctx context.Context, name string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, e.opts.DNSTimeout)
	defer cancel()
	addrs, err := e.lookupInTime(ctx, name)
	if err == nil && len(addrs) == 0 {
		err = &net.DNSError{Err: "no addresses", Name: name, IsNotFound: true}
	}
	if err != nil {
		return nil, &Error{Code: CodeDNS, cause: err}
	}
	return addrs, nil
}

// recoverFault turns a panic of a function in [Options] into a [fault]. The function
// runs on a goroutine of ours or of net/http, where a panic would end the program.
func recoverFault(err *error) {
	if p := recover(); p != nil {
		*err = &fault{what: "a function of the host panicked", cause: fmt.Errorf("panic: %v", p)}
	}
}

// lookupInTime returns when ctx ends, even if the resolver goes on.
func (e *Egress) lookupInTime(ctx context.Context, name string) ([]netip.Addr, error) {
	type answer struct {
		addrs []netip.Addr
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		var a answer
		defer func() { answered <- a }()
		defer recoverFault(&a.err)
		a.addrs, a.err = e.opts.Resolver.LookupNetIP(ctx, "ip", name)
	}()
	select {
	case a := <-answered:
		return a.addrs, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (e *Egress) dialer() *net.Dialer { return &net.Dialer{ControlContext: e.control} }

// control is the last check before the kernel connects. It sees the very address
// that the socket connects to.
func (e *Egress) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	if network != "tcp4" && network != "tcp6" {
		return blocked("network " + network + " is not allowed")
	}
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return blocked(err.Error())
	}
	if !e.addresses.allows(ap.Addr()) {
		return blocked(ap.Addr().String() + " is not public")
	}
	return nil
}

func blocked(why string) error {
	return &Error{Code: CodeBlockedAddress, cause: errors.New(why)}
}
