package verifier

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// ErrUnknownTenant is what a [Finder] returns if nobody is meant by a request.
var ErrUnknownTenant = errors.New("verifier: the tenant is not known")

// Finder returns whom a request is for, and what verifies it: the tenant that the path names,
// say, with his secret. It is asked when the body has arrived, which r.Body has, before
// anything is verified: of r, believe what it looks up.
//
// [ErrUnknownTenant] is answered as a wrong signature. Any other error, an empty tenant and a
// nil Checker are answered with 503, and reach OnReject wrapped in [ErrSecrets]. Several
// goroutines may call it at once.
type Finder func(r *http.Request) (tenant string, c Checker, err error)

// MiddlewareForEach is [MiddlewareFor] for many tenants, each with a Checker of his own. The
// handler finds the tenant in [Message]. Of opts, the limits, ContentTypes and OnReject count,
// for all tenants, so that no answer tells which there are: set MaxBody if one of them is sent
// what is longer, as by GitHub. How long an answer takes may.
func MiddlewareForEach(find Finder, opts *Options) (func(http.Handler) http.Handler, error) {
	if find == nil {
		return middlewareOf(nil, opts)
	}
	return middlewareOf(func(r *http.Request) (string, Checker, error) {
		tenant, c, err := find(r)
		if err == nil && (tenant == "" || c == nil) {
			err = errors.New("a tenant without a name, or with nothing to verify with, was found")
		}
		return tenant, c, err
	}, opts)
}

func middlewareOf(find Finder, opts *Options) (func(http.Handler) http.Handler, error) {
	o := withDefaults(opts)
	err := o.validate()
	if find == nil {
		err = errors.Join(errors.New("there is nothing to verify with"), err)
	}
	if err != nil {
		return nil, fmt.Errorf("verifier: middleware: %w", err)
	}
	return (&Verifier{opts: o, find: find}).Middleware, nil
}

// checkerOf returns what verifies a request whose body was read: nil if v does.
func (v *Verifier) checkerOf(r *http.Request, body []byte) (tenant string, c Checker, f *refusal) {
	if v.find == nil {
		return "", nil, nil
	}
	shown := r.WithContext(r.Context())
	shown.Body = io.NopCloser(bytes.NewReader(body))
	tenant, c, err := v.find(shown)
	switch {
	case err == nil:
		return tenant, c, nil
	case errors.Is(err, ErrUnknownTenant):
		return "", nil, &refusal{http.StatusUnauthorized, "invalid signature", err}
	}
	return "", nil, &refusal{http.StatusServiceUnavailable, "unavailable", fmt.Errorf("%w: %w", ErrSecrets, err)}
}
