package webhook_test

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
)

func ExampleNewHandler() {
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
	api, err := webhook.NewHandler(svc, authenticate, nil)
	if err != nil {
		panic(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/api/", api)

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

// API keys, each of which belongs to one merchant. A key is an id, by which it is
// found, and a random part; only its hash is kept. Keys have enough entropy for a
// plain hash, which passwords have not.
func ExampleAuthenticateFunc() {
	type apiKey struct {
		hash       [sha256.Size]byte
		merchantID string
	}
	// What a database holds.
	keys := map[string]apiKey{
		"k1": {hash: sha256.Sum256([]byte("k1.3GN5VQ7ZK2YJ4TWHD6RCLXSEMB")), merchantID: "merchant_42"},
		"k2": {hash: sha256.Sum256([]byte("k2.QX7LBH2MCVZ5KJ4DTRWEYN6GS3")), merchantID: "merchant_43"},
	}
	authenticate := func(r *http.Request) (webhook.Principal, error) {
		given := r.Header.Get("X-API-Key")
		id, _, _ := strings.Cut(given, ".")
		key, known := keys[id]
		hash := sha256.Sum256([]byte(given))
		if subtle.ConstantTimeCompare(hash[:], key.hash[:]) != 1 || !known {
			return webhook.Principal{}, errors.New("no such API key")
		}
		return webhook.Principal{MerchantID: key.merchantID}, nil
	}

	svc, err := webhook.NewService(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	api, err := webhook.NewHandler(svc, authenticate, &webhook.HandlerOptions{Challenge: `ApiKey realm="webhooks"`})
	if err != nil {
		panic(err)
	}

	for _, key := range []string{"k1.3GN5VQ7ZK2YJ4TWHD6RCLXSEMB", "k2.QX7LBH2MCVZ5KJ4DTRWEYN6GS3", "k1.guess", ""} {
		r := httptest.NewRequest(http.MethodGet, "/api/merchants/merchant_42/webhooks", nil)
		r.Header.Set("X-API-Key", key)
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		fmt.Printf("%d %q\n", w.Code, w.Header().Get("WWW-Authenticate"))
	}
	// Output:
	// 200 ""
	// 403 ""
	// 401 "ApiKey realm=\"webhooks\""
	// 401 "ApiKey realm=\"webhooks\""
}

// Pages of another origin may call the API if the host says so: the handler leaves
// CORS to it.
func ExampleNewHandler_cors() {
	svc, err := webhook.NewService(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	api, err := webhook.NewHandler(svc, func(*http.Request) (webhook.Principal, error) {
		return webhook.Principal{MerchantID: "merchant_42"}, nil
	}, nil)
	if err != nil {
		panic(err)
	}
	const portal = "https://portal.example.com"
	cors := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		if r.Header.Get("Origin") == portal {
			h.Set("Access-Control-Allow-Origin", portal)
			h.Set("Access-Control-Expose-Headers", "ETag, Retry-After, X-Request-ID")
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
				h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, If-Match")
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		api.ServeHTTP(w, r)
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
