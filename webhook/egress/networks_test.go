package egress_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

func TestNetworks(t *testing.T) {
	t.Parallel()
	vpn := &egress.Options{AllowNetworks: prefixes("10.20.0.0/16", "192.168.7.7/32", "fd12:3456::/32")}
	all := &egress.Options{AllowNetworks: prefixes(
		"127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7",
	), AllowNAT64: true}
	own := &egress.Options{DenyNetworks: prefixes("8.8.0.0/16", "2606:4700::/32", "10.20.30.0/24"), AllowNAT64: true}
	both := &egress.Options{AllowNetworks: vpn.AllowNetworks, DenyNetworks: own.DenyNetworks}
	private := &egress.Options{InsecureAllowPrivateNetworks: true, DenyNetworks: own.DenyNetworks}
	for _, tt := range []struct {
		name    string
		options *egress.Options
		yes, no []string
	}{
		{
			"a partner's", vpn,
			[]string{"10.20.0.0", "10.20.255.255", "::ffff:10.20.1.2", "192.168.7.7", "fd12:3456::1", "8.8.8.8", "2606:4700::1"},
			[]string{
				"10.19.255.255", "10.21.0.0", "192.168.7.6", "192.168.7.8", "fd12:3457::1", "127.0.0.1", "::1", "100.64.0.1",
				"169.254.169.254", "fe80::1", "0.0.0.0", "::", "255.255.255.255", "64:ff9b::10.20.0.1", "2002:a14:1::1", "::10.20.0.1",
			},
		},
		{
			"all there are", all,
			[]string{"127.0.0.1", "::1", "10.0.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "fd00::1", "64:ff9b::8.8.8.8"},
			[]string{
				// Metadata services.
				"169.254.169.254", "168.63.129.16", "100.100.100.200", "::ffff:100.100.100.200", "192.0.0.192", "fd00:ec2::254",
				"fd00:ec2::254%eth0", "fd00:ec2::23", "fd20:ce::254", "fd00:42::42", "fd00:c1::a9fe:a9fe", "fd00:a9fe:a9fe::1",
				"fd00:100::100:200",
				// Link-local, and no hosts at all.
				"169.254.1.1", "fe80::1", "fe80::1%eth0", "fec0::1", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "240.0.0.1", "192.0.2.1",
				"198.18.0.1", "2001:db8::1",
				// Others' networks.
				"64:ff9b::10.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254",
			},
		},
		{
			"own public ones denied", own,
			[]string{"8.7.255.255", "8.9.0.0", "1.1.1.1", "2606:4701::1", "64:ff9b::1.1.1.1"},
			[]string{"8.8.0.0", "8.8.255.255", "::ffff:8.8.8.8", "2606:4700::1", "2606:4700::1%eth0", "64:ff9b::8.8.8.8", "10.20.30.1", "10.20.0.1"},
		},
		{
			"denied within allowed", both,
			[]string{"10.20.0.1", "10.20.31.1", "1.1.1.1"},
			[]string{"10.20.30.1", "8.8.8.8"},
		},
		{
			"denied within private ones", private,
			[]string{"10.20.29.255", "127.0.0.1", "1.1.1.1"},
			[]string{"10.20.30.1", "::ffff:10.20.30.1", "8.8.8.8", "fd00:ec2::23"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEgress(t, tt.options)
			for _, a := range tt.yes {
				require.True(t, e.Allowed(netip.MustParseAddr(a)), a)
			}
			for _, a := range tt.no {
				require.False(t, e.Allowed(netip.MustParseAddr(a)), a)
			}
		})
	}
}

func TestNetworksAreChecked(t *testing.T) {
	t.Parallel()
	unmasked := netip.MustParsePrefix("10.20.0.1/16")
	mapped := netip.MustParsePrefix("::ffff:10.0.0.0/104")
	for _, p := range append(prefixes(
		"0.0.0.0/0", "::/0", "8.8.8.0/24", "10.0.0.0/7", "172.16.0.0/11", "100.0.0.0/8", "192.0.0.0/8", "126.0.0.0/7",
		"169.254.0.0/16", "169.254.169.254/32", "168.63.129.16/32", "198.18.0.0/15", "224.0.0.0/4", "0.0.0.0/8", "192.0.2.0/24",
		"fe80::/10", "fec0::/10", "2000::/3", "2001:db8::/32", "64:ff9b::/96", "::/127", "::1/127", "f800::/5", "ff00::/8",
	), unmasked, mapped, netip.Prefix{}) {
		_, err := egress.New(&egress.Options{AllowNetworks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), p}})
		require.EqualError(t, err, "egress: new: AllowNetworks[1] is not a private network: "+p.String())
	}
	for _, p := range []netip.Prefix{unmasked, mapped, {}} {
		_, err := egress.New(&egress.Options{DenyNetworks: []netip.Prefix{p}})
		require.EqualError(t, err, "egress: new: DenyNetworks[0] is not a network: "+p.String())
	}
	_, err := egress.New(&egress.Options{DenyNetworks: prefixes("0.0.0.0/0", "::/0")})
	require.NoError(t, err, "nothing at all is a rule, too")
}

// TestNetworksAreOurOwn changes the caller's slices afterwards.
func TestNetworksAreOurOwn(t *testing.T) {
	t.Parallel()
	o := egress.Options{AllowNetworks: prefixes("10.20.0.0/16"), DenyNetworks: prefixes("8.8.8.0/24")}
	e := newEgress(t, &o)
	o.AllowNetworks[0], o.DenyNetworks[0] = netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("1.1.1.1/32")
	require.False(t, e.Allowed(netip.MustParseAddr("127.0.0.1")))
	require.False(t, e.Allowed(netip.MustParseAddr("8.8.8.8")))
	require.True(t, e.Allowed(netip.MustParseAddr("10.20.0.1")))
}

// TestAllowedNetworksAreReached dials for real, and what is beside them not at all.
func TestAllowedNetworksAreReached(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	r := receive(t, ca.issue(t, nil), func(p *peer) { p.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") })
	port := netip.MustParseAddrPort(r.address).Port()
	target := "https://hooks.example.com:" + r.address[len("127.0.0.1:"):] + "/"
	for _, tt := range []struct {
		name         string
		allow, deny  []netip.Prefix
		code         egress.Code
		registration string
	}{
		{"none", nil, nil, egress.CodeBlockedAddress, wantAddress},
		{"its own", prefixes("127.0.0.1/32"), nil, "", ""},
		{"the next", prefixes("127.0.0.2/32"), nil, egress.CodeBlockedAddress, wantAddress},
		{"allowed and denied", prefixes("127.0.0.0/8"), prefixes("127.0.0.0/24"), egress.CodeBlockedAddress, wantAddress},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e := newEgress(t, &egress.Options{
				AllowNetworks: tt.allow, DenyNetworks: tt.deny, AllowPort: egress.Ports(port),
				RootCAs: ca.pool(), Resolver: answer("127.0.0.1"),
			})
			_, err := post(t, e, target)
			registered := e.CheckAddress(t.Context(), target)
			if tt.code == "" {
				require.NoError(t, err)
				require.NoError(t, registered)
				return
			}
			requireCode(t, tt.code, err)
			require.EqualError(t, registered, "egress: url "+tt.registration)
		})
	}
	t.Cleanup(func() { require.EqualValues(t, 1, r.accepted.Load()) })
}

// TestNamesInAllowedNetworks lets local names through to where their addresses
// are checked.
func TestNamesInAllowedNetworks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		host, addr string
		dialled    []string
	}{
		{"erp.partner.internal", "10.20.1.2", []string{"10.20.1.2:443"}},
		{"erp.partner.internal", "10.21.1.2", nil},
		{"erp.partner.internal", "127.0.0.1", nil},
		{"metadata.google.internal", "169.254.169.254", nil},
		{"hooks.example.com", "10.20.1.2", []string{"10.20.1.2:443"}},
		{"localhost", "10.20.1.2", nil},
		{"x.localhost", "10.20.1.2", nil},
	} {
		t.Run(tt.host+" "+tt.addr, func(t *testing.T) {
			t.Parallel()
			e := newEgress(t, &egress.Options{AllowNetworks: prefixes("10.20.0.0/16"), Resolver: answer(tt.addr)})
			d := new(dials)
			d.to(e, "")
			_, err := post(t, e, "https://"+tt.host+"/")
			require.Equal(t, tt.dialled, d.all())
			if tt.dialled == nil {
				requireCode(t, egress.CodeBlockedAddress, err)
			}
		})
	}
}

func TestPorts(t *testing.T) {
	t.Parallel()
	list := []uint16{443, 8443}
	allowed := egress.Ports(list...)
	list[0] = 22
	for port, want := range map[uint16]bool{443: true, 8443: true, 0: false, 22: false, 80: false, 444: false, 65535: false} {
		require.Equal(t, want, allowed(port), port)
		require.False(t, egress.Ports()(port), "no ports are none")
	}
}
