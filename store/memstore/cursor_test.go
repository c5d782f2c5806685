package memstore_test

import (
	"testing"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/store/storetest"
)

func FuzzCursor(f *testing.F) {
	storetest.FuzzCursor(f, memstore.New(nil),
		"d", "e", "d0", "e0", "d-1", "d+1", "d01", "dZ", "d_1", "x1", "d1y2p0ij32e8e7", "d1y2p0ij32e8e8", "d 1", "D1")
}
