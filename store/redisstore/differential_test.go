//go:build !race

package redisstore_test

import (
	"os"
	"strconv"
	"testing"

	"github.com/rag-assistant/webhooks/internal/redistest"
	"github.com/rag-assistant/webhooks/store/storetest"
)

// sequencesVariable asks for that many random sequences.
const sequencesVariable = "WEBHOOK_TEST_SEQUENCES"

func TestDifferential(t *testing.T) {
	t.Parallel()
	n, err := strconv.Atoi(os.Getenv(sequencesVariable))
	if err != nil {
		n = 60 // TestConformance plays 450 more, or 90 with the race detector.
	}
	storetest.RunDifferential(t, opener(redistest.Client(t), 2), n)
}
