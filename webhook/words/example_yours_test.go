package words_test

import (
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/portal"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// The names of a host go to all who say them.
func Example_yours() {
	authenticate := func(*http.Request) (webhook.Principal, error) { return webhook.Principal{MerchantID: "shop_42"}, nil }
	st := memstore.New(nil)

	wire := signer.Wire{Prefix: "X-Acme-", OmitUntimed: true, UserAgent: "Acme-Webhooks/1.0"}
	w, err1 := words.New(&words.Options{Tenant: "shop", Tenants: "shops"})
	types, err2 := event.NewCatalog(event.Entry{Type: "order.paid", Description: "An order was paid"})
	if err := errors.Join(err1, err2); err != nil {
		log.Fatal(err)
	}
	svc, err1 := webhook.NewService(st, &webhook.ServiceOptions{Catalog: types.WithShape(event.StandardShape), Wire: wire})
	disp, err2 := webhook.NewDispatcher(st, &webhook.DispatcherOptions{Wire: wire})
	h, err3 := api.New(svc, authenticate, &api.Options{Title: "Acme", Words: w, ServerURL: "https://api.acme.example"})
	pages, err4 := portal.New(svc, authenticate, &portal.Options{
		Title: "Acme", Words: w, Accent: "#b91c1c", AccentDark: "#fca5a5", Radius: "4px",
		FrameAncestors: []string{"https://app.acme.example"},
	})
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		log.Fatal(err)
	}

	_ = disp
	for path, h := range map[string]http.Handler{"/shops/shop_42/webhooks": h, "/": pages} {
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, path, nil))
		fmt.Println(path, answer.Code)
	}
	// Unordered output:
	// /shops/shop_42/webhooks 200
	// / 200
}
