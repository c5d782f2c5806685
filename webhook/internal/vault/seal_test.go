package vault

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
)

func TestSealing(t *testing.T) {
	t.Parallel()
	k1, k2 := Key{ID: "k1", Key: [32]byte{1}}, Key{ID: "k2", Key: [32]byte{2}}
	secret := signer.NewSecret()
	const at = "https://example.com/hook"
	first, err := New([]Key{k1}, false)
	require.NoError(t, err)
	sealed, err := first.seal("m", "whk_1", secret)
	require.NoError(t, err)
	again, err := first.seal("m", "whk_1", secret)
	require.NoError(t, err)
	require.NotEqual(t, sealed, again, "a fresh nonce each time")

	both, err := New([]Key{k2, k1}, false)
	require.NoError(t, err)
	opened, err := both.open("m", "whk_1", sealed)
	require.NoError(t, err, "older keys open")
	require.Equal(t, secret.Reveal(), opened.Reveal())
	fresh, err := both.seal("m", "whk_1", secret)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(fresh, "v1.k2."), "the first key seals")

	flipped := []byte(sealed)
	flipped[len(flipped)-2] ^= 1
	for name, open := range map[string]func() (signer.Secret, error){
		"another merchant": func() (signer.Secret, error) { return both.open("m2", "whk_1", sealed) },
		"another webhook":  func() (signer.Secret, error) { return both.open("m", "whk_2", sealed) },
		"shifted border":   func() (signer.Secret, error) { return both.open("m|whk_1", "", sealed) },
		"changed":          func() (signer.Secret, error) { return both.open("m", "whk_1", string(flipped)) },
		"cut":              func() (signer.Secret, error) { return both.open("m", "whk_1", sealed[:12]) },
		"unknown key":      func() (signer.Secret, error) { return first.open("m", "whk_1", fresh) },
		"empty":            func() (signer.Secret, error) { return first.open("m", "whk_1", "") },
		"not sealed":       func() (signer.Secret, error) { return first.open("m", "whk_1", secret.Reveal()) },
	} {
		_, err := open()
		require.ErrorIs(t, err, ErrUnsealed, name)
		require.NotContains(t, err.Error(), secret.Reveal()[6:])
	}

	// Headers and secrets do not open in each other's place.
	headers, err := both.SealHeaders("m", "whk_1", at, map[string]string{"X-B": "two", "X-A": "Bearer one"})
	require.NoError(t, err)
	require.Equal(t, []string{"X-A", "X-B"}, HeaderNames(headers))
	got, err := both.openHeaders("m", "whk_1", at, headers)
	require.NoError(t, err)
	require.Equal(t, []Header{{"X-A", []string{"Bearer one"}}, {"X-B", []string{"two"}}}, got)
	names, values, _ := strings.Cut(headers, ":")
	for name, open := range map[string]func() error{
		"headers as a secret":        func() error { _, err := both.open("m", "whk_1", headers); return err },
		"their text as a secret":     func() error { _, err := both.open("m", "whk_1", values); return err },
		"a secret as headers":        func() error { _, err := both.openHeaders("m", "whk_1", at, fresh); return err },
		"a secret as their text":     func() error { _, err := both.openHeaders("m", "whk_1", at, names+":"+fresh); return err },
		"a secret without a name":    func() error { _, err := both.openHeaders("m", "whk_1", at, ":"+fresh); return err },
		"headers of another webhook": func() error { _, err := both.openHeaders("m", "whk_2", at, headers); return err },
		"headers of another":         func() error { _, err := both.openHeaders("m2", "whk_1", at, headers); return err },
		"other names":                func() error { _, err := both.openHeaders("m", "whk_1", at, "X-A,X-C:"+values); return err },
		"names that changed places":  func() error { _, err := both.openHeaders("m", "whk_1", at, "X-B,X-A:"+values); return err },
		"fewer names":                func() error { _, err := both.openHeaders("m", "whk_1", at, "X-A:"+values); return err },
		"no names":                   func() error { _, err := both.openHeaders("m", "whk_1", at, values); return err },
		"without a key":              func() error { _, err := first.openHeaders("m", "whk_1", at, headers); return err },
	} {
		err := open()
		require.ErrorIs(t, err, ErrUnsealed, name)
		require.NotContains(t, err.Error(), "one")
	}

	plain, err := New(nil, false)
	require.NoError(t, err)
	text, err := plain.seal("m", "whk_1", secret)
	require.NoError(t, err)
	_, err = first.open("m", "whk_1", text)
	require.ErrorIs(t, err, ErrUnsealed, "text of before there was a key")
	_, err = first.RewrapKey("m", "whk_1", text)
	require.ErrorIs(t, err, ErrUnsealed, "nor does it become sealed text")
	lenient, err := New([]Key{k1}, true)
	require.NoError(t, err)
	opened, err = lenient.open("m", "whk_1", text)
	require.NoError(t, err)
	require.Equal(t, secret.Reveal(), opened.Reveal())
	text, err = lenient.RewrapKey("m", "whk_1", text)
	require.NoError(t, err)
	opened, err = first.open("m", "whk_1", text)
	require.NoError(t, err, "from then on it is sealed")
	require.Equal(t, secret.Reveal(), opened.Reveal())
	text, err = plain.seal("m", "whk_1", secret)
	require.NoError(t, err)
	open, err := plain.SealHeaders("m", "whk_1", at, map[string]string{"X-A": "one"})
	require.NoError(t, err)
	_, err = first.openHeaders("m", "whk_1", at, open)
	require.ErrorIs(t, err, ErrUnsealed)
	_, err = first.RewrapHeaders("m", "whk_1", at, open)
	require.ErrorIs(t, err, ErrUnsealed)
	got, err = lenient.openHeaders("m", "whk_1", at, open)
	require.NoError(t, err)
	require.Equal(t, []Header{{"X-A", []string{"one"}}}, got)
	for name, err := range map[string]error{
		"plain headers as a secret": func() error { _, err := plain.open("m", "whk_1", open); return err }(),
		"a plain secret as headers": func() error { _, err := plain.openHeaders("m", "whk_1", at, text); return err }(),
		"too few plain values":      func() error { _, err := plain.openHeaders("m", "whk_1", at, "X-A,X-B:v0.one"); return err }(),
	} {
		require.ErrorIs(t, err, ErrUnsealed, name)
	}
	none, err := both.SealHeaders("m", "whk_1", at, nil)
	require.NoError(t, err)
	require.Empty(t, none)
	require.Empty(t, HeaderNames(none))
}

func TestHeadersAreBoundToTheOrigin(t *testing.T) {
	t.Parallel()
	v, err := New([]Key{{ID: "k1", Key: [32]byte{1}}}, false)
	require.NoError(t, err)
	given := map[string]string{"X-A": "one"}
	sealed, err := v.SealHeaders("m", "whk_1", "https://example.com/hook", given)
	require.NoError(t, err)
	for url, opens := range map[string]bool{
		"https://example.com/other?a=b": true,
		"https://example.com:443/":      true,
		"HTTPS://EXAMPLE.com/":          true,
		"http://example.com/hook":       false,
		"https://example.com:8443/hook": false,
		"https://example.com:80/hook":   false,
		"https://www.example.com/hook":  false,
		"https://example.org/hook":      false,
		"https://[::1]/hook":            false,
		"":                              false,
	} {
		_, err := v.openHeaders("m", "whk_1", url, sealed)
		if opens {
			require.NoError(t, err, url)
			continue
		}
		require.ErrorIs(t, err, ErrUnsealed, url)
		_, err = v.RewrapHeaders("m", "whk_1", url, strings.Replace(sealed, ".k1.", ".k2.", 1))
		require.ErrorIs(t, err, ErrUnsealed, url)
	}
	require.Equal(t, Origin("https://[2001:db8::1]:443/"), Origin("https://[2001:DB8::1]"))
	require.Equal(t, Origin("http://example.com:80"), Origin("http://example.com"))

	// Text of the version before opens anywhere, until it is rewrapped.
	text, err := v.sealText(headersOf("m", "whk_1", "", "X-A"), "one")
	require.NoError(t, err)
	old := "X-A:" + text
	got, err := v.openHeaders("m", "whk_1", "https://anywhere.example/", old)
	require.NoError(t, err)
	require.Equal(t, []Header{{"X-A", []string{"one"}}}, got)
	bound, err := v.RewrapHeaders("m", "whk_1", "https://example.com/hook", old)
	require.NoError(t, err)
	_, err = v.openHeaders("m", "whk_1", "https://anywhere.example/", bound)
	require.ErrorIs(t, err, ErrUnsealed)
	again, err := v.RewrapHeaders("m", "whk_1", "https://example.com/hook", bound)
	require.NoError(t, err)
	require.Equal(t, bound, again)
	_, err = v.openHeaders("m", "whk_1", "https://example.com/", strings.Replace(bound, ":v2.", ":v1.", 1))
	require.ErrorIs(t, err, ErrUnsealed, "nor is it taken for the version before")
}
