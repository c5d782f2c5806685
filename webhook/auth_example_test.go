package webhook_test

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
)

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
		return webhook.Principal{MerchantID: key.merchantID, Subject: "API key " + id}, nil
	}

	svc, err := webhook.NewService(memstore.New(nil), nil)
	if err != nil {
		panic(err)
	}
	h, err := api.New(svc, authenticate, &api.Options{Challenge: `ApiKey realm="webhooks"`})
	if err != nil {
		panic(err)
	}

	for _, key := range []string{"k1.3GN5VQ7ZK2YJ4TWHD6RCLXSEMB", "k2.QX7LBH2MCVZ5KJ4DTRWEYN6GS3", "k1.guess", ""} {
		r := httptest.NewRequest(http.MethodGet, "/api/merchants/merchant_42/webhooks", nil)
		r.Header.Set("X-API-Key", key)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		fmt.Printf("%d %q\n", w.Code, w.Header().Get("WWW-Authenticate"))
	}
	// Output:
	// 200 ""
	// 403 ""
	// 401 "ApiKey realm=\"webhooks\""
	// 401 "ApiKey realm=\"webhooks\""
}
