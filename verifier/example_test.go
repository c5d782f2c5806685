package verifier_test

import (
	"errors"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// A receiver: in a program, the secret comes from the environment, and http.Handle
// and http.ListenAndServe take the place of what follows the handler.
func ExampleMiddleware() {
	secret := "whsec_xyz789abc123def456ghi789jkl012mno345"
	handler := verifier.Middleware(secret, nil)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, _ := verifier.FromContext(r.Context())
		fmt.Println("received", e.Type, e.ID)
		w.WriteHeader(http.StatusNoContent)
	}))

	body := `{"id":"evt_1","type":"webhook.test","created":"2025-11-04T12:00:00Z","data":{}}`
	for _, signed := range []string{body, body + " "} {
		r := httptest.NewRequest(http.MethodPost, "/webhooks", strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		sign(r.Header, secret, signed)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		fmt.Printf("%d %q\n", w.Code, w.Body)
	}
	// Output:
	// received webhook.test evt_1
	// 204 ""
	// 401 "{\"error\":\"invalid signature\"}"
}

// Outside of net/http's server, in a queue consumer or a function.
func ExampleVerifier_Verify() {
	v, err := verifier.New("whsec_xyz789abc123def456ghi789jkl012mno345", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	body := []byte(`{"id":"evt_1","type":"webhook.test","created":"2025-11-04T12:00:00Z","data":{}}`)
	_, err = v.Verify(http.Header{}, body)
	switch {
	case err == nil:
		fmt.Println("an event")
	case errors.Is(err, verifier.ErrMissingSignature), errors.Is(err, verifier.ErrMismatch):
		fmt.Println("not from the sender")
	case errors.Is(err, verifier.ErrStale):
		fmt.Println("sent again, or a wrong clock")
	case errors.Is(err, event.ErrMalformed), errors.Is(err, verifier.ErrEventType):
		fmt.Println("from the sender, but not an event")
	}
	// Output: not from the sender
}

// A receiver of a sender that signs with a key of its own holds no secret.
func ExampleOptions_publicKeys() {
	v, err := verifier.New("", &verifier.Options{
		PublicKeys: []string{"whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="},
		Now:        func() time.Time { return time.Unix(1614265330, 0) }, // leave it out
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	header := http.Header{}
	header.Set("webhook-id", "msg_p5jXN8AQM9LWM0D4loKWxJek")
	header.Set("webhook-timestamp", "1614265330")
	header.Set("webhook-signature", "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==")
	fmt.Println(v.Check(header, []byte(`{"test": 2432232314}`)))
	// Output: <nil>
}

// While the sender changes secrets, the receiver has both.
func ExampleOptions_otherSecrets() {
	current, previous := "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_xyz789abc123def456ghi789jkl012mno345"
	v, err := verifier.New(current, &verifier.Options{OtherSecrets: []string{previous}})
	if err != nil {
		fmt.Println(err)
		return
	}
	body := `{"id":"evt_1","type":"webhook.test","created":"2025-11-04T12:00:00Z","data":{}}`
	for _, secret := range []string{current, previous} {
		header := http.Header{}
		sign(header, secret, body)
		fmt.Println(v.Check(header, []byte(body)))
	}
	// Output:
	// <nil>
	// <nil>
}

// A sender that has nothing but X-Webhook-Signature has to be let in by name.
func ExampleOptions_acceptUntimed() {
	secret := "whsec_xyz789abc123def456ghi789jkl012mno345"
	body := `{"id":"evt_1","type":"webhook.test","created":"2025-11-04T12:00:00Z","data":{}}`
	header := http.Header{}
	header.Set("X-Webhook-Signature", "sha256=9825343407e4617868f6bb422f3390147492438909623b521df7bf06150d3fcb")
	v, err := verifier.New(secret, &verifier.Options{AcceptUntimed: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(v.Check(header, []byte(body)))
	header.Set("webhook-signature", "v1,AAAA")
	fmt.Println(v.Check(header, []byte(body)))
	// Output:
	// <nil>
	// verifier: webhook-id is missing
}

// A sender with headers of its own shares what it calls them.
func ExampleOptions_wire() {
	secret := "whsec_xyz789abc123def456ghi789jkl012mno345"
	body := `{"id":"evt_1","type":"webhook.test","created":"2025-11-04T12:00:00Z","data":{}}`
	header := http.Header{}
	sign(header, secret, body)
	header.Set("X-Acme-Event", "document.created")
	v, err := verifier.New(secret, &verifier.Options{Wire: signer.Wire{Prefix: "X-Acme-"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = v.Verify(header, []byte(body))
	fmt.Println(err)
	// Output:
	// verifier: event type of the header is not the body's, webhook.test
}

// sign sets the headers of Standard Webhooks.
func sign(header http.Header, text, body string) {
	secret, err := signer.ParseSecret(text)
	if err != nil {
		log.Fatal(err)
	}
	s, err := signer.New(secret)
	if err != nil {
		log.Fatal(err)
	}
	now := time.Now()
	header.Set("webhook-id", "evt_1")
	header.Set("webhook-timestamp", strconv.FormatInt(now.Unix(), 10))
	header.Set("webhook-signature", string(s.AppendStandard(nil, "evt_1", now, []byte(body))))
}
