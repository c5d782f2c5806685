package serve

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook/event"
)

func TestNothingIsYoursByDefault(t *testing.T) {
	t.Parallel()
	c, err := parse([]string{"-jwt-secret", secret}, io.Discard)
	require.NoError(t, err)
	require.Zero(t, c.service.Wire)
	require.Zero(t, c.dispatcher.Wire)
	require.Nil(t, c.service.Catalog)
	require.Nil(t, c.yours.words)
	require.Nil(t, c.mail.opts.Words)
	require.Empty(t, c.yours.title+c.mail.opts.Title)
}

func TestWire(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		args string
		want signer.Wire
	}{
		{"prefix", "-wire-prefix X-Acme-", signer.Wire{Prefix: "X-Acme-"}},
		{"no untimed signature", "-wire-untimed=false", signer.Wire{OmitUntimed: true}},
		{"title", "-title Acme", signer.Wire{UserAgent: "Acme-Webhooks/1.0"}},
		{"title of several words", "-title Ärger_&_Söhne_24", signer.Wire{UserAgent: "rgerShne24-Webhooks/1.0"}},
		{"title without a letter that a header can hold", "-title 商店", signer.Wire{UserAgent: "Webhooks/1.0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c, err := parse(append([]string{"-jwt-secret", secret}, strings.Fields(tt.args)...), io.Discard)
			require.NoError(t, err)
			require.Equal(t, tt.want, c.service.Wire)
			require.Equal(t, tt.want, c.dispatcher.Wire)
		})
	}
	_, err := parse([]string{"-jwt-secret", secret, "-wire-prefix", "X Acme"}, io.Discard)
	require.ErrorContains(t, err, `-wire-prefix "X Acme": `)
	require.ErrorContains(t, err, "X AcmeEvent")
}

func TestTenant(t *testing.T) {
	t.Parallel()
	for noun, says := range map[string]string{
		"":                   "a merchant of all merchants at merchants",
		"shop":               "a shop of all shops at shops",
		"company, companies": "a company of all companies at companies",
	} {
		w, err := Tenant(noun)
		require.NoError(t, err)
		require.Equal(t, says, w.Say("{a tenant} of all {tenants} at ")+w.Segment())
	}
	for noun, says := range map[string]string{
		",shops": "is missing", "shop,": "is missing", " ": "is missing", "shop{": `noun "shop{"`,
		"trading partner": `path segment "trading partners" is not 1 to 40`, "events": `noun "events" means something else`,
		"webhook": `noun "webhooks" means something else`,
	} {
		_, err := parse([]string{"-jwt-secret", secret, "-tenant", noun}, io.Discard)
		require.ErrorContains(t, err, `-tenant: "`+noun+`" is no noun`)
		require.ErrorContains(t, err, says)
		require.NotContains(t, err.Error(), "or means", "two causes")
	}
	var help strings.Builder
	_, err := parse([]string{"-tenant", "shop", "-h"}, &help)
	require.Error(t, err)
	require.Contains(t, help.String(), "print a token for this shop")
	require.NotContains(t, help.String(), "{tenant}")
}

// The token names the tenant in the claim that is asked for, whatever tenants are called.
func TestClaim(t *testing.T) {
	t.Parallel()
	for claim, args := range map[string][]string{"merchantId": {"-tenant", "shop"}, "shop_id": {"-jwt-claim", "shop_id"}} {
		var out strings.Builder
		require.NoError(t, Run(t.Context(), append(args, "-jwt-secret", secret, "-token", "shop_42"), &out, io.Discard))
		claims := jwt.MapClaims{}
		_, err := jwt.ParseWithClaims(strings.TrimSpace(out.String()), claims, func(*jwt.Token) (any, error) { return []byte(secret), nil })
		require.NoError(t, err)
		require.Equal(t, "shop_42", claims[claim], claim)
	}
	base, _ := start(t, "-jwt-claim", "shop_id")
	status, _ := call(t, "GET", base+"/api/merchants/m/webhooks", token(t, secret, "m", time.Hour), "")
	require.Equal(t, 401, status, "merchantId is not the claim")
}

func TestClaimThatIsNone(t *testing.T) {
	t.Parallel()
	for _, claim := range []string{"", "exp", "nbf", "iat", "iss", "aud", "scope", "scp"} {
		_, err := parse([]string{"-jwt-secret", secret, "-jwt-claim", claim}, io.Discard)
		require.ErrorContains(t, err, "-jwt-claim", claim)
	}
	var out strings.Builder
	require.NoError(t, Run(t.Context(), []string{"-jwt-secret", secret, "-jwt-claim", "sub", "-token", "*"}, &out, io.Discard))
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(strings.TrimSpace(out.String()), claims, func(*jwt.Token) (any, error) { return []byte(secret), nil })
	require.NoError(t, err)
	require.NotContains(t, claims, "sub", "an operator is no tenant")
}

func TestCatalog(t *testing.T) {
	t.Parallel()
	const paid = `{"type":"order.paid","description":"An order was paid","example":{"id":"evt_1","type":"order.paid","created":"2026-11-30T12:00:00Z","data":{"orderId":"o_1"}}}`
	for _, tt := range []struct {
		name, text string
		says       []string // of the error; none: the types
		types      []event.Type
	}{
		{"one type", "[" + paid + "]", nil, []event.Type{"order.paid", event.TypeWebhookTest}},
		{"its own test", "[" + strings.ReplaceAll(paid, "order.paid", "webhook.test") + "]", nil, []event.Type{event.TypeWebhookTest}},
		{"no file", "", []string{"no such file"}, nil},
		{"no JSON", "[", []string{"catalog.json", "not a JSON array"}, nil},
		{"no array", paid, []string{"catalog.json", "not a JSON array"}, nil},
		{"empty", "[]", []string{"catalog.json", "no type"}, nil},
		{"twice", "[" + paid + "," + paid + "]", []string{"catalog.json: entry 2", `"order.paid"`, "there twice"}, nil},
		{"no description", `[` + paid + `,{"type":"a.b"}]`, []string{"catalog.json: entry 2", `"a.b"`, "needed"}, nil},
		{"a member that there is not", `[{"typ":"a.b"}]`, []string{"catalog.json: entry 1", `"typ"`}, nil},
		{"a frequency that there is not", "[" + strings.Replace(paid, `"description"`, `"frequency":"often","description"`, 1) + "]", []string{"entry 1", `unknown frequency "often": must be High, Medium, Low or Manual`}, nil},
		{"an example that is no event", "[" + strings.Replace(paid, `"id":"evt_1",`, "", 1) + "]", []string{"entry 1", "order.paid", "example", "id is missing"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "catalog.json")
			if tt.text != "" {
				require.NoError(t, os.WriteFile(file, []byte(tt.text), 0o600))
			}
			c, err := parse([]string{"-jwt-secret", secret, "-catalog", file}, io.Discard)
			for _, part := range tt.says {
				require.ErrorContains(t, err, "-catalog")
				require.ErrorContains(t, err, part)
			}
			if tt.says != nil {
				require.LessOrEqual(t, strings.Count(err.Error(), `"order.paid"`), 1)
				return
			}
			require.NoError(t, err)
			var types []event.Type
			for e := range c.service.Catalog.All() {
				types = append(types, e.Type)
			}
			require.Equal(t, tt.types, types)
		})
	}
}
