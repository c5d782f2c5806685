package signer_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
)

func newAsymmetric(tb testing.TB, keys ...signer.PrivateKey) *signer.Signer {
	tb.Helper()
	s, err := signer.NewAsymmetric(keys[0], keys[1:]...)
	require.NoError(tb, err)
	return s
}

// edKey is the key of crypto/ed25519 behind text.
func edKey(tb testing.TB, text string) ed25519.PrivateKey {
	tb.Helper()
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsk_"))
	require.NoError(tb, err)
	return raw
}

// plainAsymmetric signs with crypto/ed25519 used plainly.
func plainAsymmetric(key ed25519.PrivateKey, id string, at time.Time, body []byte) string {
	message := fmt.Appendf(nil, "%s.%d.%s", id, at.Unix(), body)
	return "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(key, message))
}

func TestAsymmetricSignaturesAreEd25519(t *testing.T) {
	t.Parallel()
	body := bytes.Repeat([]byte("0123456789"), 100)
	for range 20 {
		key := signer.NewPrivateKey()
		s := newAsymmetric(t, key)
		for _, size := range []int{0, 1, 127, 128, 1000} {
			for _, id := range []string{testID, strings.Repeat("i", 1000)} {
				want := plainAsymmetric(edKey(t, key.Reveal()), id, testTime, body[:size])
				require.Equal(t, want, string(s.AppendStandard(nil, id, testTime, body[:size])))
				require.True(t, s.VerifyStandard(id, testTime, body[:size], want))
				require.True(t, key.Public().VerifyStandard(id, testTime, body[:size], want))
			}
		}
	}
}

func TestAsymmetricSignerHasNoUntimedSignature(t *testing.T) {
	t.Parallel()
	s := newAsymmetric(t, signer.NewPrivateKey())
	require.Empty(t, s.AppendSignature(nil, testBody))
	require.Equal(t, "x: ", string(s.AppendSignature([]byte("x: "), testBody)))
	for _, header := range []string{"", "sha256=", string(newSigner(t, exampleSecret).AppendSignature(nil, testBody))} {
		require.False(t, s.Verify(testBody, header))
	}
}

func TestNewAsymmetricNamesEveryZeroKey(t *testing.T) {
	t.Parallel()
	var zero signer.PrivateKey
	s, err := signer.NewAsymmetric(zero, signer.NewPrivateKey(), zero)
	require.Nil(t, s)
	require.ErrorContains(t, err, "private key 1")
	require.ErrorContains(t, err, "private key 3")
	require.NotContains(t, err.Error(), "private key 2")
}

// TestMovingBetweenSchemes is a webhook on its way from a secret to a key pair.
func TestMovingBetweenSchemes(t *testing.T) {
	t.Parallel()
	key, old := signer.NewPrivateKey(), signer.NewPrivateKey()
	fresh, former := newAsymmetric(t, key, old), newSigner(t, exampleSecret, signer.NewSecret().Reveal())
	for name, both := range map[string]*signer.Signer{"fresh": fresh.Join(former), "former": former.Join(fresh)} {
		header := string(both.AppendStandard(nil, testID, testTime, testBody))
		require.Regexp(t, `^v1,\S{44} v1,\S{44} v1a,\S{88} v1a,\S{88}$`, header, name)
		for _, s := range []*signer.Signer{fresh, former, both, newSigner(t, exampleSecret), newAsymmetric(t, old)} {
			require.True(t, s.VerifyStandard(testID, testTime, testBody, header))
			require.False(t, s.VerifyStandard(testID, testTime, testBody[1:], header))
			require.True(t, both.VerifyStandard(testID, testTime, testBody, string(s.AppendStandard(nil, testID, testTime, testBody))))
		}
		require.True(t, key.Public().VerifyStandard(testID, testTime, testBody, header))
		require.False(t, signer.NewPrivateKey().Public().VerifyStandard(testID, testTime, testBody, header))
		require.Equal(t, former.AppendSignature(nil, testBody), both.AppendSignature(nil, testBody), "X-Webhook-Signature takes the secret")
	}
	require.Len(t, strings.Fields(string(former.AppendStandard(nil, testID, testTime, testBody))), 2, "Join changes neither")
	require.Len(t, strings.Fields(string(fresh.AppendStandard(nil, testID, testTime, testBody))), 2)
}

func TestEveryChangeOfAnAsymmetricSignatureIsRefused(t *testing.T) {
	t.Parallel()
	key := parsePrivate(t, testPrivate)
	header := string(newAsymmetric(t, key).AppendStandard(nil, testID, testTime, testBody))
	accept := func(h string) bool { return key.Public().VerifyStandard(testID, testTime, testBody, h) }
	require.True(t, accept(header))
	for i := range header {
		require.False(t, accept(header[:i]), "prefix of %d bytes", i)
		require.False(t, accept(header[i+1:]), "without the first %d bytes", i+1)
		require.False(t, accept(header[:i]+header[i+1:]), "without byte %d", i)
		if i > 0 {
			require.False(t, accept(header[:i]+" "+header[i:]), "space at %d", i)
			require.False(t, accept(header[:i]+"\n"+header[i+1:]), "line break at %d", i)
		}
		for bit := range 8 {
			flipped := []byte(header)
			flipped[i] ^= 1 << bit
			require.False(t, accept(string(flipped)), "bit %d of byte %d", bit, i)
		}
	}
	for _, more := range []string{"\x00", ";", "0", "=", "\n", ",", "é"} {
		require.False(t, accept(header+more), "%q behind", more)
		require.False(t, accept(more+header), "%q in front", more)
	}
	for bit := range 8 * len(testBody) {
		body := bytes.Clone(testBody)
		body[bit/8] ^= 1 << (bit % 8)
		require.False(t, key.Public().VerifyStandard(testID, testTime, body, header))
	}
	require.False(t, key.Public().VerifyStandard(testID, testTime.Add(time.Second), testBody, header))
	require.True(t, key.Public().VerifyStandard(testID, testTime.Add(time.Second-1), testBody, header), "whole seconds count")
	for _, id := range []string{"evt_2", "", "evt.1"} {
		require.False(t, key.Public().VerifyStandard(id, testTime, testBody, header))
		dotted := string(newAsymmetric(t, key).AppendStandard(nil, id, testTime, testBody))
		require.Equal(t, id == "evt_2", key.Public().VerifyStandard(id, testTime, testBody, dotted))
	}
	require.False(t, signer.PublicKey{}.VerifyStandard(testID, testTime, testBody, header))
}

// S and S plus the group's order are one number to a careless verifier.
func TestAnotherSpellingOfASignatureIsRefused(t *testing.T) {
	t.Parallel()
	key := parsePrivate(t, testPrivate)
	signature, err := base64.StdEncoding.DecodeString(plainAsymmetric(edKey(t, testPrivate), testID, testTime, testBody)[len("v1a,"):])
	require.NoError(t, err)
	order := []byte{
		0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
	}
	carry := 0
	for i, b := range order {
		sum := int(signature[32+i]) + int(b) + carry
		signature[32+i], carry = byte(sum), sum>>8
	}
	require.False(t, key.Public().VerifyStandard(testID, testTime, testBody, "v1a,"+base64.StdEncoding.EncodeToString(signature)))
}

func TestHowManySignaturesAreRead(t *testing.T) {
	t.Parallel()
	key := parsePrivate(t, testPrivate)
	good := string(newAsymmetric(t, key).AppendStandard(nil, testID, testTime, testBody))
	wrong := string(newAsymmetric(t, key).AppendStandard(nil, testID, testTime, testBody[1:]))
	accept := func(h string) bool { return key.Public().VerifyStandard(testID, testTime, testBody, h) }
	require.True(t, accept(strings.Repeat(wrong+" ", 9)+good))
	require.True(t, accept(good+strings.Repeat(" "+wrong, 9)))
	require.False(t, accept(strings.Repeat(wrong+" ", 10)+good))
	require.False(t, accept(good+strings.Repeat(" "+wrong, 10)), "wherever the good one is")
	require.False(t, accept(strings.Repeat(good+" ", 11)))
	require.True(t, accept(strings.Repeat("v1,x v1a,x v2,"+good[4:]+" ", 100)+good), "others do not count")
	require.True(t, newSigner(t, exampleSecret).Join(newAsymmetric(t, key)).VerifyStandard(testID, testTime, testBody,
		strings.Repeat(wrong+" ", 50)+string(newSigner(t, exampleSecret).AppendStandard(nil, testID, testTime, testBody))),
		"nor do they spoil a v1 signature")
}

func BenchmarkAsymmetric(b *testing.B) {
	key := parsePrivate(b, testPrivate)
	s := newAsymmetric(b, key)
	for _, size := range benchSizes {
		body, buf := bytes.Repeat([]byte("x"), size), make([]byte, 0, 128)
		header := string(s.AppendStandard(nil, testID, testTime, body))
		ok := true
		run(b, size, "sign", func() { buf = s.AppendStandard(buf[:0], testID, testTime, body) })
		run(b, size, "verify", func() { ok = ok && key.Public().VerifyStandard(testID, testTime, body, header) })
		run(b, size, "malformed", func() { ok = ok && !key.Public().VerifyStandard(testID, testTime, body, header[1:]) })
		require.True(b, ok)
	}
}

// FuzzVerifyAsymmetric compares with crypto/ed25519 on each token by itself.
func FuzzVerifyAsymmetric(f *testing.F) {
	private, key := edKey(f, testPrivate), parsePublic(f, testPublic)
	good := plainAsymmetric(private, testID, testTime, testBody)
	for _, header := range []string{
		good, "v1a, " + good, "v1,x " + good, good[:46], good + "=", "v1a,", "", " ", good[4:], good + " " + good,
		strings.Repeat(good+" ", 11), good[:len(good)-3] + "h==", strings.Replace(good, "v1a", "v1", 1),
	} {
		f.Add(header, testID, testTime.Unix(), testBody)
	}
	f.Add(good, "a.b", int64(-1), testBody)
	f.Fuzz(func(t *testing.T, header, id string, seconds int64, body []byte) {
		at := time.Unix(seconds, 0)
		valid := id != "" && !strings.Contains(id, ".")
		want := plainAsymmetric(private, id, at, body)
		require.Equal(t, valid, key.VerifyStandard(id, at, body, want))
		read, listed := 0, false
		for token := range strings.SplitSeq(header, " ") {
			encoded, ok := strings.CutPrefix(token, "v1a,")
			raw, err := base64.StdEncoding.DecodeString(encoded)
			if !ok || err != nil || len(raw) != 64 || base64.StdEncoding.EncodeToString(raw) != encoded {
				continue
			}
			read++
			listed = listed || ed25519.Verify(ed25519.PublicKey(private[32:]), fmt.Appendf(nil, "%s.%d.%s", id, seconds, body), raw)
		}
		require.Equal(t, valid && listed && read <= 10, key.VerifyStandard(id, at, body, header))
	})
}
