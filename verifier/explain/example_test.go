package explain_test

import (
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/verifier/explain"
)

// A receiver that hashes what its JSON parser has made of the body, and whose
// secret came from a file that ends with a line break.
func ExampleAt() {
	header := http.Header{}
	header.Set("webhook-id", "evt_1")
	header.Set("webhook-timestamp", "1762257600")
	header.Set("webhook-signature", "v1,3oExqefreE02JvXhq3vRe8oSKc2bW7D/T8BjmmfgHGk=")
	body := []byte(`{"type": "webhook.test", "id": "evt_1", "data": {}, "created": "2025-11-04T12:00:00Z"}`)
	secret := "whsec_xyz789abc123def456ghi789jkl012mno345\n"

	report := explain.At(time.Unix(1762257600, 0), header, body, secret) // Explain takes the present.
	for _, f := range report.Findings {
		fmt.Println(f.Code, f.Cause)
	}
	fmt.Println(report.Findings[1].Text)
	// Output:
	// secret_space true
	// body_rewritten true
	// The body is not the bytes that were signed, but the same JSON written again. What was signed was compact, with its keys sorted, characters as they are.
}

// A receiver that keeps what it refuses, for "webhooks explain --last".
func ExampleKeep() { //nolint:testableexamples // it would make a directory here and leave it
	secret, next := os.Getenv("WEBHOOK_SECRET"), http.NotFoundHandler()

	keep, err := explain.Keep("rejected", nil)
	if err != nil {
		log.Fatal(err)
	}
	handler := verifier.Middleware(secret, &verifier.Options{OnReject: keep})(next)

	http.Handle("POST /webhooks", handler)
}
