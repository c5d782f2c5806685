package serve

import (
	"encoding/base64"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Wrong settings are reported before missing ones that depend on them.
func TestSettingsThatAreWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"memory with an address":    {[]string{"-store", "memory:", "-jwt-secret", secret}, "-store: memory has no address"},
		"a store that there is not": {[]string{"-store", "foo", "-jwt-secret", secret}, `-store: "foo" is none of memory`},
		"no key for Redis":          {[]string{"-store", "redis://127.0.0.1", "-jwt-secret", secret}, "-secret-key is needed"},
		"no login":                  {nil, "-jwt-secret is needed"},
		"two logins":                {[]string{"-jwks-url", "https://login.example.com/", "-jwt-secret", secret}, "give one"},
		"a login without a service": {[]string{"-jwks-url", "https://login.example.com/"}, "-jwt-issuer or -jwt-audience"},
		"an address that is none":   {[]string{"-jwt-secret", secret, "-mail-to", "a@example.com, nobody"}, "-mail-to: is not a list of addresses"},
		"a token without its key":   {[]string{"-jwks-url", "https://login.example.com/", "-token", "m"}, "-jwt-secret is needed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parse(c.args, io.Discard)
			require.ErrorContains(t, err, c.says)
		})
	}
	c, err := parse([]string{"-jwks-url", "https://login.example.com/keys", "-jwt-audience", "a"}, io.Discard)
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

// Secrets are in files where Docker or Kubernetes hands them out.
func TestSecretsFromFiles(t *testing.T) {
	dir := t.TempDir()
	in := func(name, text string) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	key := "k1:" + base64.StdEncoding.EncodeToString([]byte(secret))
	t.Setenv("WEBHOOK_SERVER_JWT_SECRET_FILE", in("jwt", secret+"\n\n"))
	t.Setenv("WEBHOOK_SERVER_SECRET_KEY_FILE", in("key", key+"\r\n"))
	t.Setenv("WEBHOOK_SERVER_SMTP_PASSWORD_FILE", in("smtp", " pass word "))
	t.Setenv("WEBHOOK_SERVER_STORE_FILE", in("store", "redis://:pass@127.0.0.1:6379\n"))
	t.Setenv("WEBHOOK_SERVER_ROLE_FILE", in("role", "dispatch"))
	c, err := parse(nil, io.Discard)
	require.NoError(t, err)
	require.Equal(t, secret+"\n", string(c.jwtSecret), "one end of line is taken off")
	require.Equal(t, "k1", c.service.SecretKeys[0].ID)
	require.Equal(t, " pass word ", c.mail.opts.Password)
	require.Equal(t, "redis://:pass@127.0.0.1:6379", c.store)
	require.Equal(t, "all", c.role, "it is no secret")
	c, err = parse([]string{"-smtp-password", "given"}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, "given", c.mail.opts.Password, "a flag goes first")

	for name, c := range map[string]struct{ variable, value, says string }{
		"both":          {"WEBHOOK_SERVER_JWT_SECRET", secret, "WEBHOOK_SERVER_JWT_SECRET and WEBHOOK_SERVER_JWT_SECRET_FILE are both set"},
		"no file":       {"WEBHOOK_SERVER_SMTP_PASSWORD_FILE", filepath.Join(dir, "none"), "WEBHOOK_SERVER_SMTP_PASSWORD_FILE"},
		"an empty file": {"WEBHOOK_SERVER_JWT_SECRET_FILE", in("empty", "\n"), "WEBHOOK_SERVER_JWT_SECRET_FILE: the file is empty"},
		"no such key":   {"WEBHOOK_SERVER_SECRET_KEY_FILE", in("bad", "k1:s3cret"), "-secret-key"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(c.variable, c.value)
			_, err := parse(nil, io.Discard)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), "s3cret")
		})
	}
}
