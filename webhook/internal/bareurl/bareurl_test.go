package bareurl_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/internal/bareurl"
)

func TestOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, raw, want string }{
		{"bare", "https://example.com/hooks", "https://example.com/hooks"},
		{"query", "https://example.com/hooks?token=s3cret", "https://example.com/hooks"},
		{"user", "https://me:s3cret@example.com:8443/hooks", "https://example.com:8443/hooks"},
		{"fragment", "https://example.com/hooks#s3cret", "https://example.com/hooks"},
		{"escaped path", "https://example.com/a%2Fb%0D%0Ac", "https://example.com/a%2Fb%0D%0Ac"},
		{"line break", "https://example.com/\r\nBcc: s3cret@example.com", ""},
		{"opaque", "mailto:s3cret@example.com", ""},
		{"no URL", "s3cret", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, tt.want, bareurl.Of(tt.raw))
		})
	}
}
