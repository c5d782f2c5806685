package webhook_test

import (
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
