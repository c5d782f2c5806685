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

// Failed is an error of a code and its cause.
func Failed(code Code, cause error) *Error { return &Error{Code: code, cause: cause} }

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

// closing is a connection whose reader is overtaken by a Close.
type closing struct {
	net.Conn

	during func()
}

func (c *closing) Read(p []byte) (int, error) {
	c.during()
	return copy(p, "HTTP/1.1 204 No Content\r\n\r\n"), nil
}
func (c *closing) Write(p []byte) (int, error) { return len(p), nil }
func (c *closing) Close() error                { return nil }

// IdleAfter returns how many connections are counted as idle after one was closed, or not,
// while its response arrived.
func IdleAfter(closed bool) (idle int) {
	c := &closing{}
	f := &framed{Conn: c, asked: make(chan struct{}), idle: func(n int) bool { idle += n; return true }}
	c.during = func() {
		if closed {
			_ = f.Close()
		}
	}
	_, _ = f.Write([]byte("POST / HTTP/1.1\r\n"))
	_, _ = f.Read(make([]byte, 100))
	return idle
}
