package main

import (
	"encoding/base64"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is wrong is said before anything is asked for that only makes sense after it.
func TestSettingsThatAreWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"a store that there is not": {[]string{"-store", "foo", "-jwt-secret", secret}, `-store: "foo" is none of memory`},
		"no key for Redis":          {[]string{"-store", "redis://127.0.0.1", "-jwt-secret", secret}, "-secret-key is needed"},
		"no login":                  {nil, "-jwt-secret is needed"},
		"two logins":                {[]string{"-jwks-url", "https://login.example.com/", "-jwt-secret", secret}, "give one"},
		"a token without its key":   {[]string{"-jwks-url", "https://login.example.com/", "-token", "m"}, "-jwt-secret is needed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parse(c.args, io.Discard)
			require.ErrorContains(t, err, c.says)
		})
	}
	c, err := parse([]string{"-jwks-url", "https://login.example.com/keys"}, io.Discard)
	require.NoError(t, err)
	keys, _, err := c.keys(nil)
	require.NoError(t, err)
	require.NotNil(t, keys)
}

func TestSettingsFromTheEnvironment(t *testing.T) {
	t.Setenv("WEBHOOK_SERVER_JWT_SECRET", secret)
	t.Setenv("WEBHOOK_SERVER_ROLE", "api")
	t.Setenv("WEBHOOK_SERVER_PER_WEBHOOK", "3")
	c, err := parse([]string{"-role", "all"}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, secret, string(c.jwtSecret))
	require.Equal(t, 3, c.dispatcher.PerWebhook)
	require.Equal(t, "all", c.role, "a flag goes first")
	t.Setenv("WEBHOOK_SERVER_ROLE", "all")
	key := func(id string) string { return id + ":" + base64.StdEncoding.EncodeToString([]byte(secret)) }
	ids := func(args ...string) (out []string) {
		t.Helper()
		c, err := parse(args, io.Discard)
		require.NoError(t, err)
		for _, k := range c.service.SecretKeys {
			out = append(out, k.ID)
		}
		return out
	}
	t.Setenv("WEBHOOK_SERVER_SECRET_KEY", key("new")+","+key("old"))
	require.Equal(t, []string{"new", "old"}, ids())
	require.Equal(t, []string{"a", "b"}, ids("-secret-key", key("a"), "-secret-key", key("b")), "in place of the variable's")
	t.Setenv("WEBHOOK_SERVER_SECRET_KEY", "")
	require.Empty(t, ids(), "nothing is no key")
	t.Setenv("WEBHOOK_SERVER_PER_WEBHOOK", "s3cret")
	_, err = parse(nil, io.Discard)
	require.ErrorContains(t, err, "WEBHOOK_SERVER_PER_WEBHOOK")
	require.NotContains(t, err.Error(), "s3cret")
}
