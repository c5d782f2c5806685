package jwtauth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/rag-assistant/webhooks/webhook"
)

// RemoteOptions configures a [Remote].
type RemoteOptions struct {
	// Refresh is the time from one fetch to the next. A withdrawn key is accepted for
	// up to as long. Defaults to 5 minutes.
	Refresh time.Duration

	// UnknownKeyInterval is the least time between two fetches that tokens with an
	// unknown key id cause, however many there are. Defaults to 30 seconds.
	UnknownKeyInterval time.Duration

	// Timeout bounds a fetch, and how long a request waits for one. Defaults to 10
	// seconds.
	Timeout time.Duration

	// Transport makes the fetches, for example with the certificate authority of
	// the login. Defaults to [http.DefaultTransport].
	Transport http.RoundTripper

	// Logger gets a warning for each fetch that failed. Defaults to discarding it.
	Logger *slog.Logger
}

// Remote is a JWK Set at an https URL, as logins publish it. [Remote.Run] fetches it
// again and again, and at once when a token names an unknown key. If a fetch fails,
// the last good set stays in use, however old it is. Before the first good one,
// tokens fail with [webhook.ErrUnavailable].
//
// To change keys without a gap, publish the new one, wait for as long as Refresh,
// then sign with it.
type Remote struct {
	url    string
	opts   RemoteOptions
	client *http.Client
	wake   chan struct{} // asks Run to fetch now; has room for one

	mu        sync.Mutex
	running   bool
	set       *Set          // the last good one
	pending   chan struct{} // closed when the fetch that is asked for or under way ends; nil: there is none
	lastAsked time.Time     // when an unknown key last caused a fetch
}

const (
	maxRedirects = 3
	firstRetry   = time.Second
	lastRetry    = 30 * time.Second
)

// NewRemote returns the keys at an https URL. A nil o is the default. It fetches
// nothing: [Remote.Run] does.
func NewRemote(address string, o *RemoteOptions) (*Remote, error) {
	var opts RemoteOptions
	if o != nil {
		opts = *o
	}
	var bad []error
	// The URL is not repeated, for it may hold a password.
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		bad = append(bad, errors.New("the URL of the JWK Set has no host, or a user or a fragment"))
	case u.Scheme != "https":
		bad = append(bad, errors.New("the URL of the JWK Set is not https"))
	}
	if opts.Refresh < 0 || opts.UnknownKeyInterval < 0 || opts.Timeout < 0 {
		bad = append(bad, errors.New("a time is negative"))
	}
	if err := errors.Join(bad...); err != nil {
		return nil, fmt.Errorf("jwtauth: new remote: %w", err)
	}
	opts = opts.withDefaults()
	return &Remote{
		url: address, opts: opts, wake: make(chan struct{}, 1), pending: make(chan struct{}),
		client: &http.Client{Transport: opts.Transport, CheckRedirect: onlyHTTPS},
	}, nil
}

func (o RemoteOptions) withDefaults() RemoteOptions {
	if o.Refresh == 0 {
		o.Refresh = 5 * time.Minute
	}
	if o.UnknownKeyInterval == 0 {
		o.UnknownKeyInterval = 30 * time.Second
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

// onlyHTTPS follows a few redirects, to https only.
func onlyHTTPS(req *http.Request, via []*http.Request) error {
	switch {
	case req.URL.Scheme != "https":
		return errors.New("redirected to something other than https")
	case len(via) > maxRedirects:
		return errors.New("redirected too often")
	}
	return nil
}

// Run fetches the keys until ctx ends, and then returns nil. The last good set stays
// in use after that, so that requests can be drained. Run fails at once if it is
// already running.
func (r *Remote) Run(ctx context.Context) error {
	if !r.begin() {
		return errors.New("jwtauth: run: already running")
	}
	defer r.end()
	retry := firstRetry
	for {
		pause := r.opts.Refresh
		err := r.refresh(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			pause, retry = min(retry, pause), min(2*retry, lastRetry)
			r.opts.Logger.WarnContext(ctx, "JWK Set not fetched", slog.Any("error", err), slog.Duration("retry_in", pause))
		default:
			retry = firstRetry
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		case <-r.wake:
			timer.Stop()
		}
	}
}

func (r *Remote) begin() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.running {
		return false
	}
	r.running = true
	return true
}

// end releases those who wait for a fetch, since there will be none.
func (r *Remote) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.running = false
	r.announce(nil)
}

// announce releases those who wait for a fetch. A set that is not nil is the new one.
// The caller holds mu.
func (r *Remote) announce(set *Set) {
	if set != nil {
		r.set = set
	}
	if r.pending != nil {
		close(r.pending)
		r.pending = nil
	}
}

// refresh makes one fetch.
func (r *Remote) refresh(ctx context.Context) error {
	r.mu.Lock()
	select {
	case <-r.wake: // This fetch is also the one that was asked for.
	default:
	}
	if r.pending == nil {
		r.pending = make(chan struct{})
	}
	r.mu.Unlock()

	set, err := r.fetch(ctx)

	r.mu.Lock()
	defer r.mu.Unlock()
	r.announce(set)
	return err
}

func (r *Remote) fetch(ctx context.Context) (*Set, error) {
	ctx, cancel := context.WithTimeout(ctx, r.opts.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url, http.NoBody)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	req.Close = true // A connection is not kept for minutes.
	resp, err := r.client.Do(req)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok {
			err = wrapped.Err // Without the URL, which may hold a password.
		}
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("answered with status %d", resp.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err != nil {
		return nil, err
	}
	return parseJWKS(text, true)
}

func (r *Remote) candidates(ctx context.Context, alg, kid string) ([]jwt.VerificationKey, error) {
	set, pending := r.current(kid)
	if pending != nil {
		timer := time.NewTimer(r.opts.Timeout)
		select {
		case <-pending:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		set, _ = r.current("")
	}
	if set == nil {
		return nil, fmt.Errorf("no JWK Set was fetched yet, or Run is not running: %w", webhook.ErrUnavailable)
	}
	return set.candidates(ctx, alg, kid)
}

// current returns the last good set. If the set lacks a key of this id and a fetch may
// bring it, current also returns a channel that is closed after that fetch.
func (r *Remote) current(kid string) (*Set, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.set == nil:
		return nil, r.pending
	case kid == "" || r.set.has(kid):
		return r.set, nil
	case r.pending == nil && r.running && time.Since(r.lastAsked) >= r.opts.UnknownKeyInterval:
		r.lastAsked = time.Now()
		r.pending = make(chan struct{})
		select {
		case r.wake <- struct{}{}:
		default: // Run has been asked already.
		}
	}
	return r.set, r.pending
}
