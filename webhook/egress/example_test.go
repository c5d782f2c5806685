package egress_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"time"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

func ExampleEgress_CheckURL() {
	out, err := egress.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, typed := range []string{
		"HTTPS://Hooks.Example.com:443/rag?k=v",
		"http://hooks.example.com/",
		"https://localhost/",
		"https://169.254.169.254/latest/meta-data/",
		"https://0x7f.1/",
	} {
		url, err := out.CheckURL(typed)
		if refused, ok := errors.AsType[*egress.URLError](err); ok {
			fmt.Println("url", refused.Reason)
			continue
		}
		fmt.Println(url)
	}
	// Output:
	// https://hooks.example.com/rag?k=v
	// url must start with https://
	// url must have a public host name
	// url must have a public address
	// url must have a host name, or an IPv4 address as four decimal numbers
}

func ExamplePost() {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Printf("%s %s %s\n", r.Method, r.Header.Get("X-Webhook-Event"), body)
		_, _ = io.WriteString(w, "thank you")
	}))
	defer receiver.Close()
	out, err := egress.New(&egress.Options{
		InsecureAllowHTTP:            true, // The receiver of this example is a local one.
		InsecureAllowPrivateNetworks: true,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer out.Transport().CloseIdleConnections()

	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	header := http.Header{"Content-Type": {"application/json"}, "X-Webhook-Event": {"document.deleted"}}
	resp, err := egress.Post(ctx, out.Transport(), receiver.URL, header, []byte(`{"id":"evt_1"}`))
	fmt.Println(resp.StatusCode, resp.Body, err)
	// Output:
	// POST document.deleted {"id":"evt_1"}
	// 200 thank you <nil>
}

func ExampleError() {
	out, err := egress.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	// Registered long ago, under other rules.
	_, err = egress.Post(context.Background(), out.Transport(), "https://127.0.0.1/", nil, nil)
	if failed, ok := errors.AsType[*egress.Error](err); ok {
		fmt.Println(failed.Code)
	}
	// Output:
	// blocked_address
}

// A network whose only way out is a proxy.
func ExampleProxy() {
	proxy := &egress.Proxy{URL: "http://webhooks:secret@proxy.internal:3128"}
	out, err := egress.New(&egress.Options{Proxy: proxy})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer out.Transport().CloseIdleConnections()
	fmt.Println("deliveries go through", proxy) // Without the password, however it is printed.

	// The rules for receivers are the same, though the proxy may be a private host.
	_, err = out.CheckURL("https://proxy.internal/")
	fmt.Println(err)
	// Output:
	// deliveries go through Proxy(http://proxy.internal:3128)
	// egress: url must have a public host name
}

// A receiver that wants to know who sends: mutual TLS.
func ExampleCertificates() {
	receiver := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println("sent with", len(r.TLS.PeerCertificates), "certificate")
	}))
	receiver.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13}
	receiver.StartTLS()
	defer receiver.Close()
	roots := x509.NewCertPool()
	roots.AddCert(receiver.Certificate())

	own := receiver.TLS.Certificates[0] // Yours is likely to come from tls.LoadX509KeyPair.
	out, err := egress.New(&egress.Options{
		InsecureAllowPrivateNetworks: true, // The receiver of this example is a local one.
		RootCAs:                      roots,
		ClientCertificate:            egress.Certificates(own),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer out.Transport().CloseIdleConnections()
	resp, err := egress.Post(context.Background(), out.Transport(), receiver.URL, nil, []byte(`{"id":"evt_1"}`))
	fmt.Println(resp.StatusCode, err)
	// Output:
	// sent with 1 certificate
	// 200 <nil>
}

// A partner behind a VPN, and a range of public addresses that is our own.
func ExampleOptions_networks() {
	out, err := egress.New(&egress.Options{
		AllowNetworks: []netip.Prefix{netip.MustParsePrefix("10.20.0.0/16")},
		DenyNetworks:  []netip.Prefix{netip.MustParsePrefix("8.8.0.0/16")},
		AllowPort:     egress.Ports(443, 8443),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, typed := range []string{
		"https://10.20.1.2:8443/hook", "https://10.21.1.2/hook", "https://8.8.8.8/hook", "https://1.1.1.1:9443/hook",
	} {
		_, err := out.CheckURL(typed)
		fmt.Println(typed, err)
	}
	// Output:
	// https://10.20.1.2:8443/hook <nil>
	// https://10.21.1.2/hook egress: url must have a public address
	// https://8.8.8.8/hook egress: url must have a public address
	// https://1.1.1.1:9443/hook egress: url must not use this port; 443 is the usual one
}
