package portable_test

import (
	"fmt"

	"github.com/rag-assistant/webhooks/webhook/portable"
)

func ExampleCheck() {
	body := []byte(`{"id":"evt_1","type":"order.paid","created":"2025-11-04T12:34:56Z",
		"data":{"customer":"Zoë","items":[{"sku":"A-1","options":{}}],"rate":0.00002}}`)
	for _, issue := range portable.Check(body) {
		fmt.Println(issue.Severity, issue.Receiver, issue.Path)
	}
	fmt.Println(portable.Encodings(body)["Go"])
	// Output:
	// Unverifiable Python data.rate
	// Unverifiable PHP data.items[0].options
	// Unverifiable PHP data.rate
	// Unverifiable Ruby data.rate
	// NeedsEncoding Python data.customer
	// NeedsEncoding PHP data.customer
	// [standard html]
}
