package egress_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

func TestLookups(t *testing.T) {
	t.Parallel()
	public := func(n int) []string {
		addrs := make([]string, n)
		for i := range addrs {
			addrs[i] = netip.AddrFrom4([4]byte{8, 8, byte(i / 256), byte(i % 256)}).String()
		}
		return addrs
	}
	failing := func(err error) resolverFunc {
		return func(context.Context, string) ([]netip.Addr, error) { return nil, err }
	}
	for _, tt := range []struct {
		name     string
		resolver resolverFunc
		code     egress.Code // of the delivery; connect if something was dialled
		dialled  int
		reason   string // at registration; "" if accepted, "dns" for an Error
	}{
		{"public", answer("8.8.8.8"), egress.CodeConnect, 1, ""},
		{"public v6", answer("2606:4700:4700::1111"), egress.CodeConnect, 1, ""},
		{"both", answer("2606:4700:4700::1111", "8.8.8.8"), egress.CodeConnect, 2, ""},
		{"mapped public", answer("::ffff:8.8.8.8"), egress.CodeConnect, 1, ""},
		{"private", answer("10.0.0.1"), egress.CodeBlockedAddress, 0, wantAddress},
		{"loopback, as nip.io answers", answer("127.0.0.1"), egress.CodeBlockedAddress, 0, wantAddress},
		{"metadata", answer("169.254.169.254"), egress.CodeBlockedAddress, 0, wantAddress},
		{"public and private", answer("10.0.0.1", "8.8.8.8", "127.0.0.1", "1.1.1.1"), egress.CodeConnect, 2, wantAddress},
		{"A public, AAAA private", answer("fd00::1", "8.8.8.8"), egress.CodeConnect, 1, wantAddress},
		{"A private, AAAA public", answer("2606:4700:4700::1111", "192.168.0.1"), egress.CodeConnect, 1, wantAddress},
		{"unspecified", answer("0.0.0.0"), egress.CodeBlockedAddress, 0, wantAddress},
		{"unspecified v6", answer("::"), egress.CodeBlockedAddress, 0, wantAddress},
		{"mapped loopback", answer("::ffff:127.0.0.1"), egress.CodeBlockedAddress, 0, wantAddress},
		{"mapped with zone", answer("::ffff:169.254.169.254%eth0"), egress.CodeBlockedAddress, 0, wantAddress},
		{"link-local with zone", answer("fe80::1%eth0"), egress.CodeBlockedAddress, 0, wantAddress},
		{"NAT64", answer("64:ff9b::7f00:1"), egress.CodeBlockedAddress, 0, wantAddress},
		{"no such address", func(context.Context, string) ([]netip.Addr, error) {
			return []netip.Addr{{}}, nil
		}, egress.CodeBlockedAddress, 0, wantAddress},
		{"1000 public", answer(public(1000)...), egress.CodeConnect, 8, ""},
		{"1000 and a private one", answer(append(public(1000), "10.0.0.1")...), egress.CodeConnect, 8, wantAddress},
		{"empty", answer(), egress.CodeDNS, 0, "must have a host name that resolves"},
		{"NXDOMAIN", failing(&net.DNSError{Err: "no such host", IsNotFound: true}), egress.CodeDNS, 0, "must have a host name that resolves"},
		{"SERVFAIL", failing(&net.DNSError{Err: "server misbehaving", IsTemporary: true}), egress.CodeDNS, 0, "dns"},
		{"resolver's timeout", failing(&net.DNSError{Err: "i/o timeout", IsTimeout: true}), egress.CodeDNS, 0, "dns"},
		{"other error", failing(errors.New("10.0.0.53: refused")), egress.CodeDNS, 0, "dns"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEgress(t, &egress.Options{Resolver: resolverFunc(func(ctx context.Context, host string) ([]netip.Addr, error) {
				require.Equal(t, "hooks.example.com", host)
				return tt.resolver(ctx, host)
			})})
			d := new(dials)
			d.to(e, "")
			_, err := post(t, e, "https://Hooks.Example.com/")
			requireCode(t, tt.code, err)
			require.Len(t, d.all(), tt.dialled)
			for _, address := range d.all() {
				ap, err := netip.ParseAddrPort(address)
				require.NoError(t, err)
				require.True(t, expected(ap.Addr()), address)
				require.False(t, ap.Addr().Is4In6(), "dialled as what it is")
				require.Equal(t, uint16(443), ap.Port())
			}

			err = e.CheckAddress(t.Context(), "https://hooks.example.com/")
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
		})
	}
}

func TestCheckAddressTakesLiteralsAsTheyAre(t *testing.T) {
	t.Parallel()
	e := newEgress(t, &egress.Options{Resolver: answer()})
	require.NoError(t, e.CheckAddress(t.Context(), "https://8.8.8.8/"))
	require.NoError(t, e.CheckAddress(t.Context(), "https://[2606:4700:4700::1111]/"))
}
