package provider_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/verifier/provider"
)

// A receiver of Stripe's events. In a program, the secret comes from the environment.
func ExampleStripe() {
	v, err := provider.Stripe("whsec_example", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	middleware, err := verifier.MiddlewareFor(v, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	handler := middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, _ := verifier.FromContext(r.Context())
		fmt.Println("received", e.Type, e.ID)
		w.WriteHeader(http.StatusNoContent)
	}))

	body := `{"id":"evt_1","type":"charge.succeeded","created":1762257600,"data":{"object":{}}}`
	for _, secret := range []string{"whsec_example", "whsec_other"} {
		r := httptest.NewRequest(http.MethodPost, "/stripe", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		at := strconv.FormatInt(time.Now().Unix(), 10)
		r.Header.Set("Stripe-Signature", "t="+at+",v1="+hexMAC(secret, at+"."+body))
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Println(w.Code)
	}
	// Output:
	// received charge.succeeded evt_1
	// 204
	// 401
}

// Twitch signs its EventSub messages in a way of its own, and asks first:
// https://dev.twitch.tv/docs/eventsub/handling-webhook-events
func ExampleNew() {
	v, err := provider.New(provider.Scheme{
		Name:      "twitch",
		Signature: []provider.Field{{Header: "Twitch-Eventsub-Message-Signature", Prefix: "sha256="}},
		Signed:    "{id}{timestamp}{body}",
		Timestamp: []provider.Field{{Header: "Twitch-Eventsub-Message-Timestamp"}},
		Tolerance: 10 * time.Minute,
		ID:        []provider.Field{{Header: "Twitch-Eventsub-Message-Id"}},
		Type:      []provider.Field{{Member: "subscription.type"}},
		Data:      "event",
		Challenge: func(h http.Header, body []byte, _ func([]byte) []byte) []byte {
			var ask struct{ Challenge string }
			if h.Get("Twitch-Eventsub-Message-Type") != "webhook_callback_verification" || json.Unmarshal(body, &ask) != nil {
				return nil
			}
			return []byte(ask.Challenge)
		},
	}, "5f1a6e7cd2e7137ccf9e15b2f43fe63949eb84b1db83c1d5a867dc93429de4e4", nil)
	if err != nil {
		fmt.Println(err)
		return
	}

	body := `{"subscription":{"type":"channel.follow"},"event":{"user_name":"ann"}}`
	at := time.Now().Format(time.RFC3339Nano)
	h := http.Header{}
	h.Set("Twitch-Eventsub-Message-Id", "e76c6bd4")
	h.Set("Twitch-Eventsub-Message-Timestamp", at)
	h.Set("Twitch-Eventsub-Message-Signature", "sha256="+hexMAC("5f1a6e7cd2e7137ccf9e15b2f43fe63949eb84b1db83c1d5a867dc93429de4e4", "e76c6bd4"+at+body))
	e, err := v.Verify(h, []byte(body))
	fmt.Printf("%s %s %s %v\n", e.ID, e.Type, e.Data, err)
	_, err = v.Verify(h, []byte(body+" "))
	fmt.Println(err)
	// Output:
	// e76c6bd4 channel.follow {"user_name":"ann"} <nil>
	// verifier: signature does not match (twitch)
}
