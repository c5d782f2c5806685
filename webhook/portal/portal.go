package portal

import (
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/webui"
	"github.com/rag-assistant/webhooks/webhook/operator"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// Options configures a [Portal].
type Options struct {
	// Title is the name of the product in the header and in the titles of pages.
	// Defaults to "Developer Portal".
	Title string

	// Logo is shown before the title: an SVG, PNG, JPEG, GIF or WebP image of at
	// most 256 KiB, 24 pixels high on the page. Defaults to none.
	Logo []byte

	// Words has the texts of the pages, and the segment of their paths before a
	// merchant's id, which must not be one that the portal has itself: "webhooks",
	// "events". Defaults to English, about merchants.
	Words *words.Words

	// Accent is the colour of links and buttons on light ground, and AccentDark on
	// dark ground, each as #rrggbb. Text in it has to be legible: a contrast of at
	// least 4.5 to the background. Default to an indigo.
	Accent, AccentDark string

	// Radius is how round the corners of cards are, from "0px" to "24px". Buttons and
	// fields follow it. Defaults to 12px.
	Radius string

	// Font is a list of fonts as in CSS, the one wanted most first: names of letters,
	// digits, spaces and -, or the same in double quotes. Nothing is loaded, so a reader
	// has to have it. Defaults to the one of the reader's system.
	Font string

	// TimeZone is where the host's customers are. Times are then shown in it beside UTC,
	// and the browser's own zone is not asked for. Forms still take UTC. Defaults to
	// the browser's zone, where scripts run.
	TimeZone *time.Location

	// Links lead back to pages of the host. Default to none.
	Links Links

	// Prefix is the part of the path before the portal's own, as the handler gets to see
	// it, for example "/developers": set it behind a router that leaves the path whole,
	// in place of [http.StripPrefix]. Anything else is a 404. The functions of these
	// options see the path without it. Defaults to none.
	Prefix string

	// FrameAncestors are the origins whose pages may show the portal in a frame, each as
	// "https://app.example.com", with a port if it is not the scheme's, or "'self'".
	// All pages around the frame have to be on the list. Defaults to none. See "In a
	// frame" in the package's comment for the session cookie.
	FrameAncestors []string

	// Merchant names the merchant of a request whose path names none, for an
	// operator who may act for any: from a subdomain or a session, say. Defaults to
	// none, and the operator is asked.
	Merchant func(*http.Request) string

	// Operator gives principals that may act for any merchant pages about all of them:
	// merchants with a search, webhooks in trouble, and jobs. Defaults to none, and they
	// choose a merchant by its id.
	Operator *operator.Operator

	// Login answers a GET that could not be authenticated, usually with a redirect to
	// the host's login, on any origin. RequestURI is still the address that was asked
	// for. A form that could not be authenticated gets a page with a link there
	// instead. Defaults to a page that says so, with 401.
	Login http.Handler

	// CrossOrigin refuses forms that another site made a browser send. Set it to
	// trust further origins of your own. Defaults to none.
	CrossOrigin *http.CrossOriginProtection

	// RateLimit is asked before a page is read or a form acted upon, once it is known
	// whose it is. A page that follows a delivery asks every few seconds. Route is the
	// method and the path after the merchant: "POST webhooks/{webhookId}/rotate".
	// Defaults to no limit but those of tests and redeliveries.
	RateLimit webhook.RateLimitFunc

	// TestsPerMinute is how many tests a merchant may send to one host in any minute,
	// those of the API included, from 1 to 60. Defaults to 5.
	TestsPerMinute int

	// TestWait is how long a request may wait for the outcome of a test. Keep it
	// below the WriteTimeout of the server. Defaults to 12 seconds, a little more
	// than an endpoint has to answer.
	TestWait time.Duration

	// AttemptTimeout is what pages say of the time that an endpoint has to answer, as
	// [webhook.DispatcherOptions] has it. Defaults to 10 seconds.
	AttemptTimeout time.Duration

	// Logger gets a line at error for each answer of 500 or 503, and a line at debug
	// for each request that was not authenticated. No line holds a body or a secret.
	// Defaults to discarding them.
	Logger *slog.Logger
}

// Portal is the developer portal over a [webhook.Service], an [http.Handler]. It
// is safe for concurrent use.
type Portal struct {
	svc          *webhook.Service
	authenticate webhook.AuthenticateFunc
	opts         Options
	routes       []route
	assets       assets
	templates    map[string]*template.Template
	speech       speech
	snippets     []snippet
	wire         signer.Wire // with its defaults
	readers      webui.Readers
	handler      http.Handler
	framing      string // who may frame the pages, as a directive
	frameOptions string // X-Frame-Options; empty: none
}

// New returns the portal of svc. A nil o is the default; svc and authenticate are
// needed.
func New(svc *webhook.Service, authenticate webhook.AuthenticateFunc, o *Options) (*Portal, error) {
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
	if opts.TestWait < 0 {
		bad = append(bad, errors.New("TestWait is negative"))
	}
	if opts.AttemptTimeout < 0 {
		bad = append(bad, errors.New("AttemptTimeout is negative"))
	}
	if opts.TestsPerMinute < 1 || opts.TestsPerMinute > webhook.MaxTestsPerMinute {
		bad = append(bad, fmt.Errorf("TestsPerMinute is not between 1 and %d", webhook.MaxTestsPerMinute))
	}
	files, err := newAssets(opts)
	bad = append(bad, err)
	prefix, err := opts.prefix()
	bad = append(bad, err, opts.Links.check())
	framed, frameOptions, err := framing(opts.FrameAncestors)
	bad = append(bad, err)
	said := newSpeech(opts.Words, svc)
	templates, err := parseTemplates(opts, said)
	bad = append(bad, err)
	wire := wireOf(svc)
	snippets, err := readSnippets(wire, isShaped(svc))
	bad = append(bad, err)
	if err := errors.Join(bad...); err != nil {
		return nil, fmt.Errorf("portal: %w", err)
	}
	p := &Portal{
		svc: svc, authenticate: authenticate, opts: opts,
		assets: files, templates: templates, speech: said, snippets: snippets, wire: wire,
		framing: framed, frameOptions: frameOptions,
	}
	p.handler = under(prefix, p.handle)
	p.routes = p.table()
	if segment := opts.Words.Segment(); p.taken(segment) {
		return nil, fmt.Errorf("portal: path segment %q of Words is one of the portal's own", segment)
	}
	return p, nil
}

func (o Options) withDefaults() Options {
	if o.Title == "" {
		o.Title = o.Words.Say("Developer Portal")
	}
	if o.Accent == "" {
		o.Accent = "#4f46e5"
	}
	if o.AccentDark == "" {
		o.AccentDark = "#a5b4fc"
	}
	if o.CrossOrigin == nil {
		o.CrossOrigin = http.NewCrossOriginProtection()
	}
	if o.TestsPerMinute == 0 {
		o.TestsPerMinute = 5
	}
	if o.TestWait == 0 {
		o.TestWait = 12 * time.Second
	}
	if o.AttemptTimeout == 0 {
		o.AttemptTimeout = 10 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}
