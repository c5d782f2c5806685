package portal

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
	"github.com/rag-assistant/webhooks/webhook/internal/webui"
)

// maxForm is the most bytes that a form may have.
const maxForm = 128 << 10

// exchange is a request on its way to an answer.
type exchange struct {
	webui.Exchange
	speech

	// base leads from this page to the portal's root, root to that of the merchant's
	// pages. Both end with a slash.
	base, root string

	route *route
	named bool // the path names the merchant

	form url.Values
}

// answer is a template with its data, or an address to go to.
type answer struct {
	status   int
	template string
	fragment string // one template of it alone
	title    string
	nav      string // the part of the navigation that it belongs to
	data     any
	redirect string
}

// policy allows the portal's own files. It ends with who may frame the pages.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; "

// ServeHTTP answers one request.
func (p *Portal) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

func (p *Portal) handle(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Security-Policy", policy+p.framing)
	header.Set("X-Content-Type-Options", "nosniff")
	if p.frameOptions != "" {
		header.Set("X-Frame-Options", p.frameOptions)
	}
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	// With no-referrer, browsers would send "Origin: null" along with forms.
	header.Set("Referrer-Policy", "same-origin")
	header.Set("Cache-Control", "no-store")
	header.Add("Vary", "HX-Request")

	x := &exchange{Exchange: webui.Exchange{W: w, R: r}, speech: p.speech}
	defer x.Leave()
	out, err := p.serve(r.Context(), x)
	if errors.Is(err, errServed) {
		return
	}
	if err != nil {
		out = p.refuse(r.Context(), x, err)
	}
	webui.BoundWriting(w, r)
	p.write(r.Context(), x, out)
}

// errServed says that the answer was written already.
var errServed = errors.New("served")

// serve finds the page, checks who asks, and turns a panic into an error.
func (p *Portal) serve(ctx context.Context, x *exchange) (out answer, err error) {
	defer webui.Recover(func(panicked, stack slog.Attr) {
		p.opts.Logger.ErrorContext(ctx, "webhook portal panicked", panicked, stack)
		err = errInternal
	})
	if x.R.URL.Path == "" && !strings.HasSuffix(strings.SplitN(x.R.RequestURI, "?", 2)[0], "/") {
		// The portal is mounted at /portal and was asked for just that, without the
		// slash. Relative links would miss it.
		return answer{redirect: "./" + path.Base(strings.SplitN(x.R.RequestURI, "?", 2)[0]) + "/"}, nil
	}
	x.route = p.find(x)
	if rest, ok := strings.CutPrefix(strings.TrimPrefix(x.R.URL.Path, "/"), assetsSegment+"/"); ok && x.route == nil {
		if p.assets.serve(x.W, x.R, rest) {
			return answer{}, errServed
		}
		return answer{}, webhook.ErrNotFound
	}
	if x.route == nil {
		return answer{}, webhook.ErrNotFound
	}
	serve := x.route.page(x.R.Method)
	if serve == nil {
		x.W.Header().Set("Allow", x.route.allow())
		return answer{}, errMethod
	}
	if x.R.Method == http.MethodPost {
		if err := p.checkOrigin(x.R); err != nil {
			return answer{}, err
		}
	}
	if err := p.admit(ctx, x); err != nil {
		return answer{}, err
	}
	if err := p.limit(x); err != nil { //nolint:contextcheck // The context is the request's, which x has.
		return answer{}, err
	}
	if x.MerchantID == "" && !x.route.all {
		return p.choose(x)
	}
	if x.R.Method == http.MethodPost {
		if err := p.readForm(x); err != nil {
			return answer{}, err
		}
	}
	return serve(x)
}

// checkOrigin refuses forms of other sites. A browser sends its cookies along with
// them, and a proxy may turn cookies into an Authorization header, so that header
// excuses nothing.
func (p *Portal) checkOrigin(r *http.Request) error {
	if p.opts.CrossOrigin.Check(r) != nil || r.Header.Get("Sec-Fetch-Site") == "" && r.Header.Get("Origin") == "" {
		return errForeignForm
	}
	return nil
}

// admit determines who asks, and for which merchant.
func (p *Portal) admit(ctx context.Context, x *exchange) error {
	var merchant func(webhook.Principal) string
	if !x.named {
		merchant = func(who webhook.Principal) string {
			switch {
			case !who.AnyMerchant:
				return who.MerchantID
			case p.opts.Merchant != nil:
				return p.opts.Merchant(x.R)
			}
			return ""
		}
	}
	err := x.Admit(p.authenticate, merchant) //nolint:contextcheck // The context is the request's, which x has.
	if denied, ok := errors.AsType[*webui.AuthError](err); ok {
		p.opts.Logger.DebugContext(ctx, "webhook portal request not authenticated", slog.Any("error", denied.Err))
		return p.askToLogIn(x)
	}
	switch {
	case errors.Is(err, webui.ErrForeign):
		return errForeign
	case errors.Is(err, webui.ErrScope):
		return errScope
	case err != nil:
		return err
	case x.MerchantID != "" && !id.ValidMerchant(x.MerchantID):
		return webhook.ErrNotFound
	}
	return nil
}

// askToLogIn leads to the login of the host, if there is one.
func (p *Portal) askToLogIn(x *exchange) error {
	switch {
	case p.opts.Login == nil:
		return errUnauthorized
	case x.partial(): // It would show the login within the page.
		x.W.Header().Set("HX-Refresh", "true")
		return errUnauthorized
	case x.R.Method == http.MethodPost: // The policy would stop a redirect to another origin.
		return errSession
	}
	x.W.Header().Del("Content-Security-Policy") // It is not our page.
	if p.frameOptions == "" {
		x.W.Header().Set("Content-Security-Policy", p.framing)
	}
	p.opts.Login.ServeHTTP(x.W, x.R)
	return errServed
}

// choose asks an operator for the merchant.
func (p *Portal) choose(x *exchange) (answer, error) {
	if p.opts.Operator != nil {
		return answer{redirect: x.base + operatorSegment}, nil
	}
	if len(x.route.path) != 1 || x.route.path[0] != "" {
		return answer{redirect: x.base}, nil
	}
	asked := strings.TrimSpace(x.R.URL.Query().Get("merchant"))
	if id.ValidMerchant(asked) {
		return answer{redirect: x.Segment() + "/" + url.PathEscape(asked) + "/"}, nil
	}
	out := answer{status: http.StatusOK, template: "choose", title: x.Say("Choose {a tenant}"), data: asked}
	if asked != "" {
		out.status = http.StatusUnprocessableEntity
	}
	return out, nil
}

// readForm parses the form.
func (p *Portal) readForm(x *exchange) error {
	mediaType, _, err := mime.ParseMediaType(x.R.Header.Get("Content-Type"))
	if err != nil || mediaType != "application/x-www-form-urlencoded" {
		return errMediaType
	}
	x.R.Body = http.MaxBytesReader(x.W, x.R.Body, maxForm)
	if err := x.R.ParseForm(); err != nil {
		if _, large := errors.AsType[*http.MaxBytesError](err); large {
			return errTooLarge
		}
		return errIncomplete
	}
	x.form = x.R.PostForm
	return nil
}

// limit asks whether there are too many requests, the host first.
func (p *Portal) limit(x *exchange) error {
	x.Route = x.R.Method + " " + strings.Join(x.route.path, "/")
	wait, err := x.Limit(p.opts.RateLimit, &p.readers)
	if err == nil && wait > 0 {
		err = x.tooMany(wait)
	}
	return err
}

// tooMany asks the caller to wait.
func (x *exchange) tooMany(wait time.Duration) error { return errTooMany(x.RetryAfter(wait)) }

// testSlots takes n of the tests that the webhook has per minute, or all of them if
// it has fewer.
func (p *Portal) testSlots(x *exchange, n int) error {
	wait, err := p.svc.ReserveTests(x.R.Context(), x.MerchantID, x.WebhookID, n, p.opts.TestsPerMinute)
	if err == nil && wait > 0 {
		err = x.tooMany(wait)
	}
	return err
}

// partial reports whether htmx asks for a part of a page.
func (x *exchange) partial() bool { return x.R.Header.Get("HX-Request") == "true" }

// write sends an answer in one piece. It is whole, or was not begun.
func (p *Portal) write(ctx context.Context, x *exchange, out answer) {
	if out.redirect != "" {
		// http.Redirect would resolve it against the path that StripPrefix has
		// shortened.
		x.W.Header().Set("Location", out.redirect)
		x.W.WriteHeader(http.StatusSeeOther)
		return
	}
	var body bytes.Buffer
	if err := p.render(&body, x, out); err != nil {
		out = p.refuse(ctx, x, err)
		body.Reset()
		if err := p.render(&body, x, out); err != nil { // As at the first time: it is our template.
			http.Error(x.W, x.Say(errInternal.Text), http.StatusInternalServerError)
			return
		}
	}
	x.W.Header().Set("Content-Type", "text/html; charset=utf-8")
	x.W.Header().Set("Content-Length", strconv.Itoa(body.Len()))
	x.W.WriteHeader(out.status)
	if x.R.Method != http.MethodHead {
		_, _ = x.W.Write(body.Bytes()) // The caller has gone; there is nobody to tell.
	}
}
