package egress

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Transport sends requests by the rules of an [Egress]. It is safe for concurrent use.
//
// Requests of different owners share no connection, so what a receiver sends too much can
// be read as an answer by its own owner's requests only: see [WithOwner].
type Transport struct {
	inner *http.Transport
}

type ownerKey struct{}

// WithOwner says whose request it is that a [Transport] gets with this context. Any text
// will do, such as the id of a merchant.
func WithOwner(ctx context.Context, owner string) context.Context {
	return context.WithValue(ctx, ownerKey{}, owner)
}

var errMethod = errors.New("egress: round trip: only GET and POST have a response whose end is known")

// RoundTrip sends a GET or POST. The response has no TLS state.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL == nil || req.Method != http.MethodPost && req.Method != http.MethodGet && req.Method != "" {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, errMethod
	}
	owner, _ := req.Context().Value(ownerKey{}).(string)
	// net/http keeps connections by the host that it dials.
	own, target := new(http.Request), new(url.URL)
	*own, *target = *req, *req.URL
	own.URL, target.Host = target, tagged(owner, req.URL)
	if own.Host == "" {
		own.Host = req.URL.Host
	}
	resp, err := t.inner.RoundTrip(own)
	if resp != nil {
		resp.Request = req
	}
	return resp, err
}

// CloseIdleConnections closes the connections that no request uses.
func (t *Transport) CloseIdleConnections() { t.inner.CloseIdleConnections() }

// A tagged host is a tag, a kind and the host: "n" a name or IPv4 address, "6" an IPv6 address
// with '-' for ':'. Every host that is dialled is tagged.
const tagSize = 12

func tagged(owner string, u *url.URL) string {
	sum := sha256.Sum256([]byte(owner))
	var buf [128]byte
	out := hex.AppendEncode(buf[:0], sum[:tagSize/2])
	host := u.Hostname()
	if strings.Contains(host, ":") {
		out = append(append(out, ".6."...), strings.ReplaceAll(host, ":", "-")...)
	} else {
		out = append(append(out, ".n."...), host...)
	}
	if port := u.Port(); port != "" {
		out = append(append(out, ':'), port...)
	}
	return string(out)
}

var errUntagged = errors.New("host is not tagged")

// untagged undoes tagged, for an address with a port.
func untagged(address string) (tag, host string, err error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", "", err
	}
	if len(host) < tagSize+3 || host[tagSize] != '.' || host[tagSize+2] != '.' {
		return "", "", errUntagged
	}
	tag, kind, host := host[:tagSize], host[tagSize+1], host[tagSize+3:]
	if kind == '6' {
		host = strings.ReplaceAll(host, "-", ":")
	}
	return tag, net.JoinHostPort(host, port), nil
}

// idle counts the idle connections of each owner.
type idle struct {
	most int

	mu sync.Mutex
	of map[string]int
}

// add counts for an owner, by its tag, and reports whether it has not more than it may.
func (i *idle) add(tag string, n int) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.of[tag] += n
	if i.of[tag] == 0 {
		delete(i.of, tag)
	}
	return i.of[tag] <= i.most
}

// frame wraps a connection of an owner.
func (e *Egress) frame(conn net.Conn, tag string) net.Conn {
	return &framed{
		Conn: conn, ends: time.Now().Add(e.opts.MaxConnAge), asked: make(chan struct{}),
		idle: func(n int) bool { return e.idle.add(tag, n) },
	}
}
