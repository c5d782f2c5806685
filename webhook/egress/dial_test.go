package egress_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

// TestStoredURLsAreCheckedAgain posts to URLs that would have been refused at
// registration, had the rules been the same then.
func TestStoredURLsAreCheckedAgain(t *testing.T) {
	t.Parallel()
	n := 0
	for i, tt := range refusedURLs {
		if !tt.dial {
			continue
		}
		n++
		t.Run(fmt.Sprintf("%d %.40q", i, tt.url), func(t *testing.T) {
			t.Parallel()
			var lookups atomic.Int32
			e := newEgress(t, &egress.Options{Resolver: resolverFunc(func(context.Context, string) ([]netip.Addr, error) {
				lookups.Add(1)
				return []netip.Addr{netip.MustParseAddr("8.8.8.8")}, nil
			})})
			d := new(dials)
			d.to(e, "")
			_, err := post(t, e, tt.url)
			requireCode(t, egress.CodeBlockedAddress, err)
			require.Empty(t, d.all(), "nothing is dialled")
			require.Zero(t, lookups.Load(), "nothing is looked up")
		})
	}
	require.Greater(t, n, 100)
}

// TestNothingStoredGetsThrough posts to every refused URL, also to those that
// net/http cannot make a request of.
func TestNothingStoredGetsThrough(t *testing.T) {
	t.Parallel()
	for i, tt := range refusedURLs {
		u, err := url.Parse(tt.url)
		if err == nil && strings.HasSuffix(strings.ToLower(u.Hostname()), "example.com") {
			continue // A user, a fragment or the like: ill-formed, but a public host.
		}
		t.Run(fmt.Sprintf("%d %.40q", i, tt.url), func(t *testing.T) {
			t.Parallel()
			e := newEgress(t, &egress.Options{Resolver: answer("127.0.0.1", "::1")})
			d := new(dials)
			d.to(e, "")
			_, err := post(t, e, tt.url)
			require.Error(t, err)
			require.Empty(t, d.all())
		})
	}
}

// TestRealListenerSeesNothing replaces no step: the listener is real, and without the
// rules the transport would reach it.
func TestRealListenerSeesNothing(t *testing.T) {
	t.Parallel()
	var seen atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	srv.Config.ConnState = func(net.Conn, http.ConnState) { seen.Add(1) }
	srv.Start()
	t.Cleanup(srv.Close)
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	require.NoError(t, err)

	options := egress.Options{InsecureAllowHTTP: true, AllowPort: func(uint16) bool { return true }, Resolver: answer("127.0.0.1")}
	guarded := newEgress(t, &options)
	for _, host := range []string{
		"127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "169.254.169.254.nip.io", "localtest.me", "１２７.０.０.１", "0x7f.1",
	} {
		starts := 0
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{ConnectStart: func(string, string) { starts++ }})
		_, err := egress.Post(ctx, guarded.Transport(), "http://"+host+":"+port+"/", nil, nil)
		requireCode(t, egress.CodeBlockedAddress, err)
		require.Zero(t, starts, "%s: no socket", host)
	}
	require.Zero(t, seen.Load())

	options.InsecureAllowPrivateNetworks = true
	resp, err := post(t, newEgress(t, &options), "http://localtest.me:"+port+"/")
	require.NoError(t, err, "the listener can be reached when it may be")
	require.Equal(t, 200, resp.StatusCode)
	require.NotZero(t, seen.Load())
}

// TestRebinding gives each look-up another answer. What was checked is what is
// dialled, and no second look-up happens in between.
func TestRebinding(t *testing.T) {
	t.Parallel()
	var lookups atomic.Int32
	e := newEgress(t, &egress.Options{Resolver: resolverFunc(func(context.Context, string) ([]netip.Addr, error) {
		if lookups.Add(1)%2 == 1 {
			return []netip.Addr{netip.MustParseAddr("8.8.8.8")}, nil
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	})})
	d := new(dials)
	d.to(e, "")
	const target = "https://hooks.example.com/"
	require.NoError(t, e.CheckAddress(t.Context(), target), "public at registration")
	_, err := post(t, e, target)
	requireCode(t, egress.CodeBlockedAddress, err)
	require.Empty(t, d.all(), "private at delivery")
	_, err = post(t, e, target)
	requireCode(t, egress.CodeConnect, err)
	require.Equal(t, []string{"8.8.8.8:443"}, d.all())
	require.EqualValues(t, 3, lookups.Load())
}

// TestControlHasTheLastWord plays a bug in the checks of dial: what SetConnect
// replaces comes after them, so it can connect to a forbidden address.
func TestControlHasTheLastWord(t *testing.T) {
	t.Parallel()
	var seen atomic.Int32
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ConnState = func(net.Conn, http.ConnState) { seen.Add(1) }
	srv.StartTLS()
	t.Cleanup(srv.Close)
	e := newEgress(t, &egress.Options{Resolver: answer("8.8.8.8", "1.1.1.1")})
	tries := 0
	e.SetConnect(func(ctx context.Context, network, _ string) (net.Conn, error) {
		tries++
		return e.Dial(ctx, network, srv.Listener.Addr().String())
	})
	_, err := post(t, e, "https://hooks.example.com/")
	requireCode(t, egress.CodeBlockedAddress, err)
	require.Equal(t, 1, tries, "an address that changed under way ends the attempt")
	require.Zero(t, seen.Load())
}

func TestAddressesAreTriedInTurn(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(srv.Close)
	e := newEgress(t, &egress.Options{InsecureAllowHTTP: true, Resolver: answer("2606:4700:4700::1111", "8.8.8.8", "1.1.1.1")})
	var tried []string
	e.SetConnect(func(ctx context.Context, network, address string) (net.Conn, error) {
		tried = append(tried, address)
		if address == "1.1.1.1:80" {
			return new(net.Dialer).DialContext(ctx, network, srv.Listener.Addr().String())
		}
		return nil, &net.OpError{Op: "dial", Net: network, Err: errors.New("no route to host")}
	})
	resp, err := post(t, e, "http://hooks.example.com/")
	require.NoError(t, err)
	require.Equal(t, 404, resp.StatusCode)
	require.Equal(t, []string{"[2606:4700:4700::1111]:80", "8.8.8.8:80", "1.1.1.1:80"}, tried)
}

func TestDefaultResolver(t *testing.T) {
	t.Parallel()
	pure := &net.Resolver{PreferGo: true}
	require.Equal(t, egress.Rooted(pure), egress.ResolverOf(newEgress(t, nil)))
	require.Equal(t, pure, egress.ResolverOf(newEgress(t, &egress.Options{InsecureAllowPrivateNetworks: true})))

	asked := ""
	_, err := egress.Rooted(resolverFunc(func(_ context.Context, host string) ([]netip.Addr, error) {
		asked = host
		return nil, nil
	})).LookupNetIP(t.Context(), "ip", "hooks.example.com")
	require.NoError(t, err)
	require.Equal(t, "hooks.example.com.", asked, "search domains are not tried")
}

// TestProxyVariablesAreIgnored has a listener where the variables point.
func TestProxyVariablesAreIgnored(t *testing.T) {
	proxy := receive(t, nil, func(p *peer) { p.say("HTTP/1.1 200 OK\r\n\r\n") })
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, "http://"+proxy.address)
	}
	t.Setenv("NO_PROXY", "")
	t.Setenv("no_proxy", "")
	for _, private := range []bool{false, true} { // With true, the proxy's address can be reached.
		e := newEgress(t, &egress.Options{
			InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: private, Resolver: answer("8.8.8.8"),
		})
		d := new(dials)
		d.to(e, "")
		for _, target := range []string{"https://hooks.example.com/", "http://hooks.example.com/"} {
			_, err := post(t, e, target)
			requireCode(t, egress.CodeConnect, err)
		}
		require.Equal(t, []string{"8.8.8.8:443", "8.8.8.8:80"}, d.all())
	}
	require.Zero(t, proxy.accepted.Load())
}
