package signer_test

import (
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
)

// signature is what a secret makes of a body; see testdata/vectors.json, which
// package verifier reads too.
type signature struct {
	Name                             string
	Secrets, PrivateKeys, PublicKeys []string
	ID                               string
	Timestamp                        int64
	Body                             string
	Untimed, Standard                string
}

// signer makes a Signer of everything that v is signed with.
func (v signature) signer(tb testing.TB) *signer.Signer {
	tb.Helper()
	s := new(signer.Signer)
	if len(v.Secrets) > 0 {
		s = newSigner(tb, v.Secrets...)
	}
	for _, text := range v.PrivateKeys {
		s = s.Join(newAsymmetric(tb, parsePrivate(tb, text)))
	}
	return s
}

// headerVector is a header that verifies the body of a signature, or not.
type headerVector struct {
	Name, Of          string
	Untimed, Standard string
	OK                bool
}

func readVectors(t *testing.T) (signatures []signature, headers []headerVector) {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	require.NoError(t, err)
	var v struct {
		Signatures []signature
		Headers    []headerVector
	}
	require.NoError(t, json.Unmarshal(text, &v))
	require.NotEmpty(t, v.Signatures)
	require.NotEmpty(t, v.Headers)
	return v.Signatures, v.Headers
}

func parse(tb testing.TB, text string) signer.Secret {
	tb.Helper()
	secret, err := signer.ParseSecret(text)
	require.NoError(tb, err)
	return secret
}

func newSigner(tb testing.TB, texts ...string) *signer.Signer {
	tb.Helper()
	secrets := make([]signer.Secret, len(texts))
	for i, text := range texts {
		secrets[i] = parse(tb, text)
	}
	s, err := signer.New(secrets[0], secrets[1:]...)
	require.NoError(tb, err)
	return s
}

func TestVectors(t *testing.T) {
	t.Parallel()
	signatures, headers := readVectors(t)
	byName := map[string]signature{}
	for _, v := range signatures {
		byName[v.Name] = v
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			s, body, at := v.signer(t), []byte(v.Body), time.Unix(v.Timestamp, 999_999_999)
			require.Equal(t, v.Standard, string(s.AppendStandard(nil, v.ID, at, body)))
			for _, one := range v.Secrets {
				require.True(t, newSigner(t, one).VerifyStandard(v.ID, at, body, v.Standard), "any of the secrets verifies")
			}
			for _, one := range v.PublicKeys {
				require.True(t, parsePublic(t, one).VerifyStandard(v.ID, at, body, v.Standard), "any of the keys verifies")
			}
			if v.Untimed != "" {
				require.Equal(t, v.Untimed, string(s.AppendSignature(nil, body)))
				require.True(t, s.Verify(body, v.Untimed))
			}
		})
	}
	for _, v := range headers {
		t.Run(v.Name, func(t *testing.T) {
			t.Parallel()
			of, known := byName[v.Of]
			require.True(t, known)
			s := of.signer(t)
			if v.Untimed != "" {
				require.Equal(t, v.OK, s.Verify([]byte(of.Body), v.Untimed))
				return
			}
			require.Equal(t, v.OK, s.VerifyStandard(of.ID, time.Unix(of.Timestamp, 0), []byte(of.Body), v.Standard))
			for _, one := range of.PublicKeys {
				if len(of.Secrets) == 0 {
					require.Equal(t, v.OK, parsePublic(t, one).VerifyStandard(of.ID, time.Unix(of.Timestamp, 0), []byte(of.Body), v.Standard))
				}
			}
		})
	}
}
