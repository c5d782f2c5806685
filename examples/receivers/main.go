// Command receivers is the receiver in Go of those in this directory, one for each
// of several languages. All of them take the secret from WEBHOOK_SECRET, listen on
// PORT of the loopback interface, and verify the body as it arrived.
package main

import (
	"cmp"
	"context"
	"log"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/rag-assistant/webhooks/verifier"
)

func main() {
	v, err := verifier.New(os.Getenv("WEBHOOK_SECRET"), &verifier.Options{
		MaxBody: 2 << 20, // 256 KiB in their longest spelling are 1.5 MiB.
	})
	if err != nil {
		log.Fatal("WEBHOOK_SECRET is not the secret of a webhook: ", err)
	}
	http.Handle("POST /webhooks", v.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, _ := verifier.FromContext(r.Context())
		log.Println("received", e.Type, e.ID)
		// Put it into a queue, unless its id is there already; work on it afterwards.
		w.WriteHeader(http.StatusNoContent)
	})))

	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:"+cmp.Or(os.Getenv("PORT"), "8080"))
	if err != nil {
		log.Fatal(err)
	}
	log.Println("listening on", listener.Addr())
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second}
	log.Fatal(server.Serve(listener))
}
