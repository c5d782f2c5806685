package api_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/webhook"
)

func TestSettingsAnswers(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	const settings = `"description":"Orders <EU>","metadata":{"team":"a & b","tier":""},` +
		`"headers":{"x-tenant":"42","Authorization":"Bearer abc"},"rateLimit":25`
	a := s.do(http.MethodPost, hooks, `{"url":"https://example.com/","events":["*"],`+settings+`}`).is(http.StatusCreated)
	v := a.object()
	want := map[string]any{
		"description": "Orders <EU>", "metadata": map[string]any{"team": "a & b", "tier": ""},
		"headerNames": []any{"Authorization", "x-tenant"}, "rateLimit": 25.0,
	}
	guides := []string{"webhookId", "url", "events", "secret", "warning"}
	require.ElementsMatch(t, append(guides, "description", "metadata", "headerNames", "rateLimit"), keysOf(v))
	require.Less(t, strings.Index(a.body, `"warning"`), strings.Index(a.body, `"description"`), "the guide's fields come first")
	has := func(v map[string]any) {
		t.Helper()
		for name, value := range want {
			require.Equal(t, value, v[name], name)
		}
	}
	has(v)
	one := hooks + "/" + fmt.Sprint(v["webhookId"])
	read := func() map[string]any { return s.do(http.MethodGet, one, "").is(http.StatusOK).object() }
	has(read())
	var list struct{ Webhooks []map[string]any }
	s.do(http.MethodGet, hooks, "").is(http.StatusOK).data(&list)
	has(list.Webhooks[0])
	require.ElementsMatch(t, append(guides, "previousSecretUntil"),
		keysOf(s.do(http.MethodPost, one+"/secret/rotate", "").is(http.StatusOK).object()), "a rotation shows none of them")

	put := func(body string) map[string]any {
		t.Helper()
		return s.do(http.MethodPut, one, body).is(http.StatusOK).object()
	}
	want["metadata"] = map[string]any{"new": "1"}
	has(put(`{"metadata":{"new":"1"}}`))
	want["rateLimit"] = 10_000.0
	has(put(`{"rateLimit":10000}`))
	want["headerNames"] = []any{"X-New"}
	has(put(`{"headers":{"X-New":"1"}}`))
	want["description"] = "x"
	has(put(`{"description":"x"}`))
	for _, c := range []struct{ body, field string }{
		{`{"metadata":{}}`, "metadata"},
		{`{"rateLimit":0}`, "rateLimit"},
		{`{"headers":{}}`, "headerNames"},
		{`{"description":""}`, "description"},
	} {
		delete(want, c.field)
		v := put(c.body)
		has(v)
		require.NotContains(t, v, c.field)
		require.NotContains(t, read(), c.field)
	}
}

func TestSettingsAreReadStrictly(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	one := hooks + "/" + s.hook(harness.Merchant)
	before := s.belongings()
	pairs := func(n int) string {
		out := make([]string, n)
		for i := range out {
			out[i] = fmt.Sprintf(`"k%d":"v"`, i)
		}
		return strings.Join(out, ",")
	}
	for member, want := range map[string][]string{
		`"description":null`:                               {"description"},
		`"description":1`:                                  {"description"},
		`"description":"a\u0000"`:                          {"description"},
		`"description":"` + strings.Repeat("x", 513) + `"`: {"description"},
		`"metadata":null`:                                  {"metadata"},
		`"metadata":[]`:                                    {"metadata"},
		`"metadata":"a"`:                                   {"metadata"},
		`"metadata":{"a":1,"b":null,"c":"x","d e":{}}`:     {"metadata.a", "metadata.b", `metadata["d e"]`},
		`"metadata":{"a":"1","a":"2"}`:                     {"metadata.a"},
		`"metadata":{"a":"1","\u0061":"2"}`:                {"metadata.a"},
		`"metadata":{"":"x"}`:                              {`metadata[""]`},
		`"metadata":{` + pairs(21) + `}`:                   {"metadata"},
		`"headers":null`:                                   {"headers"},
		`"headers":[["X-A","1"]]`:                          {"headers"},
		`"headers":{"X-A":["1"]}`:                          {"headers.X-A"},
		`"headers":{"X-A":"a\r\nX-B: b","X-C":""}`:         {"headers.X-A", "headers.X-C"},
		`"headers":{"X-A":"1","x-A":"2"}`:                  {"headers.x-A"},
		`"headers":{"X-A\r\nX-B":"1"}`:                     {`headers["X-A\r\nX-B"]`},
		`"headers":{"Host":"a","X-Webhook-ID":"b"}`:        {"headers.Host", "headers.X-Webhook-ID"},
		`"headers":{` + pairs(21) + `}`:                    {"headers"},
		`"headerNames":["X-A"]`:                            {"headerNames"},
		`"rateLimit":null`:                                 {"rateLimit"},
		`"rateLimit":"5"`:                                  {"rateLimit"},
		`"rateLimit":1.5`:                                  {"rateLimit"},
		`"rateLimit":1e2`:                                  {"rateLimit"},
		`"rateLimit":-1`:                                   {"rateLimit"},
		`"rateLimit":10001`:                                {"rateLimit"},
		`"rateLimit":99999999999999999999`:                 {"rateLimit"},
		`"rateLimit":-99999999999999999999`:                {"rateLimit"},
		`"rateLimit":[5]`:                                  {"rateLimit"},
		`"foo":1,"rateLimit":-1,"metadata":{"a":1,"":""},"headers":{"Host":"a","X-A":1},"description":1`: {
			"description", "metadata.a", "headers.X-A", "foo", `metadata[""]`, "headers.Host", "rateLimit",
		},
	} {
		require.Equal(t, want, s.do(http.MethodPut, one, `{`+member+`}`).faults(), member)
		require.ElementsMatch(t, want, s.do(http.MethodPost, hooks, strings.Replace(goodBody, "{", "{"+member+",", 1)).faults(), member)
	}
	require.Equal(t, []string{"rateLimit"}, s.do(http.MethodPost, hooks, strings.Replace(goodBody, "{", `{"rateLimit":0,`, 1)).faults(),
		"0 takes a limit away, and there is none yet")
	require.Equal(t, before, s.belongings())

	flood := s.do(http.MethodPut, one, `{"metadata":{`+strings.ReplaceAll(pairs(4_000), `"v"`, "1")+`}}`).faults()
	require.Len(t, flood, 100, "no answer is larger than it has to be")
	require.Contains(t, s.do(http.MethodPut, one, `{}`).refusal().Details[0].Message,
		"url, events, status, payloadEncoding, description, metadata, headers, rateLimit")
	s.do(http.MethodPost, hooks, strings.Replace(goodBody, "{", `{"metadata":{`+pairs(20)+`},"headers":{`+pairs(20)+`},`, 1)).is(http.StatusCreated)
}

func TestHeaderValuesDoNotShow(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	h := webhook.Headers{"Authorization": harness.Credential, "X-B": "b"}
	in := harness.Registration()
	in.Headers = h
	reg, err := s.svc.Register(t.Context(), harness.Merchant, in)
	require.NoError(t, err)
	bad := harness.Registration()
	bad.Headers = webhook.Headers{"Host": harness.Credential, "X-A": harness.Credential + "\n"}
	_, refused := s.svc.Register(t.Context(), harness.Merchant, bad)
	require.Error(t, refused)

	require.Equal(t, "Headers(Authorization, X-B)", fmt.Sprint(h))
	var shown strings.Builder
	for _, v := range []any{
		h, &h, in, &in, webhook.Update{Headers: h}, &webhook.Update{Headers: h}, []webhook.Headers{h}, reg, refused, s.svc,
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&shown, verb+"\n", v)
		}
		if text, err := json.Marshal(v); err == nil {
			shown.Write(text)
		}
		slog.New(slog.NewTextHandler(&shown, nil)).LogAttrs(t.Context(), slog.LevelInfo, "shown", slog.Any("value", v))
		slog.New(slog.NewJSONHandler(&shown, nil)).LogAttrs(t.Context(), slog.LevelInfo, "shown", slog.Any("value", v))
	}
	s.published(harness.Merchant)
	for _, o := range s.operations() {
		a := s.do(o.method, o.at(harness.Merchant, reg.Webhook.ID, "whdel_1"), o.body)
		fmt.Fprintln(&shown, a.body, a.header)
	}
	body := `{"url":"https://example.com/","events":["*"],"headers":{"Authorization":"` + harness.Credential + `"%s}}`
	fmt.Fprintln(&shown, s.do(http.MethodPost, hooks, fmt.Sprintf(body, "")).is(http.StatusCreated).body)
	fmt.Fprintln(&shown, s.do(http.MethodPost, hooks, fmt.Sprintf(body, `,"TE":"`+harness.Credential+`"`)).is(http.StatusBadRequest).body)
	fmt.Fprintln(&shown, s.do(http.MethodPost, hooks, fmt.Sprintf(body, `,"X-A":["`+harness.Credential+`"]`)).is(http.StatusBadRequest).body)
	shown.WriteString(s.log.String())
	for _, leak := range []string{harness.Credential, "t0ken", fmt.Sprintf("%x", harness.Credential), strings.ToUpper(fmt.Sprintf("%x", harness.Credential))} {
		require.NotContains(t, shown.String(), leak)
	}
}

func TestANewOriginNeedsTheHeadersAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	in := harness.Registration()
	in.Headers = webhook.Headers{"Authorization": harness.Credential}
	reg, err := s.svc.Register(t.Context(), harness.Merchant, in)
	require.NoError(t, err)
	one := hooks + "/" + reg.Webhook.ID
	s.do(http.MethodPut, one, `{"url":"https://example.com:443/elsewhere"}`).is(http.StatusOK)
	require.Equal(t, []string{"headers"}, s.do(http.MethodPut, one, `{"url":"https://evil.example/"}`).faults())
	require.Contains(t, s.do(http.MethodGet, one, "").is(http.StatusOK).body, "https://example.com/elsewhere")
	a := s.do(http.MethodPut, one, `{"url":"https://example.org/","headers":{"X-A":"1"}}`).is(http.StatusOK).object()
	require.Equal(t, []any{"X-A"}, a["headerNames"])
	a = s.do(http.MethodPut, one, `{"url":"https://example.net/","headers":{}}`).is(http.StatusOK).object()
	require.NotContains(t, a, "headerNames")
	s.do(http.MethodPut, one, `{"url":"https://example.com/"}`).is(http.StatusOK)
}
