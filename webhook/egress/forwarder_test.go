package egress_test

import (
	"crypto/tls"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

// forwarder is a proxy that leads every tunnel to the same receiver, whatever
// address it is asked for.
type forwarder struct {
	*receiver

	client string // the name in the certificate that was shown to it

	mu    sync.Mutex
	asked []*http.Request
}

// forward starts a proxy, over TLS if config is not nil.
func forward(tb testing.TB, config *tls.Config, target string) *forwarder {
	tb.Helper()
	f := &forwarder{}
	f.receiver = receive(tb, config, func(p *peer) {
		r, _, err := p.request()
		if err != nil {
			return
		}
		f.mu.Lock()
		f.asked = append(f.asked, r)
		f.client += shown(p)
		f.mu.Unlock()
		far, err := net.Dial("tcp", target)
		if err != nil {
			return
		}
		_, _ = io.WriteString(p, "HTTP/1.1 200 Connection established\r\nVia: "+mark+"\r\n\r\n")
		var wg sync.WaitGroup
		wg.Go(func() {
			_, _ = io.Copy(far, p.in)
			_ = far.Close()
		})
		_, _ = io.Copy(p, far)
		_ = p.Close()
		wg.Wait()
	})
	return f
}

// targets are what tunnels were asked for.
func (f *forwarder) targets() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []string
	for _, r := range f.asked {
		all = append(all, r.Method+" "+r.RequestURI)
	}
	return all
}

// behind returns options with a proxy and the public host hooks.example.com.
func behind(proxy *receiver) egress.Options {
	return egress.Options{Proxy: &egress.Proxy{URL: "http://" + proxy.address}, Resolver: answer("8.8.8.8")}
}

func basic(userinfo string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(userinfo))
}

// requireOurs requires an error that counts against no receiver.
func requireOurs(tb testing.TB, text string, err error) {
	tb.Helper()
	require.EqualError(tb, err, "egress: post: "+text)
	var refused *egress.Error
	require.NotErrorAs(tb, err, &refused)
}
