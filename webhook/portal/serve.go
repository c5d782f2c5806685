package portal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
)

// maxForm is the most bytes that a form may have.
const maxForm = 128 << 10

// exchange is a request on its way to an answer.
type exchange struct {
	w http.ResponseWriter
	r *http.Request

	// base leads from this page to where the portal begins, root to where the pages
	// of its merchant do. Both end with a slash.
	base, root string

	who   webhook.Principal
	route *route
	named bool // the path names the merchant
	form  url.Values

	merchantID, webhookID, deliveryID string
}

// answer is what a page has to say: a template with its data, or where to go.
type answer struct {
	status   int
	template string
	fragment string // one template of it alone
	title    string
	nav      string // the part of the navigation that it belongs to
	data     any
	redirect string
}

// policy allows the portal's own files.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// ServeHTTP answers one request.
func (p *Portal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Frame-Options", "DENY")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	// With no-referrer, browsers would send "Origin: null" along with forms.
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")
	header.Add("Vary", "HX-Request")

	x := &exchange{w: w, r: r}
	out, err := p.serve(r.Context(), x)
	if errors.Is(err, errServed) {
		return
	}
	if err != nil {
		out = p.refuse(r.Context(), x, err)
	}
	p.write(r.Context(), x, out)
}

// errServed says that the answer was written already.
var errServed = errors.New("served")

// serve finds the page, lets nobody pass who may not, and turns a panic into an
// error.
func (p *Portal) serve(ctx context.Context, x *exchange) (out answer, err error) {
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler:
			panic(v)
		default:
			p.opts.Logger.ErrorContext(ctx, "webhook portal panicked",
				slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
			err = errInternal
		}
	}()
	if x.r.URL.Path == "" && !strings.HasSuffix(strings.SplitN(x.r.RequestURI, "?", 2)[0], "/") {
		// Mounted at /portal and asked for just that: links would lead past it.
		return answer{redirect: "./" + path.Base(strings.SplitN(x.r.RequestURI, "?", 2)[0]) + "/"}, nil
	}
	x.route = p.find(x)
	if rest, ok := strings.CutPrefix(strings.TrimPrefix(x.r.URL.Path, "/"), assetsSegment+"/"); ok && x.route == nil {
		if p.assets.serve(x.w, x.r, rest) {
			return answer{}, errServed
		}
		return answer{}, webhook.ErrNotFound
	}
	if x.route == nil {
		return answer{}, webhook.ErrNotFound
	}
	serve := x.route.page(x.r.Method)
	if serve == nil {
		x.w.Header().Set("Allow", x.route.allow())
		return answer{}, errMethod
	}
	if x.r.Method == http.MethodPost {
		if err := p.checkOrigin(x.r); err != nil {
			return answer{}, err
		}
	}
	if err := p.admit(ctx, x); err != nil {
		return answer{}, err
	}
	if x.merchantID == "" {
		return p.choose(x)
	}
	if x.r.Method == http.MethodPost {
		if err := p.readForm(ctx, x); err != nil {
			return answer{}, err
		}
	}
	return serve(x)
}

// checkOrigin refuses forms of other sites. A browser sends its cookies along with
// them, and a proxy in front may turn those into an Authorization header, so
// nothing else is asked.
func (p *Portal) checkOrigin(r *http.Request) error {
	if p.opts.CrossOrigin.Check(r) != nil || r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "" {
		return errForeignForm
	}
	return nil
}

// admit finds out who asks, and for which merchant.
func (p *Portal) admit(ctx context.Context, x *exchange) error {
	who, err := p.authenticate(x.r)
	if errors.Is(err, webhook.ErrUnavailable) {
		return err
	}
	if err != nil {
		p.opts.Logger.DebugContext(ctx, "webhook portal request not authenticated", slog.Any("error", err))
		switch {
		case p.opts.Login == nil:
			return errUnauthorized
		case x.partial(): // It would show the login within the page.
			x.w.Header().Set("HX-Refresh", "true")
			return errUnauthorized
		case x.r.Method == http.MethodPost: // The policy would stop a redirect to another origin.
			return errSession
		}
		x.w.Header().Del("Content-Security-Policy") // It is not our page.
		p.opts.Login.ServeHTTP(x.w, x.r)
		return errServed
	}
	x.who = who
	switch {
	case x.named && !who.MayActFor(x.merchantID):
		return errForeign
	case x.named:
	case !who.AnyMerchant:
		x.merchantID = who.MerchantID
	case p.opts.Merchant != nil:
		x.merchantID = p.opts.Merchant(x.r)
	}
	needed := webhook.ScopeRead
	if x.r.Method == http.MethodPost {
		needed = webhook.ScopeWrite
	}
	if !who.May(needed) {
		return errScope
	}
	if x.merchantID != "" && !id.ValidMerchant(x.merchantID) {
		return webhook.ErrNotFound
	}
	return nil
}

// choose asks an operator for the merchant.
func (p *Portal) choose(x *exchange) (answer, error) {
	if len(x.route.path) != 1 || x.route.path[0] != "" {
		return answer{redirect: x.base}, nil
	}
	asked := strings.TrimSpace(x.r.URL.Query().Get("merchant"))
	if id.ValidMerchant(asked) {
		return answer{redirect: merchantsSegment + "/" + url.PathEscape(asked) + "/"}, nil
	}
	out := answer{status: http.StatusOK, template: "choose", title: "Choose a merchant", data: asked}
	if asked != "" {
		out.status = http.StatusUnprocessableEntity
	}
	return out, nil
}

// readForm reads what was sent, and asks whether the caller may send it now.
func (p *Portal) readForm(ctx context.Context, x *exchange) error {
	mediaType, _, err := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/x-www-form-urlencoded" {
		return errMediaType
	}
	x.r.Body = http.MaxBytesReader(x.w, x.r.Body, maxForm)
	if err := x.r.ParseForm(); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return errTooLarge
		}
		return errIncomplete
	}
	x.form = x.r.PostForm
	if p.opts.RateLimit == nil {
		return nil
	}
	wait, err := p.opts.RateLimit(ctx, webhook.RateLimitRequest{
		Principal: x.who, MerchantID: x.merchantID, WebhookID: x.webhookID,
		Route: x.r.Method + " " + strings.Join(x.route.path, "/"),
	})
	if err != nil {
		return fmt.Errorf("portal: rate limit: %w", err)
	}
	if wait > 0 {
		return x.tooMany(wait)
	}
	return nil
}

// tooMany asks the caller to wait, in whole seconds.
func (x *exchange) tooMany(wait time.Duration) error {
	seconds := max(int64((wait+time.Second-1)/time.Second), 1)
	x.w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
	return errTooMany(seconds)
}

// partial reports whether htmx asks for a part of a page.
func (x *exchange) partial() bool { return x.r.Header.Get("HX-Request") == "true" }

// write sends an answer in one piece, so that it is whole or not begun.
func (p *Portal) write(ctx context.Context, x *exchange, out answer) {
	if out.redirect != "" {
		// Not http.Redirect, which would complete it with the path as it was stripped.
		x.w.Header().Set("Location", out.redirect)
		x.w.WriteHeader(http.StatusSeeOther)
		return
	}
	var body bytes.Buffer
	if err := p.render(&body, x, out); err != nil {
		out = p.refuse(ctx, x, err)
		body.Reset()
		if err := p.render(&body, x, out); err != nil { // As at the first time: it is our template.
			http.Error(x.w, errInternal.Text, http.StatusInternalServerError)
			return
		}
	}
	x.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	x.w.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	x.w.WriteHeader(out.status)
	if x.r.Method != http.MethodHead {
		_, _ = x.w.Write(body.Bytes()) // The caller has gone; there is nobody to tell.
	}
}
