package api_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
)

func ExampleNew() {
	svc, err := webhook.NewService(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	// A stand-in for the host's login, which knows whose token it is.
	authenticate := func(r *http.Request) (webhook.Principal, error) {
		if r.Header.Get("Authorization") != "Bearer secret-token" {
			return webhook.Principal{}, errors.New("no such token")
		}
		return webhook.Principal{MerchantID: "merchant_42"}, nil
	}
	h, err := api.New(svc, authenticate, nil)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/api/", h)

	// A merchant registers an endpoint.
	r := httptest.NewRequest(http.MethodPost, "/api/merchants/merchant_42/webhooks", strings.NewReader(
		`{"url": "https://your-domain.com/webhooks", "events": ["document.created"]}`))
	r.Header.Set("Authorization", "Bearer secret-token")
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	var answer struct {
		Data struct{ WebhookID, URL, Secret, Warning string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		panic(err)
	}
	fmt.Println(w.Code, answer.Data.URL)
	fmt.Println(answer.Data.WebhookID[:4], answer.Data.Secret[:6])
	fmt.Println(answer.Data.Warning)
	// Output:
	// 201 https://your-domain.com/webhooks
	// whk_ whsec_
	// This is the only time the webhook secret will be shown. Please store it securely.
}

// Pages of another origin may call the API if the host says so: the handler leaves
// CORS to it.
func ExampleNew_cors() {
	svc, err := webhook.NewService(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	const portal = "https://portal.example.com"
	trusted := http.NewCrossOriginProtection()
	if err := trusted.AddTrustedOrigin(portal); err != nil {
		panic(err)
	}
	h, err := api.New(svc, func(*http.Request) (webhook.Principal, error) {
		return webhook.Principal{MerchantID: "merchant_42"}, nil
	}, &api.Options{CrossOrigin: trusted})
	if err != nil {
		panic(err)
	}
	cors := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Add("Vary", "Origin")
		if r.Header.Get("Origin") == portal {
			header.Set("Access-Control-Allow-Origin", portal)
			header.Set("Access-Control-Expose-Headers", "ETag, Retry-After, X-Request-ID")
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				header.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
				header.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, If-Match")
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		h.ServeHTTP(w, r)
	})

	for _, origin := range []string{portal, "https://elsewhere.example.com"} {
		r := httptest.NewRequest(http.MethodOptions, "/api/merchants/merchant_42/webhooks", nil)
		r.Header.Set("Origin", origin)
		r.Header.Set("Access-Control-Request-Method", http.MethodPost)
		w := httptest.NewRecorder()
		cors.ServeHTTP(w, r)
		fmt.Println(w.Code, w.Header().Get("Access-Control-Allow-Origin"))
	}
	// Output:
	// 204 https://portal.example.com
	// 204
}
