// Package driver does one job in all the ways that are compared: it publishes an event
// for each endpoint of a merchant, and delivers it signed.
package driver

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/signer"

	"github.com/rag-assistant/webhooks/bench/internal/receiver"
)

// The ways.
const (
	Floor  = "floor"  // sign and post, with a queue in memory and no store
	Memory = "memory" // this module on memstore
	Redis  = "redis"  // this module on redisstore
	Asynq  = "asynq"  // tasks in Redis
	River  = "river"  // jobs in PostgreSQL
)

// Spec says which way, and on what.
type Spec struct {
	Name        string
	Concurrency int // posts at once, in this process
	// PerWebhook bounds the posts at once to one endpoint. Only this module has such a
	// bound. 0 is its default.
	PerWebhook int
	Redis      []string // addresses; more than one are a Cluster
	Shards     int      // of redisstore; 0 is its default
	Postgres   string   // a URL
	Authority  string   // the receiver's certificate authority, in PEM
	// Inline makes the floor post within Publish.
	Inline bool
	// ShortLog keeps the log for a minute and a hundred deliveries of a webhook.
	ShortLog bool
}

// Endpoint is where a merchant wants its events.
type Endpoint struct {
	Merchant string
	URL      string
}

// Driver publishes and delivers. Its methods may be called concurrently.
type Driver interface {
	// Register registers endpoints. Of drivers that share a store, one does it for all.
	Register(ctx context.Context, endpoints []Endpoint) error
	// Publish queues events for a merchant, one for each time in sent, in the fastest
	// way that there is for so many.
	Publish(ctx context.Context, merchant string, sent []time.Time) error
	// Deliver delivers until ctx ends.
	Deliver(ctx context.Context) error
	// Close closes what the driver has opened.
	Close()
}

// Open opens a driver.
func Open(ctx context.Context, s Spec) (Driver, error) {
	switch s.Name {
	case Floor:
		return newFloor(s)
	case Memory, Redis:
		return newOurs(ctx, s)
	case Asynq:
		return newAsynq(s)
	case River:
		return newRiver(ctx, s)
	}
	return nil, fmt.Errorf("driver: no driver %q", s.Name)
}

// The same time-outs as this module's, and enough kept connections for all posts.
const (
	timeout      = 10 * time.Second
	maxIdleConns = 1100
)

// eventType is that of every event.
const eventType = "document.created"

// pad brings a body to 1 KiB.
const padLength = 1024 - 152

var pad = strings.Repeat("Wireless Headphones ", 100)[:padLength] //nolint:gochecknoglobals // a constant

// data is an event's data.
func data(sent time.Time) string {
	return `{"pad":"` + pad + `",` + receiver.SentMark + strconv.FormatInt(sent.UnixNano(), 10) + `"}`
}

// body is an event as this module writes it, for drivers that take bytes.
func body(sent time.Time) []byte {
	return []byte(`{"created":"` + sent.UTC().Format(time.RFC3339) + `","data":` + data(sent) +
		`,"id":"evt_` + rand.Text() + rand.Text()[:6] + `","type":"` + eventType + `"}`)
}

// roots is the authority of the receiver.
func (s Spec) roots() (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if s.Authority != "" && !pool.AppendCertsFromPEM([]byte(s.Authority)) {
		return nil, errors.New("driver: the authority is no certificate")
	}
	return pool, nil
}

// poster signs and posts, with a client as a careful user would configure it.
type poster struct {
	client *http.Client
	signer *signer.Signer
}

func newPoster(s Spec) (*poster, error) {
	roots, err := s.roots()
	if err != nil {
		return nil, err
	}
	sign, err := signer.New(signer.NewSecret())
	if err != nil {
		return nil, err
	}
	return &poster{signer: sign, client: &http.Client{Transport: &http.Transport{
		MaxIdleConns: maxIdleConns, MaxIdleConnsPerHost: maxIdleConns, IdleConnTimeout: time.Minute, DisableCompression: true,
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}}}, nil
}

func (p *poster) post(ctx context.Context, url string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(signer.HeaderSignature, string(p.signer.AppendSignature(nil, body)))
	resp, err := p.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4<<10)) // so that the connection is kept
	if resp.StatusCode/100 != 2 {
		return errors.New(resp.Status)
	}
	return nil
}

// addresses are the URLs of each merchant.
type addresses map[string][]string

func newAddresses(endpoints []Endpoint) addresses {
	a := addresses{}
	for _, e := range endpoints {
		a[e.Merchant] = append(a[e.Merchant], e.URL)
	}
	return a
}
