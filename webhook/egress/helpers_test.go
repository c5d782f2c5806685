package egress_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

func TestMain(m *testing.M) {
	log.SetOutput(&printed) // net/http reports there what a receiver sends beyond its response.
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if text := printed.String(); code == 0 && text != "" {
			_, _ = fmt.Fprintln(os.Stderr, "a receiver reached the standard logger:", text)
			code = 1
		}
		os.Exit(code)
	}))
}

// newEgress returns an Egress that is closed with the test.
func newEgress(tb testing.TB, o *egress.Options) *egress.Egress {
	tb.Helper()
	e, err := egress.New(o)
	require.NoError(tb, err)
	tb.Cleanup(e.Transport().CloseIdleConnections)
	return e
}

// post posts with a deadline that only a hanging test meets.
func post(tb testing.TB, e *egress.Egress, url string) (egress.Response, error) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(tb.Context(), time.Minute)
	defer cancel()
	return egress.Post(ctx, e.Transport(), url, http.Header{"Content-Type": {"application/json"}}, []byte(`{"id":"evt_1"}`))
}

func requireCode(tb testing.TB, want egress.Code, err error) {
	tb.Helper()
	var refused *egress.Error
	require.ErrorAs(tb, err, &refused)
	require.Equal(tb, want, refused.Code, "cause: %v", refused.Unwrap())
	require.Equal(tb, want, egress.Classify(err))
	require.Equal(tb, "egress: "+string(want), err.Error(), "no other text, whatever the peer sent")
}

// resolverFunc answers look-ups in tests.
type resolverFunc func(ctx context.Context, host string) ([]netip.Addr, error)

func (f resolverFunc) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	return f(ctx, host)
}

// answer resolves every name to the same addresses.
func answer(addrs ...string) resolverFunc {
	return func(context.Context, string) ([]netip.Addr, error) {
		parsed := make([]netip.Addr, len(addrs))
		for i, a := range addrs {
			parsed[i] = netip.MustParseAddr(a)
		}
		return parsed, nil
	}
}

// dials records what would be connected to and leads it somewhere else.
type dials struct {
	mu   sync.Mutex
	seen []string
}

// to sends all connections of e to target, or refuses them if that is empty.
func (d *dials) to(e *egress.Egress, target string) {
	e.SetConnect(func(ctx context.Context, network, address string) (net.Conn, error) {
		d.mu.Lock()
		d.seen = append(d.seen, address)
		d.mu.Unlock()
		if target == "" {
			return nil, &net.OpError{Op: "dial", Net: network, Err: context.DeadlineExceeded}
		}
		return new(net.Dialer).DialContext(ctx, network, target)
	})
}

func (d *dials) all() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.seen
}
