package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/egress"
)

// A merchant's receiver refuses what has an accent or an ampersand in it. It parses
// the body and writes it again before it verifies, as the Go sample of the guide does.
func ExampleService_Detect() {
	out := &egress.Options{InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true} // this machine
	st := memstore.New(nil)
	svc, err := webhook.NewService(st, &webhook.ServiceOptions{Egress: out})
	if err != nil {
		log.Fatal(err)
	}
	disp, err := webhook.NewDispatcher(st, &webhook.DispatcherOptions{Egress: out})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go disp.Run(ctx)

	var secret string
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var payload map[string]any
		if json.NewDecoder(r.Body).Decode(&payload) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		again, _ := json.Marshal(payload)
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(again)
		if r.Header.Get("X-Webhook-Signature") != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	defer receiver.Close()
	reg, err := svc.Register(ctx, "merchant_42", webhook.Registration{URL: receiver.URL, Events: []string{"*"}})
	if err != nil {
		log.Fatal(err)
	}
	secret = reg.Secret.Reveal()

	found, err := svc.Detect(ctx, "merchant_42", reg.Webhook.ID)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(found.Receiver, found.Encoding)
	for _, p := range found.Probes {
		fmt.Println(p.Sent, p.Delivery.StatusCode)
	}
	// Output:
	// rewrites html
	// standard 401
	// ascii 401
	// html 200
}
