package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The command asks where the service answers, and speaks of those that the service has.
func TestTenant(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ args, path, data, says string }{
		{"ls s1", "/api/companies/s1/webhooks", `{}`, "WEBHOOK"},
		{"why s1 e1", "/api/companies/s1/events/e1", `{"id":"e1","text":"x"}`, "e1: x"},
		{"operator merchants", "/api/operator/companies", `{"merchants":[{"merchantId":"s1"}]}`, "COMPANY  WEBHOOKS"},
		{"operator webhooks", "/api/operator/webhooks", `{}`, "COMPANY  WEBHOOK"},
		{"operator search x", "/api/operator/search?q=x", `{}`, "KIND  COMPANY"},
		{"operator job j1", "/api/operator/jobs/j1", `{"id":"j1","merchants":2}`, "0 webhooks of 2 companies"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.RequestURI != tt.path {
					fail(w, http.StatusNotFound, `{"code":"not_found","message":"`+r.RequestURI+`","details":[]}`)
					return
				}
				_, _ = w.Write([]byte(`{"success":true,"data":` + tt.data + `}`))
			}))
			defer server.Close()
			got := run(t, append([]string{"--server", server.URL, "--token", "x", "--tenant", "company,companies"}, strings.Fields(tt.args)...)...)
			require.Zero(t, got.code, got.stderr)
			require.Contains(t, got.stdout, tt.says)
			require.NotContains(t, strings.ToLower(got.stdout), "merchant")
		})
	}
}

// What a command takes is called as --tenant says, which may stand before or behind it.
func TestTenantInUsage(t *testing.T) {
	t.Parallel()
	require.Contains(t, run(t, "--tenant", "shop", "why", "--help").stdout, "why [options] SHOP EVENT")
	require.Contains(t, run(t, "why", "s1", "--tenant", "shop").stderr, "why takes SHOP EVENT")
	require.Contains(t, run(t, "listen", "--tenant", "shop", "--forward", "http://127.0.0.1:1/").stderr, "--forward needs SHOP,")
	require.Contains(t, run(t, "listen", "--tenant", "shop", "s1").stderr, "listen takes SHOP ")
	require.Contains(t, run(t, "why", "--help").stdout, "why [options] MERCHANT EVENT")
}

func TestTenantFromTheEnvironment(t *testing.T) {
	t.Setenv("WEBHOOKS_TENANT", "shop{")
	got := run(t, "--server", "http://127.0.0.1:1", "--token", "x", "ls", "s1")
	require.Equal(t, 2, got.code)
	require.Contains(t, got.stderr, "shop{")
}
