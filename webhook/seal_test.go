package webhook

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
)

func TestSealing(t *testing.T) {
	t.Parallel()
	k1, k2 := SecretKey{ID: "k1", Key: [32]byte{1}}, SecretKey{ID: "k2", Key: [32]byte{2}}
	secret := signer.NewSecret()
	first, err := newSealer([]SecretKey{k1})
	require.NoError(t, err)
	sealed, err := first.seal("m", "whk_1", secret)
	require.NoError(t, err)
	again, err := first.seal("m", "whk_1", secret)
	require.NoError(t, err)
	require.NotEqual(t, sealed, again, "a fresh nonce each time")

	both, err := newSealer([]SecretKey{k2, k1})
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
		require.ErrorIs(t, err, errUnsealed, name)
		require.NotContains(t, err.Error(), secret.Reveal()[6:])
	}

	plain, err := newSealer(nil)
	require.NoError(t, err)
	text, err := plain.seal("m", "whk_1", secret)
	require.NoError(t, err)
	opened, err = first.open("m", "whk_1", text)
	require.NoError(t, err, "text of before there was a key still opens")
	require.Equal(t, secret.Reveal(), opened.Reveal())
}
