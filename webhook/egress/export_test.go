package egress

import (
	"context"
	"net"
	"net/http"
	"net/netip"
)

// Inner is the transport of net/http.
func (t *Transport) Inner() *http.Transport { return t.inner }

// SetConnect replaces the connecting, so that tests need no public network. All checks
// come before it, except for that of the control function.
func (e *Egress) SetConnect(f func(ctx context.Context, network, address string) (net.Conn, error)) {
	e.connect = f
}

// SetProxy makes e reach p over what dial returns.
func (e *Egress) SetProxy(p *Proxy, dial func(ctx context.Context, network, address string) (net.Conn, error)) error {
	t, err := newTunnel(p)
	if err == nil {
		t.dialTCP, e.connect = dial, t.connect
	}
	return err
}

// Dial connects, if the control function allows it.
func (e *Egress) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	return e.dialer().DialContext(ctx, network, address)
}

// Allowed reports whether a may be connected to.
func (e *Egress) Allowed(a netip.Addr) bool { return e.addresses.allows(a) }

// Control is the control function of the dialer.
func (e *Egress) Control(network, address string) error {
	return e.control(context.Background(), network, address, nil)
}

// Rooted is the default resolver around r.
func Rooted(r Resolver) Resolver { return rooted{r} }

// ResolverOf returns the resolver that e uses.
func ResolverOf(e *Egress) Resolver { return e.opts.Resolver }

// Framed returns how many bytes of a text belong to the response that it begins with, and
// whether the response ends there.
func Framed(text []byte) (n int, ends bool) {
	f := &framed{state: inHead}
	n = f.take(text)
	return n, f.state == unasked
}
