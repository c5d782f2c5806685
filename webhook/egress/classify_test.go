package egress_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

// TestClassify is about the errors of transports other than this package's.
func TestClassify(t *testing.T) {
	t.Parallel()
	op := func(op string, err error) error { return &net.OpError{Op: op, Net: "tcp", Err: err} }
	for _, tt := range []struct {
		name string
		err  error
		want egress.Code
	}{
		{"nil", nil, ""},
		{"deadline", context.DeadlineExceeded, egress.CodeTimeout},
		{"deadline of a client", &url.Error{Op: "Post", URL: "https://x/", Err: context.DeadlineExceeded}, egress.CodeTimeout},
		{"deadline of a connection", op("read", os.ErrDeadlineExceeded), egress.CodeTimeout},
		{"cancelled", context.Canceled, egress.CodeConnection},
		{"name", op("dial", &net.DNSError{Err: "no such host", Name: "x"}), egress.CodeDNS},
		{"name, too late", op("dial", &net.DNSError{Err: "i/o timeout", IsTimeout: true}), egress.CodeDNS},
		{"refused", op("dial", os.NewSyscallError("connect", syscall.ECONNREFUSED)), egress.CodeConnect},
		{"dial, too late", op("dial", os.ErrDeadlineExceeded), egress.CodeConnect},
		{"reset", op("read", os.NewSyscallError("read", syscall.ECONNRESET)), egress.CodeConnection},
		{"reset, bare", syscall.ECONNRESET, egress.CodeConnection},
		{"broken pipe", fmt.Errorf("write: %w", syscall.EPIPE), egress.CodeConnection},
		{"EOF", io.EOF, egress.CodeConnection},
		{"unexpected EOF", fmt.Errorf("read: %w", io.ErrUnexpectedEOF), egress.CodeConnection},
		{"closed", net.ErrClosed, egress.CodeConnection},
		{"closed pipe", io.ErrClosedPipe, egress.CodeConnection},
		{"alert", op("remote error", errors.New("tls: bad certificate")), egress.CodeTLS},
		{"own alert", op("local error", errors.New("tls: bad record MAC")), egress.CodeTLS},
		{"no TLS", tls.RecordHeaderError{Msg: mark}, egress.CodeTLS},
		{"no TLS, of a client", &url.Error{Err: http.ErrSchemeMismatch}, egress.CodeTLS},
		{"certificate", &tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, egress.CodeTLS},
		{"authority", x509.UnknownAuthorityError{}, egress.CodeTLS},
		{"expired", x509.CertificateInvalidError{Reason: x509.Expired}, egress.CodeTLS},
		{"host", x509.HostnameError{Certificate: &x509.Certificate{}}, egress.CodeTLS},
		{"own code", fmt.Errorf("attempt: %w", &egress.Error{Code: egress.CodeBlockedAddress}), egress.CodeBlockedAddress},
		{"anything else", errors.New("malformed HTTP response \"" + mark + "\""), egress.CodeBadResponse},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, egress.Classify(tt.err))
			if tt.err == nil || tt.name == "cancelled" {
				return
			}
			rt := roundTripper(func(*http.Request) (*http.Response, error) { return nil, tt.err })
			_, err := egress.Post(t.Context(), rt, "https://hooks.example.com/", nil, nil)
			requireCode(t, tt.want, err)
			if tt.name != "own code" {
				require.ErrorIs(t, err, tt.err)
			}
		})
	}
}

// TestClosedBeforeTheRequest has the transport notice that the receiver hung up
// before it can write: net/http has an error of its own for that.
func TestClosedBeforeTheRequest(t *testing.T) {
	t.Parallel()
	closed := make(chan struct{})
	e := newEgress(t, &egress.Options{InsecureAllowHTTP: true, Resolver: answer("8.8.8.8")})
	e.SetConnect(func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		return closeSignal{near, closed}, far.Close()
	})
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { <-closed },
	})
	_, err := egress.Post(ctx, e.Transport(), "http://hooks.example.com/", nil, []byte("{}"))
	requireCode(t, egress.CodeConnection, err)
}

type closeSignal struct {
	net.Conn

	closed chan struct{}
}

func (c closeSignal) Close() error {
	close(c.closed)
	return c.Conn.Close()
}

func TestEndOfTimeIsATimeout(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Nanosecond, errors.New("stopped"))
	defer cancel()
	rt := roundTripper(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, context.Cause(r.Context())
	})
	_, err := egress.Post(ctx, rt, "https://hooks.example.com/", nil, nil)
	var failed *egress.Error
	require.ErrorAs(t, err, &failed)
	require.Equal(t, egress.CodeTimeout, failed.Code)
}

func TestNewNamesEveryFault(t *testing.T) {
	t.Parallel()
	e, err := egress.New(&egress.Options{
		MaxURLLength: -1, MaxIdleConns: -1, MaxIdleConnsPerHost: -1,
		DNSTimeout: -1, DialTimeout: -1, TLSHandshakeTimeout: -1, IdleConnTimeout: -1, MaxConnAge: -1,
	})
	require.Nil(t, e)
	for _, name := range []string{
		"MaxURLLength", "MaxIdleConns", "MaxIdleConnsPerHost", "DNSTimeout", "DialTimeout", "TLSHandshakeTimeout", "IdleConnTimeout", "MaxConnAge",
	} {
		require.ErrorContains(t, err, name+" is negative")
	}
}

func TestTransportIsTheSafeOne(t *testing.T) {
	t.Parallel()
	e := newEgress(t, nil)
	require.Same(t, e.Transport(), e.Transport())
	require.Same(t, e.Transport(), e.Client().Transport)
	tr := e.Transport().Inner()
	require.Nil(t, tr.Proxy)
	require.True(t, tr.DisableCompression)
	require.False(t, tr.DisableKeepAlives)
	require.EqualValues(t, 32<<10, tr.MaxResponseHeaderBytes)
	require.True(t, tr.Protocols.HTTP1())
	require.False(t, tr.Protocols.HTTP2())
	require.False(t, tr.Protocols.UnencryptedHTTP2())
	require.Positive(t, tr.MaxIdleConns)
	require.Positive(t, tr.MaxIdleConnsPerHost)
	require.Positive(t, tr.IdleConnTimeout)
}
