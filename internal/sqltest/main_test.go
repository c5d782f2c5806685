//go:build !race

package sqltest_test

import (
	"fmt"
	"os"
	"testing"

	"github.com/rag-assistant/webhooks/internal/sqltest"
)

// childVariable makes this program a child of a test: see child.
const childVariable = "WEBHOOK_TEST_SQLITE_CHILD"

func TestMain(m *testing.M) {
	if file := os.Getenv(childVariable); file != "" {
		if err := child(file, os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	for _, p := range []*sqltest.Pool{&several, &one} {
		if err := p.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
