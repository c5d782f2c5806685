package jwtauth_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/jwtauth"
)

// The tokens and keys of RFC 7515, appendices A.1 to A.3, which are the only ones
// here that no Go code has signed. Their claim iss stands in for the merchant.
func TestVectorsOfRFC7515(t *testing.T) {
	t.Parallel()
	const payload = ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
	vectors := map[string]struct{ key, token string }{
		"A.1 HS256": {
			`{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"}`,
			"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9" + payload + "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
		},
		"A.2 RS256": {
			`{"kty":"RSA","n":"` + b64(rsaKey().N.Bytes()) + `","e":"AQAB"}`,
			"eyJhbGciOiJSUzI1NiJ9" + payload + "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt" +
				"_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0Ga" +
				"rZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLI" +
				"hWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
		},
		"A.3 ES256": {
			`{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`,
			"eyJhbGciOiJFUzI1NiJ9" + payload + "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
		},
	}
	for name, v := range vectors {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, err := jwtauth.ParseJWKS([]byte(`{"keys":[` + v.key + `]}`))
			require.NoError(t, err)
			auth := newAuth(t, set, jwtauth.Options{
				Issuer: "joe", MerchantClaim: "iss", Now: func() time.Time { return time.Unix(1300819380-1, 0) },
			})
			who, err := auth.Verify(t.Context(), v.token)
			require.NoError(t, err)
			require.Equal(t, "joe", who.MerchantID)
			for other, w := range vectors {
				if other != name {
					refuse(t, auth, w.token)
				}
			}
			refuse(t, newAuth(t, set, jwtauth.Options{MerchantClaim: "iss"}), v.token)
		})
	}
}

// The key of RFC 8037, appendix A.2, whose token there is no JWT.
func TestVectorOfRFC8037(t *testing.T) {
	t.Parallel()
	seed, err := base64.RawURLEncoding.DecodeString("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
	require.NoError(t, err)
	set, err := jwtauth.ParseJWKS([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	require.NoError(t, err)
	auth := newAuth(t, set, jwtauth.Options{})
	accept(t, auth, issuer{jwt.SigningMethodEdDSA, ed25519.NewKeyFromSeed(seed)}.token())
	refuse(t, auth, eddsa.token())
}
