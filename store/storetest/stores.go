package storetest

import (
	"github.com/rag-assistant/webhooks/store"
)

func storeCases() []testCase {
	return []testCase{
		{
			name:    "volatile",
			promise: "A wrapper of a volatile store forwards the method.",
			run: func(x *trial) {
				v, ok := x.st.(store.Volatile)
				equal(x, "Volatile", ok && v.Volatile(), x.harness.Volatile)
			},
		},
	}
}
