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

		bare := func(ctx context.Context, header http.Header) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, srv.URL, bytes.NewReader(body))
			if err != nil {
				return err
			}
			req.Header = header
			resp, err := (srv.Client()).Do(req)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			return err
		}
		tuned, ok := srv.Client().Transport.(*http.Transport)
		require.True(b, ok)
		tuned.MaxIdleConnsPerHost = 256
		tuned.DisableCompression = true
		post := func(ctx context.Context, header http.Header) error {
			_, err := egress.Post(ctx, out.Transport(), srv.URL, header, body)
			return err
		}
		for _, tt := range []struct {
			name string
			send func(context.Context, http.Header) error
		}{{"bare", bare}, {"post", post}} {
			send := func(b *testing.B) {
				ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
				defer cancel()
				if err := tt.send(ctx, exampleHeader()); err != nil {
					b.Error(err)
				}
			}
			b.Run(scheme+"/"+tt.name+"/serial", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					send(b)
				}
			})
			b.Run(scheme+"/"+tt.name+"/parallel", func(b *testing.B) {
				b.ReportAllocs()
				b.SetParallelism(32)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						send(b)
					}
				})
			})
		}
	}
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
