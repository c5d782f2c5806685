package egress

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Proxy is a forward proxy that opens tunnels with CONNECT (RFC 9110, section
// 9.3.6). Whatever prints it prints its scheme, host and port only.
type Proxy struct {
	// URL is where the proxy listens, such as http://10.0.0.5:3128. With https:// the
	// way to the proxy is encrypted too. A user:password@ before the host is sent as
	// Basic authentication. The host may be private. If it is a name, the system
	// resolves it, not Options.Resolver. The port defaults to that of the scheme.
	URL string

	// RootCAs are the authorities that the certificate of an https proxy must come
	// from. Defaults to nil: those of the system.
	RootCAs *x509.CertPool

	// InsecureResolveNames hands the names of hosts to the proxy, for networks in
	// which only the proxy has DNS. By default a name is looked up here, and the
	// proxy is asked for an address that was checked. With this option, URLs are
	// still checked, but the addresses of names are not. The proxy has to refuse
	// private addresses, as Smokescreen does. If it does not, everyone who can
	// register a webhook can reach its network.
	InsecureResolveNames bool
}

// Format writes scheme, host and port whatever the verb and its flags.
func (p Proxy) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.shown()) }

// MarshalText returns scheme, host and port, also inside JSON.
func (p Proxy) MarshalText() ([]byte, error) { return []byte(p.shown()), nil }

// LogValue returns scheme, host and port.
func (p Proxy) LogValue() slog.Value { return slog.StringValue(p.shown()) }

func (p Proxy) shown() string {
	u, err := p.parse()
	if err != nil {
		return "Proxy(invalid)"
	}
	return "Proxy(" + u.Scheme + "://" + u.Host + ")"
}

// parse returns URL in parts. Its errors quote nothing of it.
func (p Proxy) parse() (*url.URL, error) {
	u, err := url.Parse(p.URL)
	if err != nil {
		return nil, errors.New("is not a valid URL")
	}
	port, portErr := strconv.ParseUint(u.Port(), 10, 16)
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("does not start with http:// or https://")
	case u.Hostname() == "":
		return nil, errors.New("has no host")
	case u.Port() != "" && (portErr != nil || port == 0):
		return nil, errors.New("has no port between 1 and 65535")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("has more than scheme, user, host and port")
	case strings.Contains(u.User.Username(), ":"):
		return nil, errors.New("has a user with a colon, which Basic authentication cannot carry")
	}
	return u, nil
}

// tunnel connects through a proxy.
type tunnel struct {
	address string      // of the proxy
	tls     *tls.Config // nil: the proxy is reached without TLS
	header  string      // of a CONNECT request, whole lines

	dialTCP func(ctx context.Context, network, address string) (net.Conn, error)
}

// newTunnel returns a tunnel through p, or nil if that is nil.
func newTunnel(p *Proxy) (*tunnel, error) {
	if p == nil {
		return nil, nil
	}
	u, err := p.parse()
	if err != nil {
		return nil, fmt.Errorf("Proxy.URL %w", err)
	}
	t, port := &tunnel{dialTCP: new(net.Dialer).DialContext}, "80"
	if u.Scheme == "https" {
		port = "443"
		t.tls = newTLS(p.RootCAs)
		t.tls.ServerName = u.Hostname()
	}
	if u.Port() != "" {
		port = u.Port()
	}
	t.address = net.JoinHostPort(u.Hostname(), port)
	if u.User != nil {
		password, _ := u.User.Password()
		t.header = "Proxy-Authorization: Basic " +
			base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password)) + "\r\n"
	}
	return t, nil
}

// connect opens a tunnel to address. If the proxy is to blame for an error, the error
// is a [fault]. Otherwise the proxy did not reach the address.
func (t *tunnel) connect(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := t.dial(ctx, network)
	if err != nil {
		return nil, proxyFault(err)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	opened, err := t.open(conn, address)
	if !stop() { // The time is over, and the proxy may have been waiting for the address.
		err = ctx.Err()
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return opened, nil
}

func (t *tunnel) dial(ctx context.Context, network string) (net.Conn, error) {
	raw, err := t.dialTCP(ctx, network, t.address)
	if err != nil || t.tls == nil {
		return raw, err
	}
	conn := tls.Client(raw, t.tls)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return conn, nil
}

// open asks the proxy at the other end of conn for a tunnel to address.
func (t *tunnel) open(conn net.Conn, address string) (net.Conn, error) {
	_, err := io.WriteString(conn, "CONNECT "+address+" HTTP/1.1\r\nHost: "+address+"\r\n"+t.header+"\r\n")
	if err != nil {
		return nil, proxyFault(err)
	}
	in := bufio.NewReader(&io.LimitedReader{R: conn, N: maxHeaderBytes})
	//nolint:bodyclose // what follows the header of a 2xx is the tunnel, and the rest is closed with conn
	resp, err := http.ReadResponse(in, &http.Request{Method: http.MethodConnect})
	if err != nil {
		return nil, proxyFault(err)
	}
	if err := refusal(resp); err != nil {
		return nil, err
	}
	if n := in.Buffered(); n > 0 {
		early, _ := in.Peek(n)
		return readAhead{conn, io.MultiReader(bytes.NewReader(early), conn)}, nil
	}
	return conn, nil
}

// refusal returns why a proxy opens no tunnel, or nil. What it says about the target
// and what it says about us are different errors.
func refusal(resp *http.Response) error {
	what := "proxy: status " + strconv.Itoa(resp.StatusCode)
	switch resp.StatusCode {
	case http.StatusForbidden:
		return blocked(what)
	case http.StatusProxyAuthRequired:
		// Smokescreen refuses a target with a 407 that asks for no credentials.
		if resp.Header.Get("Proxy-Authenticate") == "" {
			return blocked(what)
		}
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return errors.New(what)
	}
	if resp.StatusCode/100 == 2 {
		return nil
	}
	return &fault{what: what}
}

// readAhead is a connection whose first bytes have been read already.
type readAhead struct {
	net.Conn

	in io.Reader
}

func (c readAhead) Read(p []byte) (int, error) { return c.in.Read(p) }

func proxyFault(cause error) error {
	return &fault{what: "proxy: " + string(Classify(cause)), cause: cause}
}
