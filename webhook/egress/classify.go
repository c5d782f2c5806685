package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
)

// Code names the step at which a request failed. It is made to be shown to the
// owner of an endpoint: it says where to look, and nothing about the network
// that the request came from or about what was found there.
type Code string

// What can go wrong before there is a status.
const (
	CodeTimeout        Code = "timeout"         // no status in the time that the context gave
	CodeDNS            Code = "dns"             // the name did not resolve to an address in time
	CodeBlockedAddress Code = "blocked_address" // the rules, or the proxy, do not allow this host, address or port
	CodeConnect        Code = "connect"         // no address accepted a connection in time
	CodeConnection     Code = "connection"      // the connection broke before the response began or in its header
	CodeTLS            Code = "tls"             // the handshake failed: certificate, version, or no TLS at all
	CodeBadResponse    Code = "bad_response"    // something other than an HTTP response with a status of 200 to 599
)

// Error is the error of a request that failed on the receiver's side.
type Error struct {
	Code Code

	cause error
}

// Error returns the code and nothing else, so that it can be logged.
func (e *Error) Error() string { return "egress: " + string(e.Code) }

// Unwrap returns the cause. Show it to operators only: its text may hold addresses of
// your network and bytes that the peer chose.
func (e *Error) Unwrap() error { return e.cause }

// Suspect reports whether the cause may be on this side, as far as one request can
// tell: the resolver failed without saying that there is no such name, no way led to
// any of the addresses, or the certificate's authority is unknown. If many hosts fail
// so at once, it is.
func (e *Error) Suspect() bool {
	switch e.Code {
	case CodeDNS:
		dns, ok := errors.AsType[*net.DNSError](e.cause)
		return !ok || !dns.IsNotFound
	case CodeTLS:
		_, unknown := errors.AsType[x509.UnknownAuthorityError](e.cause)
		_, none := errors.AsType[x509.SystemRootsError](e.cause)
		return unknown || none
	case CodeConnect:
		causes := []error{e.cause}
		if joined, ok := e.cause.(interface{ Unwrap() []error }); ok {
			causes = joined.Unwrap()
		}
		return !slices.ContainsFunc(causes, func(err error) bool { return !wayless(err) })
	default:
		return false
	}
}

// wayless reports whether nothing came back from an address.
func wayless(err error) bool {
	for _, no := range []syscall.Errno{syscall.ENETUNREACH, syscall.EHOSTUNREACH, syscall.ENETDOWN} {
		if errors.Is(err, no) {
			return true
		}
	}
	timeout, ok := errors.AsType[net.Error](err)
	return errors.Is(err, context.DeadlineExceeded) || ok && timeout.Timeout()
}

// Classify returns the code of an error of a round trip, whichever
// http.RoundTripper made it, and "" for nil. The code names the step that failed: a
// look-up that takes too long is [CodeDNS], not [CodeTimeout]. A fault of this side's
// proxy or client certificate is [CodeConnect], and an unknown error
// [CodeBadResponse].
func Classify(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	if _, ok := errors.AsType[*fault](err); ok {
		return CodeConnect
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return CodeDNS
	}
	op, isOp := errors.AsType[*net.OpError](err)
	if isTLS(err) || isOp && (op.Op == "remote error" || op.Op == "local error") { // Alerts of crypto/tls.
		return CodeTLS
	}
	if isOp && op.Op == "dial" {
		return CodeConnect
	}
	if timeout, ok := errors.AsType[net.Error](err); errors.Is(err, context.DeadlineExceeded) || ok && timeout.Timeout() {
		return CodeTimeout
	}
	if isOp || isBroken(err) {
		return CodeConnection
	}
	return CodeBadResponse
}

// fault is an error of this side: of the proxy, or of a function in [Options]. No
// receiver is to blame for it.
type fault struct {
	what  string // a fixed text, a code or a status
	cause error
}

// Error returns a text that can be logged, as that of [Error].
func (f *fault) Error() string { return f.what }

// Unwrap returns the cause, or nil.
func (f *fault) Unwrap() error { return f.cause }

// localFault returns the part of err that is this side's: a limit of the machine, or
// a [fault]. It returns nil if there is none.
func localFault(err error) error {
	lookup, isLookup := errors.AsType[*net.DNSError](err)
	for _, limit := range limits() {
		// Of a failed look-up, package net keeps the cause as text only.
		if errors.Is(err, limit) || isLookup && strings.HasSuffix(lookup.Err, limit.Error()) {
			return limit
		}
	}
	if f, ok := errors.AsType[*fault](err); ok {
		return f
	}
	return nil
}

// limits are the errors of a machine that has no more of something.
func limits() []syscall.Errno {
	return []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL}
}

// Exhausted reports whether an error of [Post] says that this machine, or process, has
// no more descriptors or memory for a connection. It may have in a moment, with fewer
// requests at once.
func Exhausted(err error) bool {
	return slices.ContainsFunc(limits(), func(limit syscall.Errno) bool {
		// A machine without IPv6 says EADDRNOTAVAIL, too, and will say so again.
		return limit != syscall.EADDRNOTAVAIL && errors.Is(err, limit)
	})
}

func isTLS(err error) bool {
	if errors.Is(err, http.ErrSchemeMismatch) {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return true
	}
	_, ok := errors.AsType[x509.CertificateInvalidError](err)
	return ok
}

func isBroken(err error) bool {
	for _, broken := range []error{io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed, context.Canceled} {
		if errors.Is(err, broken) {
			return true
		}
	}
	if _, ok := errors.AsType[syscall.Errno](err); ok {
		return true
	}
	// A peer that closes before the request is written: net/http keeps the value
	// of this error to itself.
	return strings.HasSuffix(err.Error(), "http: server closed idle connection")
}
