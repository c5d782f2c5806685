package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
	"github.com/rag-assistant/webhooks/webhook/internal/webui"
	"github.com/rag-assistant/webhooks/webhook/operator"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// Options configures a [Handler].
type Options struct {
	// Prefix is the part of the path before /merchants/ as the handler gets to see
	// it, for example "/v1/hooks"; "/" stands for none. Set it to answer under that
	// prefix only, or if the prefix itself has a segment called merchants, or what
	// stands for that in Words. Defaults
	// to whatever precedes the first one.
	Prefix string

	// EnablePublish adds POST /merchants/{merchantId}/events, with which whoever
	// authenticates as a merchant publishes events to the merchant's webhooks.
	// Usually the host does that by calling [webhook.Service.Publish].
	EnablePublish bool

	// Operator adds the routes below /operator, with which a principal that has
	// AnyMerchant asks and acts over all merchants. Anybody else gets a 403. Give a
	// dispatcher its jobs: see [operator.Operator.Jobs]. Defaults to nil: there are none.
	Operator *operator.Operator

	// Words says errors, and what else people read, in the host's words: its segment of the
	// path stands for merchants, its noun in texts and in the OpenAPI document. Defaults to
	// nil: English, about merchants.
	Words *words.Words

	// RateLimit is asked before a request is served, once it is known whose it is, and
	// before anything else of it is looked at: also for one that is sent again. Defaults
	// to nil: no limit but those of tests and redeliveries.
	RateLimit webhook.RateLimitFunc

	// TestsPerMinute is how many tests a merchant may send to one host in any minute,
	// over all processes on the store, from 1 to 60: without a bound, a merchant could
	// point the sender at somebody. A detection counts as three tests, or
	// as all there are. Defaults to 5.
	TestsPerMinute int

	// IdempotencyAge is how long the answer to a POST with an Idempotency-Key is
	// kept for those who send it again. Defaults to 24 hours.
	IdempotencyAge time.Duration

	// TestWait is how long a test with ?wait=true may take to answer. Keep it
	// above the dispatcher's AttemptTimeout and below the WriteTimeout of the HTTP
	// server. Defaults to 15 seconds.
	TestWait time.Duration

	// CrossOrigin refuses what another site made a browser send, with 403, unless it
	// only reads. An Authorization header excuses nothing: browsers add those of the
	// schemes Basic and Negotiate by themselves, and a proxy may make one of a cookie.
	// What no browser has sent passes. Add the origins whose pages may call the API to
	// one of your own. Defaults to none.
	CrossOrigin *http.CrossOriginProtection

	// Challenge is the WWW-Authenticate header of a 401 (RFC 9110, section 11.6.1).
	// If it begins with the scheme Bearer, error and scope are added where RFC 6750
	// wants them; leave these two out. Defaults to "Bearer".
	Challenge string

	// Title is that of the OpenAPI document. Defaults to "Webhooks".
	Title string

	// Security has the credentials that authenticate takes, any of them, for the OpenAPI
	// document: a Security Scheme Object of OpenAPI 3.1 by a name of its own, such as
	// {"key": `{"type":"apiKey","in":"header","name":"X-Api-Key"}`}. Defaults to a bearer
	// token.
	Security map[string]json.RawMessage

	// Retry and AttemptTimeout are those of the dispatchers, for the OpenAPI document,
	// which says when a delivery is tried again. Default as theirs.
	Retry          retry.Policy
	AttemptTimeout time.Duration

	// ServerURL is the address of the API in the OpenAPI document that the handler
	// serves, without /merchants: https://api.example.com/api. Set it where the
	// document is to be published elsewhere. Defaults to a relative one, which is
	// right wherever the handler is mounted.
	ServerURL string

	// Now is the time that answers carry. Defaults to [time.Now].
	Now func() time.Time

	// Logger gets a line for each answer of 500 or 503 at error, and why a request
	// was not authenticated at debug. Never a body or a secret. Defaults to
	// discarding them.
	Logger *slog.Logger
}

// Handler is the management API over a [webhook.Service]:
//
//	POST   /merchants/{merchantId}/webhooks                  register
//	GET    /merchants/{merchantId}/webhooks                  list
//	GET    /merchants/{merchantId}/webhooks/event-types      what can be subscribed to
//	GET    /merchants/{merchantId}/webhooks/{webhookId}      one webhook
//	PUT    /merchants/{merchantId}/webhooks/{webhookId}      change what is given
//	DELETE /merchants/{merchantId}/webhooks/{webhookId}      forget it
//	POST   …/webhooks/{webhookId}/test                       send a test event
//	POST   …/webhooks/{webhookId}/replay                     send a range again
//	POST   …/webhooks/{webhookId}/secret/rotate              new secret
//	GET    …/webhooks/{webhookId}/public-key                 of a webhook that signs with v1a
//	GET    …/webhooks/{webhookId}/changes                    what was changed, and by whom
//	GET    …/webhooks/{webhookId}/deliveries                 the log
//	GET    …/webhooks/{webhookId}/deliveries/{deliveryId}    one delivery, every attempt
//	POST   …/webhooks/{webhookId}/deliveries/{deliveryId}/redeliver
//	GET    /merchants/{merchantId}/events                    what was published
//	GET    /merchants/{merchantId}/events/{eventId}          what became of one event, and why
//	POST   /merchants/{merchantId}/events                    publish; off by default
//	GET    /operator/merchants, webhooks, failing, search    over all merchants; off by default
//	GET    /operator/jobs, /operator/jobs/{jobId}            what operators do and did
//	POST   /operator/jobs, /operator/jobs/{jobId}/stop       do it to many webhooks
//	GET    /openapi.json, /openapi.yaml                      all of this as OpenAPI 3.1
//
// The OpenAPI document needs no authentication. It says what this handler does:
// publishing is there if it is on, and the events that it lists are those of the
// service's catalog, with headers of the names that the service's wire has.
//
// [Options].Words puts another segment in the place of merchants, and its noun into
// texts. Members and parameters of queries keep their names, such as merchantId.
//
// It fits under any prefix of any router that leaves the path in the request's
// URL, and behind [http.StripPrefix]: examples/routers shows five, and what to mind
// with each. What a request holds must not be overwritten after it was served, as
// adaptors of servers that are not net/http's may do.
//
// An answer is {"success":true,"data",…} or {"success":false,"error":{"code",
// "message","details"},…}, both with timestamp and requestId, whatever happens:
// a wrong path, a wrong method, a store that is away and a panic included. A
// merchant other than the principal's is 403, and so is a scope that it lacks,
// before the body is read or an id looked up. An id of another merchant is 404,
// the same as one that never was.
//
// A body is one JSON object of at most 64 KiB, read strictly: no unknown names, no
// name twice, nothing after it. Every fault found is in details. PUT and DELETE
// honour If-Match with the ETag that a webhook came with. POST honours
// Idempotency-Key: the same request again gets the status of the first time, with
// Idempotency-Replayed: true, and what it made as it is now, without the secret, if
// there was one; the same key for another request is 409. A request whose process died
// is completed by the next one, which makes nothing twice. A well-formed
// X-Request-ID becomes the answer's requestId.
//
// A Handler bounds what a request costs, but not how long its client takes: serve
// it with an [http.Server] that has ReadHeaderTimeout, ReadTimeout, WriteTimeout,
// IdleTimeout and MaxHeaderBytes, none of which net/http bounds tightly by itself.
// Values that suit are in cmd/webhooks/serve; WriteTimeout must exceed
// [Options].TestWait. Of a merchant's reading requests 32 are served at once, further
// ones are 429. How many requests a merchant makes is the host's to limit, too.
//
// Lists take limit, 1 to 1000, and offset, up to 10,000. The log takes a cursor
// instead, which no delivery that is added meanwhile can shift: an empty one asks
// for the first page, pagination.nextCursor for the page after it, until an answer
// has none. The list of events takes a cursor only: next of the page before.
type Handler struct {
	svc          *webhook.Service
	authenticate webhook.AuthenticateFunc
	opts         Options
	root         string // the prefix and a slash; empty: any prefix
	routes       []route
	operator     []route
	docs         func() (map[string]*document, error)
	readers      webui.Readers
	wire         signer.Wire // with defaults
}

// New returns the management API of svc. A nil o is the default; svc and
// authenticate are needed.
func New(svc *webhook.Service, authenticate webhook.AuthenticateFunc, o *Options) (*Handler, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	opts = opts.withDefaults()
	var bad []error
	if svc == nil {
		bad = append(bad, errors.New("service is nil"))
	}
	if authenticate == nil {
		bad = append(bad, errors.New("authenticate is nil"))
	}
	if opts.TestWait < 0 || opts.IdempotencyAge < 0 || opts.AttemptTimeout < 0 {
		bad = append(bad, errors.New("TestWait, IdempotencyAge or AttemptTimeout is negative"))
	}
	if opts.TestsPerMinute < 1 || opts.TestsPerMinute > webhook.MaxTestsPerMinute {
		bad = append(bad, fmt.Errorf("TestsPerMinute is not between 1 and %d", webhook.MaxTestsPerMinute))
	}
	bad = append(bad, opts.Retry.Validate(), checkSecurity(opts.Security))
	root, err := opts.root()
	bad = append(bad, err)
	opts.ServerURL, err = opts.serverURL()
	bad = append(bad, err)
	if err := errors.Join(bad...); err != nil {
		return nil, fmt.Errorf("api: new: %w", err)
	}
	h := &Handler{svc: svc, authenticate: authenticate, opts: opts, root: root, wire: svc.Wire()}
	h.routes, h.operator = h.table(), h.operatorTable()
	h.docs = sync.OnceValues(h.documents) // When it is asked for: writing it takes as long as a hundred requests.
	return h, nil
}

func (o Options) withDefaults() Options {
	if o.TestWait == 0 {
		o.TestWait = 15 * time.Second
	}
	if o.TestsPerMinute == 0 {
		o.TestsPerMinute = 5
	}
	if o.IdempotencyAge == 0 {
		o.IdempotencyAge = 24 * time.Hour
	}
	if o.CrossOrigin == nil {
		o.CrossOrigin = http.NewCrossOriginProtection()
	}
	if o.Challenge == "" {
		o.Challenge = bearerChallenge
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (o Options) root() (string, error) {
	if o.Prefix == "" {
		return "", nil
	}
	if !strings.HasPrefix(o.Prefix, "/") || strings.Contains(o.Prefix, "//") || strings.ContainsAny(o.Prefix, "?#") {
		return "", errors.New(`prefix is not a path that starts with "/"`)
	}
	return strings.TrimSuffix(o.Prefix, "/") + "/", nil
}

// checkSecurity wants names that a reference can have, and objects with a type.
func checkSecurity(schemes map[string]json.RawMessage) error {
	var bad []error
	for _, name := range slices.Sorted(maps.Keys(schemes)) {
		var scheme struct{ Type string }
		if err := json.Unmarshal(schemes[name], &scheme); err != nil || scheme.Type == "" || !componentName.MatchString(name) {
			bad = append(bad, fmt.Errorf("security %q is no name and object of OpenAPI that says its type", name))
		}
	}
	return errors.Join(bad...)
}

// componentName fits names of components (OpenAPI 3.1, section 4.8.7.1).
var componentName = regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)

func (o Options) serverURL() (string, error) {
	u, err := url.Parse(o.ServerURL)
	if err != nil || u.Opaque != "" || u.RawQuery != "" || u.Fragment != "" || strings.HasSuffix(u.Path, "/") ||
		strings.Contains(u.Host, `"`) {
		return "", errors.New("ServerURL is not a URL without query, fragment and final slash")
	}
	return u.String(), nil
}

// exchange is a request on its way to an answer.
type exchange struct {
	webui.Exchange

	requestID string
	text      []byte // the body, once it was read
	wasRead   bool
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{Exchange: webui.Exchange{W: w, R: r}, requestID: requestID(r)}
	defer x.Leave()
	header := w.Header()
	header.Set("Cache-Control", "no-store")
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Request-ID", x.requestID)
	ctx := r.Context()
	out, err := h.serve(ctx, x)
	if err != nil {
		out = h.refuse(ctx, x, err)
	}
	webui.BoundWriting(w, r)
	h.write(ctx, x, out)
}

// serve finds the endpoint, lets nobody pass who may not, and turns a panic into
// an error.
func (h *Handler) serve(ctx context.Context, x *exchange) (out answer, err error) {
	defer webui.Recover(func(panicked, stack slog.Attr) {
		h.opts.Logger.ErrorContext(ctx, "webhook API panicked", slog.String("request_id", x.requestID), panicked, stack)
		err = errInternal
	})
	match := h.match(x)
	if match == nil {
		return answer{}, errNoPath
	}
	if x.R.Method == http.MethodOptions {
		x.W.Header().Set("Allow", match.allow())
		return answer{status: http.StatusNoContent}, nil
	}
	x.Route = x.R.Method + " " + strings.Join(match.path, "/")
	serve := match.endpoint(x.R.Method)
	if serve == nil {
		x.W.Header().Set("Allow", match.allow())
		return answer{}, errMethod
	}
	if match.public {
		return serve(x)
	}
	if h.opts.CrossOrigin.Check(x.R) != nil {
		return answer{}, errCrossOrigin
	}
	if err := h.admit(ctx, x); err != nil {
		return answer{}, err
	}
	if err := h.limit(x); err != nil { //nolint:contextcheck // The context is the request's, which x has.
		return answer{}, err
	}
	return h.once(x.R.Context(), x, serve) //nolint:contextcheck // as above; admit has put the actor into it
}

// requestID is the caller's own if it is safe to repeat, otherwise a new one.
func requestID(r *http.Request) string {
	if given := r.Header.Values("X-Request-ID"); len(given) == 1 && len(given[0]) >= 8 && id.Valid(given[0]) {
		return given[0]
	}
	return id.New("req_")
}
