package webhook_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook"
)

// Neither does the answer to a registration that is refused, nor what the host
// gets to log.
func TestRefusedURLsAreNotRepeated(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	one := hooks + "/" + s.hook(merchant)
	for _, refused := range []string{
		"https://user:" + urlToken + "@example.com/", "https://" + urlToken + "@example.com/", "https://127.0.0.1/?token=" + urlToken,
		"http://example.com/?token=" + urlToken, "https://example.com:22/" + urlToken, "https://" + urlToken + "/", "https://exa mple.com/" + urlToken,
		"https://example.com/%zz?" + urlToken, "https://example.com/#" + urlToken, "https://example.com/" + strings.Repeat(urlToken, 200), urlToken,
	} {
		for _, a := range []answered{
			s.do(http.MethodPost, hooks, `{"url":"`+refused+`","events":["*"]}`),
			s.do(http.MethodPut, one, `{"url":"`+refused+`"}`),
		} {
			require.Equal(t, []string{"url"}, a.faults(), refused)
			require.NotContains(t, a.body, urlToken)
		}
		_, err := s.svc.Register(t.Context(), merchant, webhook.Registration{URL: refused, Events: []string{"*"}})
		require.Error(t, err)
		require.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), urlToken)
	}
	require.NotContains(t, s.log.String(), urlToken)
}
