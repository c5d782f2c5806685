package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/transfer"
)

// Webhooks move from one store to another. The file is sealed with the key of the
// receiving side, and rehearsed before it is taken in.
func Example() {
	ctx := context.Background()
	oldKeys := []webhook.SecretKey{{ID: "k1", Key: [32]byte{1}}}
	newKeys := []webhook.SecretKey{{ID: "k2", Key: [32]byte{2}}}
	from, to := memstore.New(nil), memstore.New(nil) // one of them in Redis, say, the other in PostgreSQL
	registerSome(from, oldKeys)

	var file bytes.Buffer
	exported, err := transfer.Export(ctx, &file, from, &transfer.ExportOptions{SecretKeys: oldKeys, SealWith: newKeys[0]})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(exported.Webhooks, "webhooks of", exported.Merchants, "merchants")

	for _, dry := range []bool{true, false} {
		imported, err := transfer.Import(ctx, to, bytes.NewReader(file.Bytes()), &transfer.ImportOptions{
			Service: webhook.ServiceOptions{SecretKeys: newKeys},
			DryRun:  dry,
		})
		if refused, ok := errors.AsType[*transfer.RefusedError](err); ok {
			for _, p := range refused.Problems {
				log.Println(p)
			}
		} else if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("dry run %t: %+v\n", dry, imported)
	}
	// Output:
	// 3 webhooks of 2 merchants
	// dry run true: {Created:3 Unchanged:0 Overwritten:0}
	// dry run false: {Created:3 Unchanged:0 Overwritten:0}
}

func registerSome(st webhook.ServiceStore, keys []webhook.SecretKey) {
	svc, err := webhook.NewService(st, &webhook.ServiceOptions{SecretKeys: keys})
	if err != nil {
		log.Fatal(err)
	}
	for _, merchant := range []string{"merchant_42", "merchant_42", "merchant_43"} {
		_, err := svc.Register(context.Background(), merchant, webhook.Registration{URL: "https://example.com/webhooks", Events: []string{"*"}})
		if err != nil {
			log.Fatal(err)
		}
	}
}
