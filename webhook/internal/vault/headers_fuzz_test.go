package vault

import (
	"bufio"
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
)

// FuzzHeader sends each header that a webhook may have beside those of the sender
// and reads it as a receiver does: it is there as it was given, and nothing else
// has changed.
func FuzzHeader(f *testing.F) {
	for _, seed := range [][2]string{
		{"Authorization", "Bearer abc"},
		{"x-tenant_ID", "a\tb"},
		{"!#$%&'*+-.^_`|~", "~"},
		{"Content-Length", "1"},
		{"content-length", "1"},
		{"Transfer_Encoding", "chunked"},
		{"X_Webhook_ID", "whk_evil"},
		{"X-A", "a\r\nX-Webhook-ID: whk_evil"},
		{"X-A\r\nX-B", "a"},
		{"Cookie", "a=b"},
		{"X-A", " a"},
	} {
		f.Add(seed[0], seed[1])
	}
	senders := []string{
		"Content-Type", "User-Agent", signer.HeaderSignature, signer.HeaderEvent, signer.HeaderWebhookID, signer.HeaderDeliveryID,
		signer.HeaderStandardID, signer.HeaderStandardTimestamp, signer.HeaderStandardSignature,
	}
	f.Fuzz(func(t *testing.T, name, value string) {
		if (Reserved{}).Refuse(name).Text != "" || !ValidHeaderValue(value) || strings.EqualFold(name, "Pragma") { // For which ReadRequest adds another.
			return
		}
		sent := http.Header{}
		for _, key := range senders {
			sent[key] = []string{"ours"}
		}
		sent[name] = []string{value}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://example.com/hook", strings.NewReader("{}"))
		require.NoError(t, err)
		r.Header = sent
		var wire bytes.Buffer
		require.NoError(t, r.Write(&wire))
		got, err := http.ReadRequest(bufio.NewReader(&wire))
		require.NoError(t, err)
		require.Equal(t, []string{value}, got.Header.Values(name))
		for _, key := range senders {
			require.Equal(t, []string{"ours"}, got.Header.Values(key))
		}
		require.Len(t, got.Header, len(senders)+2, "Content-Length comes with the body")
		require.EqualValues(t, 2, got.ContentLength)
		require.Equal(t, "example.com", got.Host)
		require.Empty(t, got.TransferEncoding)
		require.False(t, got.Close)

		s, err := New([]Key{{ID: "k1", Key: [32]byte{1}}}, false)
		require.NoError(t, err)
		sealed, err := s.SealHeaders("m", "whk_1", "https://example.com/", map[string]string{name: value, "X-Other-Name": "x"})
		require.NoError(t, err)
		opened, err := s.openHeaders("m", "whk_1", "https://example.com/other", sealed)
		require.NoError(t, err)
		if len(opened) == 2 { // else it has the other's name
			require.Contains(t, opened, Header{name, []string{value}})
		}
		require.Contains(t, HeaderNames(sealed), name)
	})
}
