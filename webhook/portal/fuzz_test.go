package portal_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/portal"
)

// Whatever an event holds, its text is shown whole and in order.
func FuzzTokens(f *testing.F) {
	for _, seed := range []string{`{"a":"b\"c","d":[1,-2.5e3,true,null,{}]}`, `"x`, `[]`, `{"a" : 1}`, "{\"\u2028\":\"<b>\"}"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		joined, _ := portal.JoinedTokens(text)
		var indented bytes.Buffer
		if json.Indent(&indented, []byte(text), "", "  ") != nil {
			indented.Reset()
			indented.WriteString(text)
		}
		require.Equal(t, indented.String(), joined)
	})
}

// Whatever is asked for or sent, the answer is a page or leads to one, is no fault of
// the portal's, and holds nothing of it unescaped.
func FuzzRequests(f *testing.F) {
	f.Add("/new", "url=https%3A%2F%2Fexample.com&events=document.created&encoding=standard&token=form_1")
	f.Add("/webhooks/whk_1/edit", "version=1&metadata-key=<marker>&header-name=a&header-name=b&rate=1e9")
	f.Add("/webhooks/whk_1/deliveries?since=<marker>&status=failed&cursor=d1&page=-1", "")
	f.Add("/webhooks/%2e%2e/%3Cmarker%3E?done=replaying", "")
	f.Add("/merchants/merchant_42/webhooks/whk_1/replay", "which=both&since=2026-01-01&until=<marker>")
	f.Add("/?merchant=<marker>", "action=rows&url=<marker>")
	svc, err := webhook.NewService(memstore.New(nil), nil)
	require.NoError(f, err)
	pages, err := portal.New(svc, func(*http.Request) (webhook.Principal, error) {
		return webhook.Principal{MerchantID: merchant}, nil
	}, nil)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, target, form string) {
		if !strings.HasPrefix(target, "/") {
			return
		}
		method := http.MethodGet
		if form != "" {
			method = http.MethodPost
		}
		r, err := http.NewRequestWithContext(t.Context(), method, "http://example.com"+target, strings.NewReader(form))
		if err != nil {
			return // No server would pass it on.
		}
		r.RequestURI = r.URL.RequestURI()
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
		w := httptest.NewRecorder()
		pages.ServeHTTP(w, r)
		require.Less(t, w.Code, 500, w.Body)
		require.NotContains(t, w.Body.String(), "<marker>")
		require.NotContains(t, w.Body.String(), "ZgotmplZ")
		location := w.Header().Get("Location")
		require.False(t, strings.HasPrefix(location, "/") || strings.Contains(location, "://"), "leads away: %s", location)
	})
}
