package serve

import (
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"log/slog"
	"net/http"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/operator"
	"github.com/rag-assistant/webhooks/webhook/portal"
)

// tokenCookie holds a token of the API for the portal. A real service has a login
// instead, and a session of its own.
const tokenCookie = "webhooks_token"

// pages mounts the portal and a page that takes a token for it.
func (c *config) pages(mux *http.ServeMux, svc *webhook.Service, ops *operator.Operator, auth webhook.AuthenticateFunc, log *slog.Logger) error {
	title := cmp.Or(c.yours.title, "Webhooks")
	p, err := portal.New(svc, withCookie(auth), &portal.Options{
		Title: title, Words: c.yours.words, AttemptTimeout: c.dispatcher.AttemptTimeout, Operator: ops, Login: http.RedirectHandler("/login", http.StatusSeeOther), Logger: log,
	})
	if err != nil {
		return err
	}
	mux.Handle("/portal/", http.StripPrefix("/portal", p))
	mux.Handle("GET /{$}", http.RedirectHandler("/portal/", http.StatusSeeOther))
	mux.HandleFunc("GET /login", func(w http.ResponseWriter, _ *http.Request) { showLogin(w, http.StatusOK, title, "") })
	mux.Handle("POST /login", http.NewCrossOriginProtection().Handler(login(auth, title)))
	return nil
}

// withCookie authenticates by the cookie as the API does by its header.
func withCookie(auth webhook.AuthenticateFunc) webhook.AuthenticateFunc {
	return func(r *http.Request) (webhook.Principal, error) {
		if c, err := r.Cookie(tokenCookie); err == nil {
			r = r.Clone(r.Context())
			r.Header.Set("Authorization", "Bearer "+c.Value)
		}
		return auth(r)
	}
}

// login keeps a valid token in a cookie. The cookie is for the portal's pages alone. No
// script and no other site can use it.
func login(auth webhook.AuthenticateFunc, title string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
		token := r.PostFormValue("token")
		r.Header.Set("Authorization", "Bearer "+token)
		if _, err := auth(r); err != nil {
			showLogin(w, http.StatusUnauthorized, title, "This token is not good, or not any more.")
			return
		}
		http.SetCookie(w, &http.Cookie{ //nolint:gosec // without TLS, as on one's own machine, it could not be kept
			Name: tokenCookie, Value: token, Path: "/portal/", HttpOnly: true, SameSite: http.SameSiteStrictMode,
			Secure: r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https",
		})
		http.Redirect(w, r, "/portal/", http.StatusSeeOther)
	})
}

func showLogin(w http.ResponseWriter, status int, title, wrong string) {
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'sha256-"+loginStyleSum+"'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = loginPage.Execute(w, struct{ Title, Wrong string }{title, wrong})
}

const loginStyle = `:root{color-scheme:light dark;font:1rem/1.5 system-ui,sans-serif}main{max-width:26rem;margin:15vh auto;padding:0 1rem}` +
	`label,input{display:block;width:100%;box-sizing:border-box}input,button{font:inherit;padding:.5rem .75rem;border:1px solid;border-radius:.375rem}`

//nolint:gochecknoglobals // constants
var (
	loginStyleDigest = sha256.Sum256([]byte(loginStyle))
	loginStyleSum    = base64.StdEncoding.EncodeToString(loginStyleDigest[:])
	loginPage        = template.Must(template.New("login").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Log in – {{.Title}}</title>
<style>` + loginStyle + `</style>
<main>
<h1>{{.Title}}</h1>
{{with .Wrong}}<p role="alert">{{.}}</p>{{end}}
<form method="post" action="/login">
<p><label>Token of the API: <input name="token" type="password" autocomplete="off" required></label></p>
<p><button>Log in</button></p>
</form>
<p>For programs: <a href="/api/openapi.yaml">the API</a>.</p>
</main>
</html>
`))
)
