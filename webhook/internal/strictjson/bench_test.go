package strictjson_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/internal/strictjson"
)

func BenchmarkObject(b *testing.B) {
	for _, n := range []int{1, 8, 140} {
		items := strings.Repeat(`,{"sku":"WBH-001","title":"Premium Wireless Headphones","price":199.99,"confidence":0.95}`, n)
		text := []byte(`{"id":"evt_0198c5a1b2c37d4e8f90a1b2c3d4e5f6","type":"chat.query.completed",` +
			`"created":"2025-11-04T12:34:56Z","data":{"recommendations":[` + items[1:] + `]}}`)
		b.Run(fmt.Sprint(len(text)), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if _, err := strictjson.Object(text, strictjson.Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("%d/json.Valid", len(text)), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				require.True(b, json.Valid(text))
			}
		})
	}
}
