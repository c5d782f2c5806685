package event_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/event"
)

// sized returns events whose bodies have about 300 bytes, 1 KiB and 16 KiB.
func sized() []event.Event {
	var out []event.Event
	for _, n := range []int{1, 8, 180} {
		out = append(out, whole(event.New(event.ChatQueryCompleted{
			SessionID: "session_xyz789",
			Query:     "Show me wireless headphones under $200",
			Answer:    "I found several great options for you.",
			Recommendations: slices.Repeat([]event.Recommendation{{
				SKU: "WBH-001", Title: "Premium Wireless Headphones", Price: 199.99, Confidence: 0.95,
			}}, n),
			Intent: "product_search",
		})))
	}
	return out
}

func BenchmarkMarshal(b *testing.B) {
	for _, e := range sized() {
		body, err := e.MarshalJSON()
		require.NoError(b, err)
		b.Run(fmt.Sprint(len(body)), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := e.MarshalJSON(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for _, e := range sized() {
		body, err := e.MarshalJSON()
		require.NoError(b, err)
		b.Run(fmt.Sprint(len(body)), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				if _, err := event.Parse(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
