package webhook_test

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
)

// A receiver that has a secret from another sender keeps it, and both signatures are
// made with it. A repetition after a crash does not replace it.
func TestRegisterWithASecretOfAnotherSender(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rig := harness.NewRig(t, nil, nil)
		defer rig.Close()
		secret, err := signer.ParseSecret("sk_live/of-another-sender")
		require.NoError(t, err)
		asked := webhook.Registration{URL: "https://example.com/hook", Events: []string{"document.created"}, Secret: secret}
		var ids []string
		register := func(failed error) error {
			_, _, err := rig.Svc.Once(t.Context(), harness.Merchant, "move", nil, func(ctx context.Context) (string, error) {
				reg, err := rig.Svc.Register(ctx, harness.Merchant, asked)
				require.NoError(t, err)
				require.True(t, secret.Equal(reg.Secret))
				ids = append(ids, reg.Webhook.ID)
				return reg.Webhook.ID, failed
			})
			return err
		}
		require.Error(t, register(store.ErrUnavailable))
		require.NoError(t, register(nil))
		require.Equal(t, ids[0], ids[1])

		rig.Publish()
		synctest.Wait()
		require.Len(t, rig.Endpoint.Seen(), 1)
		harness.Verify(t, secret, rig.Endpoint.Seen()[0], nil)

		asked.Signature = webhook.SchemeAsymmetric
		_, err = rig.Svc.Register(t.Context(), harness.Merchant, asked)
		require.Contains(t, fields(t, err), "secret")
	})
}
