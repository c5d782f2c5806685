package jwtauth_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
	"github.com/rag-assistant/webhooks/webhook/jwtauth"
)

// One secret, shared with the login.
func Example() {
	secret := []byte("0123456789abcdef0123456789abcdef") // from your configuration
	keys, err := jwtauth.Secrets(secret)
	if err != nil {
		log.Fatal(err)
	}
	auth, err := jwtauth.New(keys, &jwtauth.Options{
		Issuer:   "https://login.example.com",
		Audience: []string{"https://api.example.com"},
	})
	if err != nil {
		log.Fatal(err)
	}
	svc, err := webhook.NewService(memstore.New(nil), nil)
	if err != nil {
		log.Fatal(err)
	}
	h, err := api.New(svc, auth.Authenticate, nil)
	if err != nil {
		log.Fatal(err)
	}

	// What the login issues.
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss":        "https://login.example.com",
		"aud":        "https://api.example.com",
		"exp":        time.Now().Add(10 * time.Minute).Unix(),
		"merchantId": "merchant_42",
		"scope":      "webhooks:read",
	}).SignedString(secret)
	if err != nil {
		log.Fatal(err)
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		r := httptest.NewRequest(method, "/api/merchants/merchant_42/webhooks", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		fmt.Printf("%s: %d %s\n", method, w.Code, http.StatusText(w.Code))
	}
	// Output:
	// GET: 200 OK
	// POST: 403 Forbidden
}

// The keys that a login publishes, and changes when it likes.
func ExampleNewRemote() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	keys, err := jwtauth.NewRemote("https://login.example.com/.well-known/jwks.json", nil)
	if err != nil {
		log.Fatal(err)
	}
	go keys.Run(ctx) // fetches them, now and again, until ctx ends

	auth, err := jwtauth.New(keys, &jwtauth.Options{
		Issuer:   "https://login.example.com/",
		Audience: []string{"https://api.example.com"},
	})
	if err != nil {
		log.Fatal(err)
	}
	svc, err := webhook.NewService(memstore.New(nil), nil)
	if err != nil {
		log.Fatal(err)
	}
	h, err := api.New(svc, auth.Authenticate, nil)

	fmt.Println(h != nil, err)
	// Output: true <nil>
}
