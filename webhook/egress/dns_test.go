package egress_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

// TestNameServers has Go's own resolver ask name servers, good and bad ones.
func TestNameServers(t *testing.T) {
	t.Parallel()
	const (
		host = "hooks.example.com"
		gone = "must have a host name that resolves"
	)
	hostIs := func(values ...string) *nameServer { return zone(map[string][]string{host: values}) }
	thousand := func(more ...string) []string {
		for i := range 1000 {
			more = append(more, netip.AddrFrom4([4]byte{8, 8, byte(i / 256), byte(i % 256)}).String())
		}
		return more
	}
	for _, tt := range []struct {
		name    string
		server  *nameServer
		code    egress.Code // of the delivery; connect if something was dialled
		dialled []string
		reason  string // at registration; "" if accepted, "dns" for an Error
	}{
		{"A", hostIs("8.8.8.8"), egress.CodeConnect, []string{"8.8.8.8:443"}, ""},
		{"A and AAAA", hostIs("8.8.8.8", "2606:4700::1"), egress.CodeConnect, []string{"8.8.8.8:443", "[2606:4700::1]:443"}, ""},
		{"A public, AAAA private", hostIs("8.8.8.8", "fd00::1"), egress.CodeConnect, []string{"8.8.8.8:443"}, wantAddress},
		{"A public, AAAA loopback", hostIs("8.8.8.8", "::1"), egress.CodeConnect, []string{"8.8.8.8:443"}, wantAddress},
		{"A private, AAAA public", hostIs("10.0.0.1", "2606:4700::1"), egress.CodeConnect, []string{"[2606:4700::1]:443"}, wantAddress},
		{"mixed", hostIs("127.0.0.1", "8.8.8.8", "169.254.169.254"), egress.CodeConnect, []string{"8.8.8.8:443"}, wantAddress},
		{"private", hostIs("192.168.1.1"), egress.CodeBlockedAddress, nil, wantAddress},
		{"0.0.0.0", hostIs("0.0.0.0"), egress.CodeBlockedAddress, nil, wantAddress},
		{"::", hostIs("::"), egress.CodeBlockedAddress, nil, wantAddress},
		{"mapped public AAAA", hostIs("::ffff:8.8.8.8"), egress.CodeConnect, []string{"8.8.8.8:443"}, ""},
		{"mapped loopback AAAA", hostIs("::ffff:127.0.0.1"), egress.CodeBlockedAddress, nil, wantAddress},
		{"link-local AAAA", hostIs("fe80::1"), egress.CodeBlockedAddress, nil, wantAddress},
		{"NAT64 of loopback", hostIs("64:ff9b::7f00:1"), egress.CodeBlockedAddress, nil, wantAddress},
		{"CNAME to public", zone(map[string][]string{
			host: {"edge.example.net"}, "edge.example.net": {"8.8.8.8"},
		}), egress.CodeConnect, []string{"8.8.8.8:443"}, ""},
		{"CNAME to private", zone(map[string][]string{
			host: {"db.example.net"}, "db.example.net": {"10.0.0.5"},
		}), egress.CodeBlockedAddress, nil, wantAddress},
		{"CNAME to a name of the inside", zone(map[string][]string{
			host: {"metadata.google.internal"}, "metadata.google.internal": {"169.254.169.254"},
		}), egress.CodeBlockedAddress, nil, wantAddress},
		{"CNAME chain to private", zone(map[string][]string{
			host: {"a.example.net"}, "a.example.net": {"b.example.org"}, "b.example.org": {"127.0.0.1", "::1"},
		}), egress.CodeBlockedAddress, nil, wantAddress},
		{"CNAME to nowhere", zone(map[string][]string{host: {"gone.example.net"}}), egress.CodeDNS, nil, gone},
		{"CNAME loop", zone(map[string][]string{host: {host}}), egress.CodeDNS, nil, gone},
		{"empty answer", hostIs(), egress.CodeDNS, nil, gone},
		{"NXDOMAIN", zone(nil), egress.CodeDNS, nil, gone},
		{"SERVFAIL", fails(dnsServFail), egress.CodeDNS, nil, "dns"},
		{"REFUSED", fails(dnsRefused), egress.CodeDNS, nil, "dns"},
		{"no answer", fails(-1), egress.CodeDNS, nil, "dns"},
		{"1000 records", hostIs(thousand()...), egress.CodeConnect, nil, ""},
		{"1000 records and a private one", hostIs(thousand("10.0.0.1")...), egress.CodeConnect, nil, wantAddress},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			limit := time.Minute
			silent := tt.name == "no answer"
			if silent {
				limit = 50 * time.Millisecond
			}
			e := newEgress(t, &egress.Options{Resolver: tt.server.resolver(t), DNSTimeout: limit})
			d := new(dials)
			d.to(e, "")
			_, err := post(t, e, "https://"+host+"/")
			requireCode(t, tt.code, err)
			if strings.HasPrefix(tt.name, "1000") {
				require.Len(t, d.all(), 8)
				require.NotContains(t, d.all(), "10.0.0.1:443")
			} else {
				require.ElementsMatch(t, tt.dialled, d.all())
			}

			err = e.CheckAddress(t.Context(), "https://"+host+"/")
			switch tt.reason {
			case "":
				require.NoError(t, err)
			case "dns":
				requireCode(t, egress.CodeDNS, err)
			default:
				var refused *egress.URLError
				require.ErrorAs(t, err, &refused)
				require.Equal(t, tt.reason, refused.Reason)
			}
			if silent {
				return // It may end before the server gets to run.
			}
			tt.server.mu.Lock()
			defer tt.server.mu.Unlock()
			require.Equal(t, []string{host}, slices.Compact(slices.Clone(tt.server.asked)), "nothing else is asked, no search domain")
		})
	}
}

// TestNothingIsRemembered looks a name up for each connection, whatever time its
// records claim to be good for.
func TestNothingIsRemembered(t *testing.T) {
	t.Parallel()
	for _, ttl := range []uint32{0, 86400} {
		t.Run(fmt.Sprintf("TTL %d", ttl), func(t *testing.T) {
			t.Parallel()
			private := false
			server := &nameServer{answer: func(name string, aaaa bool) (int, []record) {
				if aaaa {
					return dnsNoError, nil
				}
				addr := "8.8.8.8"
				if private {
					addr = "127.0.0.1"
				}
				return dnsNoError, []record{{name: name, ttl: ttl, addr: netip.MustParseAddr(addr)}}
			}}
			ca := newAuthority(t)
			r := receive(t, ca.issue(t, nil), func(p *peer) {
				p.say("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
			})
			e := newEgress(t, &egress.Options{Resolver: server.resolver(t), RootCAs: ca.pool()})
			new(dials).to(e, r.address)
			for i := range 3 {
				_, err := post(t, e, "https://hooks.example.com/")
				require.NoError(t, err)
				require.Len(t, server.asked, 2*(i+1), "A and AAAA, each time")
			}
			private = true
			_, err := post(t, e, "https://hooks.example.com/")
			requireCode(t, egress.CodeBlockedAddress, err)
			require.EqualValues(t, 3, r.accepted.Load())
		})
	}
}

// TestADeafResolverIsNotWaitedFor has a resolver that goes on when its context ends,
// and answers later.
func TestADeafResolverIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := newEgress(t, &egress.Options{Resolver: resolverFunc(func(context.Context, string) ([]netip.Addr, error) {
			<-time.After(time.Minute)
			return []netip.Addr{netip.MustParseAddr("8.8.8.8")}, nil
		})})
		d := new(dials)
		d.to(e, "")
		began := time.Now()
		_, err := egress.Post(t.Context(), e.Transport(), "https://hooks.example.com/", nil, nil)
		requireCode(t, egress.CodeDNS, err)
		require.Equal(t, 3*time.Second, time.Since(began))

		began = time.Now()
		requireCode(t, egress.CodeDNS, e.CheckAddress(t.Context(), "https://hooks.example.com/"))
		require.Equal(t, 3*time.Second, time.Since(began))

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began = time.Now()
		requireCode(t, egress.CodeDNS, e.CheckAddress(ctx, "https://hooks.example.com/"))
		require.Equal(t, time.Second, time.Since(began))

		<-time.After(2 * time.Minute)
		synctest.Wait()
		require.Empty(t, d.all(), "an answer that comes too late is not used")
	})
}

// TestAHostThatTurnsPrivate has a host that was public when it was registered. Its
// new address has a listener, and only the rules keep the transport from it.
func TestAHostThatTurnsPrivate(t *testing.T) {
	t.Parallel()
	for _, private := range []string{"127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0", "::", "::1"} {
		t.Run(private, func(t *testing.T) {
			t.Parallel()
			ca := newAuthority(t)
			r := receive(t, ca.issue(t, nil), func(p *peer) { p.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") })
			_, port, err := net.SplitHostPort(r.address)
			require.NoError(t, err)
			target := "https://hooks.example.com:" + port + "/"
			var current atomic.Pointer[string]
			now := func(addr string) { current.Store(&addr) }
			now("8.8.8.8")
			options := egress.Options{
				RootCAs: ca.pool(), AllowPort: func(uint16) bool { return true },
				Resolver: resolverFunc(func(ctx context.Context, host string) ([]netip.Addr, error) {
					return answer(*current.Load())(ctx, host)
				}),
			}
			e := newEgress(t, &options)
			require.NoError(t, e.CheckAddress(t.Context(), target), "public at registration")
			now(private)
			_, err = post(t, e, target)
			requireCode(t, egress.CodeBlockedAddress, err)
			require.Zero(t, r.accepted.Load())

			if private == "127.0.0.1" {
				options.InsecureAllowPrivateNetworks = true
				_, err = post(t, newEgress(t, &options), target)
				require.NoError(t, err, "it could be reached")
				require.EqualValues(t, 1, r.accepted.Load())
			}
		})
	}
}
