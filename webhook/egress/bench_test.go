package egress_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

// BenchmarkPost posts 1 KiB over kept connections, once with this package and
// once with a bare tuned client. The client's ns/op is the floor.
func BenchmarkPost(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 1024)
	for _, scheme := range []string{"http", "https"} {
		answer := func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, "ok")
		}
		srv := httptest.NewUnstartedServer(http.HandlerFunc(answer))
		roots := x509.NewCertPool()
		if scheme == "https" {
			srv.StartTLS()
			roots.AddCert(srv.Certificate())
		} else {
			srv.Start()
		}
		b.Cleanup(srv.Close)
		out, err := egress.New(&egress.Options{
			InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true, RootCAs: roots,
		})
		require.NoError(b, err)
		b.Cleanup(out.Transport().CloseIdleConnections)

		client := srv.Client()
		tuned, ok := client.Transport.(*http.Transport)
		require.True(b, ok)
		tuned.MaxIdleConnsPerHost = 256
		tuned.DisableCompression = true
		for _, tt := range []struct {
			name string
			send func() error
		}{
			{"bare", func() error { return bare(client, srv.URL, body) }},
			{"post", func() error { return guarded(out.Transport(), srv.URL, body) }},
		} {
			b.Run(scheme+"/"+tt.name+"/serial", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := tt.send(); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(scheme+"/"+tt.name+"/parallel", func(b *testing.B) {
				b.ReportAllocs()
				b.SetParallelism(32)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := tt.send(); err != nil {
							b.Error(err)
						}
					}
				})
			})
		}
	}
}

func bare(client *http.Client, url string, body []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header = exampleHeader()
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return err
}

func guarded(rt http.RoundTripper, url string, body []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := egress.Post(ctx, rt, url, exampleHeader(), body)
	return err
}

func exampleHeader() http.Header {
	return http.Header{
		"Content-Type":          {"application/json"},
		"X-Webhook-Signature":   {"sha256=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		"X-Webhook-Event":       {"document.created"},
		"X-Webhook-ID":          {"whk_0192f3a4b5c6d7e8"},
		"X-Webhook-Delivery-ID": {"whdel_0192f3a4b5c6d7e8"},
		"User-Agent":            {"RAG-Assistant-Webhooks/1.0"},
	}
}

// BenchmarkPostInProcess is what Post itself costs, without a network.
func BenchmarkPostInProcess(b *testing.B) {
	body := bytes.Repeat([]byte("x"), 1024)
	rt := roundTripper(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body[:2])), ContentLength: 2}, nil
	})
	b.ReportAllocs()
	for b.Loop() {
		if err := guarded(rt, "https://hooks.example.com/hook", body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheckURL(b *testing.B) {
	e := newEgress(b, nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.CheckURL("https://hooks.example.com/rag-assistant?token=1"); err != nil {
			b.Fatal(err)
		}
	}
}
