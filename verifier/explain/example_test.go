package explain_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/rag-assistant/webhooks/verifier/explain"
)

// A receiver that hashes what its JSON parser has made of the body, and whose
// secret came from a file that ends with a line break.
func ExampleAt() {
	header := http.Header{}
	header.Set("X-Webhook-Signature", "sha256=5fa2bbdedf8f7b617caa68712a48a2869a6c7209d749e8dad566ef08ff51282a")
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
