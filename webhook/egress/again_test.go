package egress_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

// TestABreakingReceiverIsReachedTwiceAtMost keeps many connections to a receiver.
// Then the receiver begins to hang up after each request that it reads.
func TestABreakingReceiverIsReachedTwiceAtMost(t *testing.T) {
	t.Parallel()
	const kept = 20
	var breaking atomic.Bool
	var reached atomic.Int32
	var together sync.WaitGroup // lets no connection answer before all have a request
	together.Add(kept)
	ca := newAuthority(t)
	r := receive(t, ca.issue(t, nil), func(p *peer) {
		for first := true; ; first = false {
			if _, _, err := p.request(); err != nil {
				return
			}
			if breaking.Load() {
				reached.Add(1)
				return
			}
			if first {
				together.Done()
				together.Wait()
			}
			_, _ = io.WriteString(p, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		}
	})
	e, target := ca.sender(t, r, egress.Options{})
	var posts sync.WaitGroup
	for range kept {
		posts.Go(func() {
			_, err := post(t, e, target)
			if err != nil {
				t.Error(err)
			}
		})
	}
	posts.Wait()
	require.EqualValues(t, kept, r.accepted.Load(), "that many connections are kept")
	breaking.Store(true)
	_, err := post(t, e, target)
	requireCode(t, egress.CodeConnection, err)
	require.Positive(t, reached.Load())
	require.LessOrEqual(t, reached.Load(), int32(2))
}

// TestLimitsOfThisMachineAreNobodysFault fails as a machine without free sockets,
// memory or files does, in our dialler and in a foreign transport.
func TestLimitsOfThisMachineAreNobodysFault(t *testing.T) {
	t.Parallel()
	for _, limit := range []syscall.Errno{
		syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL,
	} {
		t.Run(limit.Error(), func(t *testing.T) {
			t.Parallel()
			e := newEgress(t, &egress.Options{InsecureAllowHTTP: true, Resolver: answer("8.8.8.8", "1.1.1.1")})
			fault := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", limit)}
			e.SetConnect(func(context.Context, string, string) (net.Conn, error) { return nil, fault })
			other := roundTripper(func(*http.Request) (*http.Response, error) { return nil, fmt.Errorf("wrapped: %w", fault) })
			for name, rt := range map[string]http.RoundTripper{"egress": e.Transport(), "another": other} {
				for _, scheme := range []string{"http", "https"} {
					_, err := egress.Post(t.Context(), rt, scheme+"://hooks.example.com/", nil, nil)
					require.ErrorIs(t, err, limit, name)
					_, blamed := errors.AsType[*egress.Error](err)
					require.False(t, blamed, "%s: %v", name, err)
				}
			}
		})
	}
}

func TestLimitsInALookupAreNobodysFault(t *testing.T) {
	t.Parallel()
	e := newEgress(t, &egress.Options{Resolver: resolverFunc(func(context.Context, string) ([]netip.Addr, error) {
		return nil, &net.DNSError{Err: "dial udp 192.0.2.53:53: socket: " + syscall.EMFILE.Error(), Name: "hooks.example.com"}
	})})
	_, err := post(t, e, "https://hooks.example.com/")
	require.ErrorIs(t, err, syscall.EMFILE)
	_, blamed := errors.AsType[*egress.Error](err)
	require.False(t, blamed)
}

// TestARefusedConnectionIsTheReceivers plays a machine without IPv6.
func TestARefusedConnectionIsTheReceivers(t *testing.T) {
	t.Parallel()
	e := newEgress(t, &egress.Options{InsecureAllowHTTP: true, Resolver: answer("2606:4700:4700::1111", "8.8.8.8")})
	e.SetConnect(func(_ context.Context, _, address string) (net.Conn, error) {
		cause := syscall.ECONNREFUSED
		if address[0] == '[' {
			cause = syscall.EADDRNOTAVAIL
		}
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", cause)}
	})
	_, err := post(t, e, "http://hooks.example.com/")
	requireCode(t, egress.CodeConnect, err)
}
