package portal_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/portal"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// The portal shows a merchant what the host's own login says is theirs.
func Example() {
	svc, err := webhook.NewService(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	// The session of a host that logs in with cookies.
	sessions := map[string]string{"s3cr3t": "merchant_42"}
	authenticate := func(r *http.Request) (webhook.Principal, error) {
		cookie, err := r.Cookie("session")
		if err != nil {
			return webhook.Principal{}, err
		}
		merchantID, known := sessions[cookie.Value]
		if !known {
			return webhook.Principal{}, errors.New("no such session")
		}
		return webhook.Principal{MerchantID: merchantID}, nil
	}
	pages, err := portal.New(svc, authenticate, &portal.Options{
		Title: "Acme",
		Login: http.RedirectHandler("/login", http.StatusSeeOther),
	})
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/developers/", http.StripPrefix("/developers", pages))

	r := httptest.NewRequest(http.MethodGet, "/developers/", nil)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Printf("%d %q\n", w.Code, w.Header().Get("Location"))

	r.AddCookie(&http.Cookie{Name: "session", Value: "s3cr3t"})
	w = httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	fmt.Println(w.Code, strings.Contains(w.Body.String(), "merchant_42"))
	// Output:
	// 303 "/login"
	// 200 true
}

// The portal in a page of the host's dashboard, behind a router that leaves paths whole.
func Example_dashboard() {
	svc, err := webhook.NewService(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	authenticate := func(*http.Request) (webhook.Principal, error) {
		return webhook.Principal{MerchantID: "merchant_42"}, nil
	}
	pages, err := portal.New(svc, authenticate, &portal.Options{
		Title:          "Acme",
		Prefix:         "/developers",
		FrameAncestors: []string{"https://app.acme.com"},
		Radius:         "4px",
		Font:           `"Source Sans 3", system-ui, sans-serif`,
		TimeZone:       time.FixedZone("CET", 60*60),
		Links: portal.Links{
			Back:   portal.Link{Label: "Dashboard", URL: "https://app.acme.com/"},
			Help:   portal.Link{URL: "https://help.acme.com/webhooks"},
			LogOut: portal.Link{URL: "https://app.acme.com/logout"},
		},
	})
	if err != nil {
		panic(err)
	}
	w := httptest.NewRecorder()
	pages.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/developers/events", nil))
	_, framing, _ := strings.Cut(w.Header().Get("Content-Security-Policy"), "base-uri 'none'; ")
	fmt.Println(w.Code, framing)
	// Output:
	// 200 frame-ancestors https://app.acme.com
}

// Support staff choose the merchant whose webhooks they look at, and change nothing.
func Example_operator() {
	svc, err := webhook.NewService(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	pages, err := portal.New(svc, func(*http.Request) (webhook.Principal, error) {
		return webhook.Principal{AnyMerchant: true, Scopes: []string{webhook.ScopeRead}}, nil
	}, nil)
	if err != nil {
		panic(err)
	}
	for _, path := range []string{"/", "/?merchant=merchant_42", "/merchants/merchant_42/"} {
		w := httptest.NewRecorder()
		pages.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Printf("%d %q\n", w.Code, w.Header().Get("Location"))
	}
	// Output:
	// 200 ""
	// 303 "merchants/merchant_42/"
	// 200 ""
}

// A host that has shops says so, in its paths too, and in its customers' language.
func Example_words() {
	svc, err := webhook.NewService(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	authenticate := func(*http.Request) (webhook.Principal, error) {
		return webhook.Principal{AnyMerchant: true}, nil
	}
	w, err := words.New(&words.Options{
		Tenant: "Shop", Tenants: "Shops", Segment: "shops",
		Texts: map[string]string{
			"en":                        "de",
			"Webhooks":                  "Webhooks",
			"%s acting for {tenant} %s": "%s handelt für {tenant} %s",
			"1 webhook":                 "1 Webhook",
			"%d webhooks":               "%d Webhooks",
			"You may look at the webhooks of any {tenant}.": "Sie können die Webhooks jedes {tenant}s ansehen.",
		},
	})
	if err != nil {
		panic(err)
	}
	pages, err := portal.New(svc, authenticate, &portal.Options{Title: "Acme", Words: w})
	if err != nil {
		panic(err)
	}
	for _, path := range []string{"/", "/shops/42/"} {
		w := httptest.NewRecorder()
		pages.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		body := w.Body.String()
		fmt.Println(w.Code, strings.Contains(body, `<html lang="de">`), strings.Contains(body, "jedes Shops"), strings.Contains(body, "handelt für Shop"))
	}
	// Output:
	// 200 true true false
	// 200 true false true
}
