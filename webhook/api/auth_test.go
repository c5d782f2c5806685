package api_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
)

// as mounts a handler over s's service whose every request who makes.
func (s *site) as(who webhook.Principal, o *api.Options) *site {
	s.t.Helper()
	opts := api.Options{EnablePublish: true, TestWait: time.Millisecond} // nothing is delivered here
	if o != nil {
		opts = *o
	}
	h, err := api.New(s.svc, func(*http.Request) (webhook.Principal, error) { return who, nil }, &opts)
	require.NoError(s.t, err)
	other := *s
	other.api, other.mux = h, http.NewServeMux()
	other.mux.Handle("/api/", h)
	return &other
}

func TestScopes(t *testing.T) {
	t.Parallel()
	const read, write = webhook.ScopeRead, webhook.ScopeWrite
	for name, c := range map[string]struct {
		scopes            []string
		mayRead, mayWrite bool
	}{
		"no scopes at all":  {nil, true, true},
		"none":              {[]string{}, false, false},
		"read":              {[]string{read}, true, false},
		"write":             {[]string{write}, false, true},
		"both":              {[]string{write, read}, true, true},
		"read and others":   {[]string{"openid", read, "documents:write"}, true, false},
		"others":            {[]string{"openid", "webhooks", "webhooks:*", "*", ""}, false, false},
		"nearly":            {[]string{"Webhooks:Read", read + " ", read + " " + write, read + "," + write}, false, false},
		"longer and cut":    {[]string{read + "s", write[:len(write)-1]}, false, false},
		"twice":             {[]string{read, read}, true, false},
		"write as a prefix": {[]string{write + ":all"}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, o := range newSite(t, nil, nil).operations() {
				s := newSite(t, nil, nil)
				id := s.hook(harness.Merchant)
				delivery := s.published(harness.Merchant).Deliveries[0].ID
				before := s.belongings()
				s = s.as(webhook.Principal{MerchantID: harness.Merchant, Scopes: c.scopes}, nil)
				needed, may := write, c.mayWrite
				if o.method == http.MethodGet || o.method == http.MethodHead {
					needed, may = read, c.mayRead
				}
				if may {
					a := s.do(o.method, o.at(harness.Merchant, id, delivery), o.body)
					require.NotContains(t, []int{401, 403}, a.status, "%s %s: %s", o.method, o.path, a.body)
					continue
				}
				// Neither the ids nor the body matter.
				for _, path := range []string{o.at(harness.Merchant, id, delivery), o.at(harness.Merchant, "whk_unknown", "whdel_unknown")} {
					r := httptest.NewRequestWithContext(t.Context(), o.method, path, unread{t})
					r.Header.Set("Content-Type", "text/plain")
					a := s.serve(r).is(http.StatusForbidden)
					require.Equal(t, `Bearer error="insufficient_scope", scope="`+needed+`"`, a.header.Get("WWW-Authenticate"))
					if o.method != http.MethodHead {
						require.Equal(t, "insufficient_scope", a.refusal().Code)
					}
				}
				require.Equal(t, before, s.belongings())
			}
		})
	}
}

// Whose webhooks they are comes first: a scope that is missing says nothing about
// another merchant.
func TestMerchantComesBeforeScope(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil).as(webhook.Principal{MerchantID: "merchant_43", Scopes: []string{}}, nil)
	for _, o := range s.operations() {
		a := s.do(o.method, o.at(harness.Merchant, "whk_1", "whdel_1"), o.body).is(http.StatusForbidden)
		require.Empty(t, a.header.Get("WWW-Authenticate"))
		if o.method != http.MethodHead {
			require.Equal(t, "forbidden", a.refusal().Code)
		}
	}
}

func TestOperator(t *testing.T) {
	t.Parallel()
	all := newSite(t, nil, nil)
	ids := map[string]string{harness.Merchant: all.hook(harness.Merchant), "merchant_43": all.hook("merchant_43")}
	s := all.as(webhook.Principal{AnyMerchant: true}, nil)
	for merchantID, id := range ids {
		path := "/api/merchants/" + merchantID + "/webhooks"
		s.do(http.MethodGet, path+"/"+id, "").is(http.StatusOK)
		s.do(http.MethodPut, path+"/"+id, `{"status":"disabled"}`).is(http.StatusOK)
		s.do(http.MethodPost, path, goodBody).is(http.StatusCreated)
		s.do(http.MethodPost, "/api/merchants/"+merchantID+"/events", `{"type":"document.created","data":{}}`).is(http.StatusAccepted)
		for other := range ids {
			if other != merchantID {
				s.do(http.MethodGet, "/api/merchants/"+other+"/webhooks/"+id, "").is(http.StatusNotFound)
			}
		}
	}
	before := all.belongings()
	s = all.as(webhook.Principal{AnyMerchant: true, MerchantID: "merchant_43", Scopes: []string{webhook.ScopeRead}}, nil)
	s.do(http.MethodGet, hooks, "").is(http.StatusOK)
	s.do(http.MethodPost, hooks, goodBody).is(http.StatusForbidden)
	s.do(http.MethodDelete, hooks+"/"+ids[harness.Merchant], "").is(http.StatusForbidden)
	require.Equal(t, before, all.belongings())
}

// Nobody's token has vouched for the merchant in an operator's path.
func TestOperatorNamesNoMerchant(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	h, err := api.New(s.svc, func(*http.Request) (webhook.Principal, error) {
		return webhook.Principal{AnyMerchant: true}, nil
	}, &api.Options{EnablePublish: true, TestWait: time.Millisecond})
	require.NoError(t, err)
	for _, o := range s.operations() {
		for _, merchantID := range []string{"nobody", "%00", "..", "%2e%2e", "*", "a%20b", "%C3%A9", "%7Bx%7D", strings.Repeat("m", 300)} {
			r := httptest.NewRequestWithContext(t.Context(), o.method, o.at(merchantID, "whk_1", "whdel_1"), strings.NewReader(o.body))
			r.Header.Set("Content-Type", "application/json")
			a := serve(t, h, r)
			if merchantID == "nobody" {
				require.Contains(t, []int{200, 201, 202, 404}, a.status, a.body)
				continue
			}
			require.Contains(t, []int{400, 404}, a.status, "%s %s: %s", o.method, r.URL, a.body)
		}
	}
}

func TestChallenges(t *testing.T) {
	t.Parallel()
	svc, err := webhook.NewService(memstore.New(nil), nil)
	require.NoError(t, err)
	invalid := fmt.Errorf("expired on Monday: %w", webhook.ErrInvalidToken)
	const bad = `error="invalid_token"`
	for name, c := range map[string]struct {
		configured, want string
		failure          error
	}{
		"no token":              {"", `Bearer`, errors.New("no token")},
		"bad token":             {"", `Bearer ` + bad, invalid},
		"realm, no token":       {`Bearer realm="api"`, `Bearer realm="api"`, errors.New("no token")},
		"realm, bad token":      {`Bearer realm="api"`, `Bearer ` + bad + `, realm="api"`, invalid},
		"lower case, bad token": {`bearer realm="api"`, `bearer ` + bad + `, realm="api"`, invalid},
		"two, bad token":        {`Bearer realm="a", Basic realm="b"`, `Bearer ` + bad + `, realm="a", Basic realm="b"`, invalid},
		"API key, bad token":    {`ApiKey realm="api"`, `ApiKey realm="api"`, invalid},
		"like Bearer":           {`Bearers realm="api"`, `Bearers realm="api"`, invalid},
		"away":                  {"", "", fmt.Errorf("%w: %w", webhook.ErrInvalidToken, webhook.ErrUnavailable)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := api.New(svc, func(*http.Request) (webhook.Principal, error) {
				return webhook.Principal{MerchantID: harness.Merchant, AnyMerchant: true}, c.failure // none of it counts
			}, &api.Options{Challenge: c.configured})
			require.NoError(t, err)
			a := serve(t, h, httptest.NewRequestWithContext(t.Context(), http.MethodGet, hooks, nil))
			require.Equal(t, c.want, a.header.Get("WWW-Authenticate"))
			require.NotContains(t, a.body, "Monday")
			if c.want == "" {
				a.is(http.StatusServiceUnavailable)
				return
			}
			a.is(http.StatusUnauthorized)
			require.Equal(t, "unauthorized", a.refusal().Code)
			require.Equal(t, "Valid credentials are needed.", a.refusal().Message)
		})
	}
	s := newSite(t, nil, nil)
	for configured, want := range map[string]string{
		`Bearer realm="api"`: `Bearer error="insufficient_scope", scope="webhooks:read", realm="api"`,
		`ApiKey realm="api"`: `ApiKey realm="api"`,
	} {
		o := &api.Options{Challenge: configured}
		a := s.as(webhook.Principal{MerchantID: harness.Merchant, Scopes: []string{}}, o).do(http.MethodGet, hooks, "").is(http.StatusForbidden)
		require.Equal(t, want, a.header.Get("WWW-Authenticate"))
	}
}
