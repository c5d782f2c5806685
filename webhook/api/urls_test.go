package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/webhook"
)

// Neither does the answer to a registration that is refused, nor what the host
// gets to log.
const urlSecret = "t0ken-of-the-receiver"

func TestRefusedURLsAreNotRepeated(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	one := hooks + "/" + s.hook(harness.Merchant)
	for _, refused := range []string{
		"https://user:" + urlSecret + "@example.com/", "https://" + urlSecret + "@example.com/", "https://127.0.0.1/?token=" + urlSecret,
		"http://example.com/?token=" + urlSecret, "https://example.com:22/" + urlSecret, "https://" + urlSecret + "/", "https://exa mple.com/" + urlSecret,
		"https://example.com/%zz?" + urlSecret, "https://example.com/#" + urlSecret, "https://example.com/" + strings.Repeat(urlSecret, 200), urlSecret,
	} {
		for _, a := range []answered{
			s.do(http.MethodPost, hooks, `{"url":"`+refused+`","events":["*"]}`),
			s.do(http.MethodPut, one, `{"url":"`+refused+`"}`),
		} {
			require.Equal(t, []string{"url"}, a.faults(), refused)
			require.NotContains(t, a.body, urlSecret)
		}
		_, err := s.svc.Register(t.Context(), harness.Merchant, webhook.Registration{URL: refused, Events: []string{"*"}})
		require.Error(t, err)
		require.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), urlSecret)
	}
	require.NotContains(t, s.log.String(), urlSecret)
}
