package api_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/webhook"
)

func TestRegisterReadsStrictly(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	const u, e = `"url":"https://example.com/"`, `"events":["document.created"]`
	with := func(member string) string { return `{` + u + `,` + e + `,` + member + `}` }
	many := func(n int, format string) string {
		parts := make([]string, n)
		for i := range parts {
			parts[i] = strings.ReplaceAll(format, "N", fmt.Sprint(i))
		}
		return strings.Join(parts, ",")
	}
	cases := []struct {
		body string
		want []string // fields at fault; "" for the whole
	}{
		// Not JSON, or not only JSON.
		{`{`, []string{""}},
		{`{` + u + `,` + e, []string{""}},
		{`{` + u + `,` + e + `,}`, []string{""}},
		{`{` + u + `,` + e + `} x`, []string{""}},
		{`{` + u + `,` + e + `}{}`, []string{""}},
		{`{` + u + `,` + e + `}]`, []string{""}},
		{`{'url':'https://example.com/'}`, []string{""}},
		{`{/* */` + u + `,` + e + `}`, []string{""}},
		{`{url:"https://example.com/"}`, []string{""}},
		{" ", []string{""}},
		{"\ufeff" + goodBody, []string{""}},
		{"\x00" + goodBody, []string{""}},
		{`{"url":"` + "\xff" + `",` + e + `}`, []string{""}},
		{with(`"x":0x10`), []string{""}},
		{with(`"x":NaN`), []string{""}},
		{with(`"x":Infinity`), []string{""}},
		{with(`"x":1.`), []string{""}},
		{with(`"x":.5`), []string{""}},
		{with(`"x":01`), []string{""}},
		{with(`"x":+1`), []string{""}},
		{with(`"x":1e999`), []string{"x"}},
		{with(`"x":"\ud800"`), []string{"x"}},
		{with(`"x":"\x41"`), []string{""}},
		{with(`"x":` + strings.Repeat("[", 15) + strings.Repeat("]", 15)), []string{"x"}},
		{with(`"x":` + strings.Repeat("[", 16) + strings.Repeat("]", 16)), []string{"x" + strings.Repeat("[0]", 15)}},
		{strings.Repeat("[", 10_001), []string{strings.Repeat("[0]", 16)}},
		// Not an object.
		{`null`, []string{""}},
		{`[]`, []string{""}},
		{`[` + goodBody + `]`, []string{""}},
		{`"x"`, []string{""}},
		{`1`, []string{""}},
		// Names: exact, once, known.
		{`{` + u + `,` + u + `,` + e + `}`, []string{"url"}},
		{`{` + u + `,"\u0075rl":"https://example.com/",` + e + `}`, []string{"url"}},
		{`{"URL":"https://example.com/",` + e + `}`, []string{"URL", "url"}},
		{`{` + u + `,"Events":["document.created"]}`, []string{"Events", "events"}},
		{with(`"URL":"https://example.com/"`), []string{"URL"}},
		{with(`"url ":1`), []string{"url "}},
		{with(`"":1`), []string{""}},
		{with(`"` + strings.Repeat("é", 100) + `":1`), []string{strings.Repeat("é", 32) + "…"}},
		// Only what a merchant may set.
		{with(`"webhookId":"whk_mine"`), []string{"webhookId"}},
		{with(`"id":"whk_mine"`), []string{"id"}},
		{with(`"merchantId":"merchant_43"`), []string{"merchantId"}},
		{with(`"secret":"whsec_mine"`), []string{"secret"}},
		{with(`"status":"disabled"`), []string{"status"}},
		{with(`"createdAt":"2025-11-04T12:00:00Z"`), []string{"createdAt"}},
		{with(`"consecutiveFailures":0`), []string{"consecutiveFailures"}},
		{with(`"stats":{}`), []string{"stats"}},
		{with(`"version":1`), []string{"version"}},
		{with(`"__proto__":{"admin":true}`), []string{"__proto__"}},
		{with(`"constructor":{}`), []string{"constructor"}},
		// Types.
		{`{"url":null,` + e + `}`, []string{"url"}},
		{`{"url":1,` + e + `}`, []string{"url"}},
		{`{"url":["https://example.com/"],` + e + `}`, []string{"url"}},
		{`{"url":{"href":"https://example.com/"},` + e + `}`, []string{"url"}},
		{`{` + u + `,"events":null}`, []string{"events"}},
		{`{` + u + `,"events":"document.created"}`, []string{"events"}},
		{`{` + u + `,"events":{"0":"document.created"}}`, []string{"events"}},
		{`{` + u + `,"events":["document.created",null]}`, []string{"events[1]"}},
		{`{` + u + `,"events":[["document.created"]]}`, []string{"events[0]"}},
		{with(`"payloadEncoding":null`), []string{"payloadEncoding"}},
		// Values.
		{`{}`, []string{"url", "events"}},
		{`{` + u + `}`, []string{"events"}},
		{`{` + e + `}`, []string{"url"}},
		{`{"url":"",` + e + `}`, []string{"url"}},
		{`{"url":"http://example.com/",` + e + `}`, []string{"url"}},
		{`{"url":"https://example.com/\u0000",` + e + `}`, []string{"url"}},
		{`{"url":"https://127.0.0.1/",` + e + `}`, []string{"url"}},
		{`{"url":"https://example.com/` + strings.Repeat("a", 50_000) + `",` + e + `}`, []string{"url"}},
		{`{` + u + `,"events":[]}`, []string{"events"}},
		{`{` + u + `,"events":["document.created","Document.Created","nope"]}`, []string{"events[1]", "events[2]"}},
		{`{` + u + `,"events":["webhook.test"]}`, []string{"events[0]"}},
		{`{` + u + `,"events":["*","document.created"]}`, []string{"events[0]"}},
		{`{` + u + `,"events":[` + many(101, `"document.created"`) + `]}`, []string{"events"}},
		{with(`"payloadEncoding":"xml"`), []string{"payloadEncoding"}},
		{with(`"payloadEncoding":""`), []string{"payloadEncoding"}},
		// Every fault in one answer.
		{
			`{"foo":1,"url":"http://example.com/","events":["nope",1,"document.created"],"payloadEncoding":"xml"}`,
			[]string{"events[1]", "foo", "url", "events[0]", "payloadEncoding"},
		},
	}
	for _, c := range cases {
		require.Equal(t, c.want, s.do(http.MethodPost, hooks, c.body).faults(), "%.200s", c.body)
	}
	flood := s.do(http.MethodPost, hooks, `{`+many(5_000, `"kN":0`)+`}`).faults()
	require.Len(t, flood, 100, "no answer is larger than it has to be")
	flood = s.do(http.MethodPost, hooks, `{`+u+`,"events":[`+many(20_000, `1`)+`]}`).faults()
	require.Len(t, flood, 100)

	list, err := s.svc.Webhooks(t.Context(), harness.Merchant, webhook.WebhookQuery{})
	require.NoError(t, err)
	require.Zero(t, list.Total, "none of them was registered")
	s.do(http.MethodPost, hooks, " \r\n\t"+goodBody+"\n").is(http.StatusCreated)
	s.do(http.MethodPost, hooks, `{"\u0075rl":"https:\/\/example.com\/",`+e+`}`).is(http.StatusCreated)
}

func TestUpdateReadsStrictly(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	one := hooks + "/" + s.hook(harness.Merchant)
	before := s.belongings()
	for body, want := range map[string][]string{
		``:                                    {""},
		`{}`:                                  {""},
		`{"status":null}`:                     {"status"},
		`{"status":"paused"}`:                 {"status"},
		`{"status":"Active"}`:                 {"status"},
		`{"status":""}`:                       {"status"},
		`{"events":[]}`:                       {"events"},
		`{"events":null}`:                     {"events"},
		`{"url":""}`:                          {"url"},
		`{"url":null}`:                        {"url"},
		`{"payloadEncoding":""}`:              {"payloadEncoding"},
		`{"status":"active","status":"x"}`:    {"status"},
		`{"status":"active","secret":"x"}`:    {"secret"},
		`{"status":"active","merchantId":1}`:  {"merchantId"},
		`{"status":"active","webhookId":"x"}`: {"webhookId"},
		`{"status":"active","version":9}`:     {"version"},
		`{"status":"x","url":"ftp://example.com/","events":["nope"],"foo":1}`: {"foo", "url", "events[0]", "status"},
	} {
		require.Equal(t, want, s.do(http.MethodPut, one, body).faults(), body)
	}
	require.Equal(t, before, s.belongings())
}

func TestRotateReadsStrictly(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	one := hooks + "/" + s.hook(harness.Merchant)
	before := s.belongings()
	for _, grace := range []string{
		"-1", "604801", "1e2", "1.0", `"60"`, "null", "[]", "9223372036854775807", "18446744074", "99999999999999999999", "-9223372036854775808",
	} {
		require.Equal(t, []string{"graceSeconds"},
			s.do(http.MethodPost, one+"/secret/rotate", `{"graceSeconds":`+grace+`}`).faults(), grace)
	}
	require.Equal(t, []string{"secret"}, s.do(http.MethodPost, one+"/secret/rotate", `{"secret":"whsec_mine"}`).faults())
	for _, path := range []string{"/test", "/replay", "/secret/rotate", "/deliveries/whdel_1/redeliver", "/cancel", "/deliveries/whdel_1/cancel"} {
		require.Equal(t, []string{"x"}, s.do(http.MethodPost, one+path, `{"x":1}`).faults(), path)
		require.Equal(t, []string{""}, s.do(http.MethodPost, one+path, `[]`).faults(), path)
	}
	require.Equal(t, before, s.belongings())
	s.do(http.MethodPost, one+"/secret/rotate", `{"graceSeconds":604800}`).is(http.StatusOK)
}

func TestMediaTypes(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	for _, mediaType := range []string{
		"application/json", "Application/JSON", "application/json; charset=utf-8", `application/json;charset="UTF-8"`,
	} {
		s.do(http.MethodPost, hooks, goodBody, "Content-Type", mediaType).is(http.StatusCreated)
	}
	s.do(http.MethodPost, hooks, goodBody, "Content-Encoding", "identity").is(http.StatusCreated)
	for _, mediaType := range []string{
		"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonx",
		"application/json; charset=iso-8859-1", "application/json; charset=utf-16", "application/vnd.api+json",
		"application/json, text/plain", "json", ";",
	} {
		a := s.do(http.MethodPost, hooks, goodBody, "Content-Type", mediaType)
		require.Equal(t, "unsupported_media_type", a.is(http.StatusUnsupportedMediaType).refusal().Code, mediaType)
	}
	for _, encoding := range []string{"gzip", "deflate", "br", "identity, gzip"} {
		s.do(http.MethodPost, hooks, goodBody, "Content-Encoding", encoding).is(http.StatusUnsupportedMediaType)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, hooks, strings.NewReader(goodBody))
	r.Header = http.Header{"Authorization": {"Bearer " + harness.Merchant}, "Content-Type": {"application/json", "text/plain"}}
	s.serve(r).is(http.StatusUnsupportedMediaType)

	one := hooks + "/" + s.hook(harness.Merchant)
	s.do(http.MethodPost, one+"/test", "", "Content-Type", "text/plain").is(http.StatusAccepted)
	s.do(http.MethodPost, one+"/test", "x=1", "Content-Type", "").is(http.StatusUnsupportedMediaType)
}

func TestBodySize(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	pad := func(n int) string { return goodBody + strings.Repeat(" ", n-len(goodBody)) }
	s.do(http.MethodPost, hooks, pad(64<<10)).is(http.StatusCreated)
	require.Equal(t, "payload_too_large", s.do(http.MethodPost, hooks, pad(64<<10+1)).is(413).refusal().Code)
	one := hooks + "/" + s.hook(harness.Merchant)
	for _, o := range s.operations() {
		if !o.sends() || o.names("events") {
			continue
		}
		chunked := struct{ io.Reader }{strings.NewReader(strings.Repeat(" ", 100<<10))}
		r := httptest.NewRequestWithContext(t.Context(), o.method, o.at(harness.Merchant, one[len(hooks)+1:], "whdel_1"), chunked)
		r.Header.Set("Authorization", "Bearer "+harness.Merchant)
		r.Header.Set("Content-Type", "application/json")
		s.serve(r).is(http.StatusRequestEntityTooLarge)
	}
	broken := io.MultiReader(strings.NewReader(`{"url":`), failing{})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, hooks, broken)
	r.Header.Set("Authorization", "Bearer "+harness.Merchant)
	require.Equal(t, []string{""}, s.serve(r).faults())
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
