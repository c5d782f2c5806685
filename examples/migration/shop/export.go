package shop

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Export writes the table as package transfer reads it. Ids and secrets stay what they
// are: "v0." says that a secret is not sealed. Encodings are those that a rehearsal has
// found, by merchant and id.
func Export(w io.Writer, table []Endpoint, encodings map[[2]string]string) error {
	enc := json.NewEncoder(w)
	err := enc.Encode(map[string]any{"format": "rag-assistant/webhooks", "version": 1})
	for _, e := range table {
		if err != nil {
			return err
		}
		merchant, id := MerchantID(e.ShopID), strconv.Itoa(e.ID)
		line := map[string]any{
			"merchantId": merchant, "webhookId": id, "url": e.URL, "secret": "v0." + e.SigningKey,
			"events": events(e.Topics), "status": "active", "createdAt": e.CreatedAt, "updatedAt": e.CreatedAt,
		}
		if encoding := encodings[[2]string{merchant, id}]; encoding != "" {
			line["payloadEncoding"] = encoding
		}
		err = enc.Encode(line)
	}
	if err != nil {
		return err
	}
	return enc.Encode(map[string]any{"end": true, "webhooks": len(table)})
}

// MerchantID is what a shop is called from now on.
func MerchantID(shopID int) string { return fmt.Sprintf("shop-%d", shopID) }

// Type is what a topic is called from now on: orders/paid is order.paid.
func Type(topic string) string { return strings.Replace(topic, "orders/", "order.", 1) }

func events(topics string) (out []string) {
	for topic := range strings.SplitSeq(topics, ",") {
		out = append(out, Type(topic))
	}
	return out
}
