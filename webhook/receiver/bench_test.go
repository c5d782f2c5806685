package receiver_test

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook/receiver"
)

// BenchmarkReceive verifies and handles an event of 200 bytes, with and without
// asking whether it was there before.
func BenchmarkReceive(b *testing.B) {
	for name, o := range map[string]*receiver.Options{
		"verify": nil, "once": {Seen: memstore.New(nil)},
	} {
		b.Run(name, func(b *testing.B) {
			r := newReceiver(b, o, nothing)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				b.StopTimer()
				i++
				req := signed(b, body(fmt.Sprintf("evt_%d", i), `{"documentId":"doc_1","title":"Wireless Bluetooth Headphones","type":"product"}`))
				w := httptest.NewRecorder()
				b.StartTimer()
				r.ServeHTTP(w, req)
				require.Equal(b, 200, w.Code)
			}
		})
	}
}
