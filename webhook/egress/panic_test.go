package egress_test

import (
	"context"
	"net/http"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

type panicking struct{}

func (panicking) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) { panic("no") }

// What the host has brought along runs in goroutines that nobody guards.
func TestPanicsOfTheHost(t *testing.T) {
	t.Parallel()
	e, err := egress.New(&egress.Options{Resolver: panicking{}, AllowPort: func(port uint16) bool {
		if port == 444 {
			panic("no")
		}
		return true
	}})
	require.NoError(t, err)
	for _, url := range []string{"https://example.com/", "https://example.com:444/"} {
		_, err = egress.Post(t.Context(), e.Transport(), url, http.Header{}, []byte("{}"))
		require.Error(t, err, url)
	}
}
