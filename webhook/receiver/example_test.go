package receiver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/verifier"
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

// Each tenant has an address with his name in it, and a secret of his own in a database.
func ExampleNewForEach() {
	secrets := map[string]string{"acme": secret} // or a database
	find := func(r *http.Request) (string, verifier.Checker, error) {
		tenant := r.PathValue("tenant")
		secret, ok := secrets[tenant]
		if !ok {
			return "", nil, verifier.ErrUnknownTenant // is answered as a wrong signature
		}
		v, err := verifier.New(secret, nil) // an error is answered with 503
		return tenant, v, err
	}
	mux := receiver.NewMux()
	mux.Handle("*", func(ctx context.Context, e event.Event) error {
		m, _ := verifier.MessageFromContext(ctx)
		fmt.Println(m.Tenant, e.ID)
		return nil
	})
	rcv, err := receiver.NewForEach(find, mux, &receiver.Options{Seen: memstore.New(nil)})
	if err != nil {
		fmt.Println(err)
		return
	}
	routes := http.NewServeMux()
	routes.Handle("POST /hooks/{tenant}", rcv)
	server := httptest.NewServer(routes)
	defer server.Close()

	body := []byte(`{"created":"2025-11-04T12:36:00Z","data":{},"id":"evt_1","type":"document.created"}`)
	fmt.Println(deliver(server.URL+"/hooks/acme", body))
	fmt.Println(deliver(server.URL+"/hooks/nobody", body))
	// Output:
	// acme evt_1
	// 200
	// 401
}

// A queue of the host's keeps what was verified, and hands it over later.
func ExampleReceiver_Process() {
	queue := make(chan verifier.Message, 1) // or a table
	mux := receiver.NewMux()
	mux.Handle("*", func(_ context.Context, e event.Event) error {
		return receiver.Never(fmt.Errorf("nobody knows the document of %s", e.ID))
	})
	rcv, err := receiver.New(secret, mux, &receiver.Options{
		Seen: memstore.New(nil),
		Accept: func(ctx context.Context, m verifier.Message) error {
			select {
			case queue <- m:
				return nil
			default:
				return receiver.RetryAfter(time.Minute, errors.New("the queue is full"))
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	server := httptest.NewServer(rcv)
	defer server.Close()
	fmt.Println(deliver(server.URL, []byte(`{"created":"2025-11-04T12:36:00Z","data":{},"id":"evt_1","type":"document.created"}`)))

	m := <-queue
	switch err := rcv.Process(context.Background(), m); {
	case err == nil:
		fmt.Println("done")
	case receiver.IsNever(err):
		fmt.Println("give it up:", err)
	default:
		after, _ := receiver.Wait(err)
		fmt.Println("again, not before", after)
	}
	// Output:
	// 200
	// give it up: nobody knows the document of evt_1
}
