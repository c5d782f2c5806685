package mailnotify_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/mailnotify"
)

// addresses would ask the host's own database.
func addresses(_ context.Context, n webhook.Notice) ([]string, error) {
	return map[string][]string{"merchant_42": {"Shop <shop@example.com>"}}[n.MerchantID], nil
}

func Example() {
	server, stop := exampleServer()
	defer stop()

	mailer, err := mailnotify.New("127.0.0.1", "Webhooks <webhooks@example.com>", addresses, &mailnotify.Options{
		Port: server.port, RootCAs: server.roots,
		Username: "webhooks", Password: password,
		PortalURL: func(n webhook.Notice) string { return "https://portal.example.com/webhooks/" + n.WebhookID },
	})
	if err != nil {
		log.Fatal(err)
	}
	// A dispatcher calls it: webhook.DispatcherOptions{OnNotice: mailer.Notify, WarnAfter: 5}
	at := time.Date(2026, time.February, 27, 12, 0, 0, 0, time.UTC)
	err = mailer.Notify(context.Background(), webhook.Notice{
		ID: "whk_1.1.warning.0", Kind: webhook.NoticeWarning, MerchantID: "merchant_42", WebhookID: "whk_1",
		URL: "https://shop.example.com/hooks?token=s3cret", Failures: 5, DisableAfter: 10, Since: at.Add(-time.Hour), At: at,
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range server.got() {
		fmt.Println(m.to, m.text())
	}
	// Output:
	// [shop@example.com] Hello,
	//
	// your webhook has failed 5 times in a row. At 10 it will be disabled.
	//
	// Webhook: whk_1
	// URL: https://shop.example.com/hooks
	// Failing since: 27 February 2026, 11:00 UTC
	//
	// What to do:
	// Mend the endpoint. It has to answer each delivery with a 2xx status in time. One success is enough to start over.
	//
	// Look at the webhook: https://portal.example.com/webhooks/whk_1
}
