package jcs_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/internal/jcs"
)

// sized returns an event in the guide's order of about n bytes.
func sized(tb testing.TB, n int) []byte {
	tb.Helper()
	const head = `{"id":"evt_0198c5a1b2c37d4e8f90a1b2c3d4e5f6","type":"chat.query.completed",` +
		`"created":"2025-11-04T12:34:56Z","data":{"query":"caf` + "\u00e9" + ` & more","recommendations":[`
	var items []string
	for i := 0; len(head)+len(strings.Join(items, ",")) < n-60; i++ {
		items = append(items, fmt.Sprintf(`{"sku":"WBH-%03d","title":"Premium Wireless Headphones","price":%d.99,"confidence":0.95}`, i, i))
	}
	out := []byte(head + strings.Join(items, ",") + `]}}`)
	require.True(tb, json.Valid(out))
	return out
}

func BenchmarkCanonicalize(b *testing.B) {
	for _, n := range []int{200, 1 << 10, 16 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			src := sized(b, n)
			b.ReportAllocs()
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				if _, err := jcs.Canonicalize(src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, e := range []jcs.Encoding{jcs.Standard, jcs.ASCII, jcs.HTML} {
		for _, n := range []int{200, 1 << 10, 16 << 10} {
			b.Run(fmt.Sprintf("%s/%d", e, n), func(b *testing.B) {
				src, err := jcs.Canonicalize(sized(b, n))
				require.NoError(b, err)
				b.ReportAllocs()
				b.SetBytes(int64(len(src)))
				for b.Loop() {
					jcs.Encode(src, e)
				}
			})
		}
	}
}
