package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

const maxHeaderBytes = 32 << 10 // of a response, informational ones included

// ownerShare is the part of all idle connections that one owner may have.
const ownerShare = 8

// Egress holds the rules and the transport that keeps them. It is safe for
// concurrent use. Make one and keep it: it owns the idle connections.
type Egress struct {
	opts      Options
	addresses addresses
	tls       *tls.Config
	transport *Transport
	idle      *idle
	worked    *worked // which address of a host accepted last

	// namesToProxy is true if the proxy resolves names.
	namesToProxy bool

	// connect opens a connection to an address that was checked, through the proxy
	// if there is one.
	connect func(ctx context.Context, network, address string) (net.Conn, error)
}

// New returns an Egress with the given options; nil means the defaults. It
// fails with one error that names every field it cannot work with.
func New(o *Options) (*Egress, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	opts = opts.withDefaults()
	through, err := newTunnel(opts.Proxy)
	if err := errors.Join(opts.validate(), err); err != nil {
		return nil, fmt.Errorf("egress: new: %w", err)
	}
	e := &Egress{
		opts: opts, addresses: newAddresses(&opts), tls: newTLS(opts.RootCAs), worked: &worked{},
		idle: &idle{most: max(opts.MaxIdleConns/ownerShare, 1), of: map[string]int{}},
	}
	e.connect = e.dialer().DialContext
	if through != nil {
		e.connect, e.namesToProxy = through.connect, opts.Proxy.InsecureResolveNames
		e.opts.Proxy = nil // It holds a password, and the tunnel has all that is needed.
	}
	e.transport = e.newTransport()
	return e, nil
}

// Transport returns the transport that keeps e's rules. Every call returns the same
// one. Close its idle connections after the last request.
func (e *Egress) Transport() *Transport { return e.transport }

// Client returns a client on [Egress.Transport]. It is for requests other than
// deliveries, which [Post] sends. The client does not follow redirects. A request may
// take 15 seconds, its body included.
func (e *Egress) Client() *http.Client {
	return &http.Client{
		Transport:     e.transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       15 * time.Second,
	}
}

// newTransport sets no ResponseHeaderTimeout: it would only start once the
// request is written, which a receiver that does not read can put off for ever.
// The context of a request bounds it whole.
func (e *Egress) newTransport() *Transport {
	http1 := new(http.Protocols)
	http1.SetHTTP1(true)
	return &Transport{inner: &http.Transport{
		Proxy:                  nil, // net/http would give it names, to be resolved unchecked: see tunnel.
		DialContext:            e.dialHTTP,
		DialTLSContext:         e.dialTLS,
		Protocols:              http1,
		DisableCompression:     true, // A body is kept as it came.
		MaxResponseHeaderBytes: maxHeaderBytes,
		MaxIdleConns:           e.opts.MaxIdleConns,
		MaxIdleConnsPerHost:    e.opts.MaxIdleConnsPerHost,
		IdleConnTimeout:        e.opts.IdleConnTimeout,
	}}
}
