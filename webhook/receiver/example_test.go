package receiver_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

// A receiver with a handler for one type of event. What is sent twice is handled
// once.
func Example() {
	mux := receiver.NewMux()
	receiver.On(mux, func(_ context.Context, e event.Event, doc event.DocumentCreated) error {
		fmt.Println("new document:", doc.Title)
		return nil
	})
	rcv, err := receiver.New(secret, mux, &receiver.Options{Seen: memstore.New(nil)})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(rcv)
	defer server.Close()

	body := []byte(`{"created":"2025-11-04T12:36:00Z","data":{"documentId":"doc_1","title":"Café"},"id":"evt_1","type":"document.created"}`)
	for range 2 {
		fmt.Println(deliver(server.URL, body))
	}
	fmt.Println("processed:", rcv.Metrics().Processed, "duplicates:", rcv.Metrics().Duplicates)
	// Output:
	// new document: Café
	// 200
	// 200
	// processed: 1 duplicates: 1
}

// deliver sends a body as a sender does.
func deliver(url string, body []byte) int {
	key, err := signer.ParseSecret(secret)
	if err != nil {
		return 0
	}
	s, err := signer.New(key)
	if err != nil {
		return 0
	}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0
	}
	r.Header.Set("Content-Type", "application/json")
	now := time.Now()
	r.Header.Set(signer.HeaderStandardID, "evt_1")
	r.Header.Set(signer.HeaderStandardTimestamp, strconv.FormatInt(now.Unix(), 10))
	r.Header.Set(signer.HeaderStandardSignature, string(s.AppendStandard(nil, "evt_1", now, body)))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}
