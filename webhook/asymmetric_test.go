package webhook_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// holds answers as a receiver that has the public key and nothing else.
func holds(t *testing.T, publicKey string) func(harness.Call) (harness.Answer, error) {
	t.Helper()
	v, err := verifier.New("", &verifier.Options{PublicKeys: []string{publicKey}, Now: time.Now})
	require.NoError(t, err)
	return func(c harness.Call) (harness.Answer, error) {
		if _, err := v.Verify(c.Header, []byte(c.Body)); err != nil {
			return harness.Reply(http.StatusUnauthorized, "Invalid signature"), nil //nolint:nilerr // that is the answer
		}
		return harness.Reply(http.StatusOK, "OK"), nil
	}
}

func TestAsymmetricSignatures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, nil)
		defer r.Close()
		reg := harness.RegisterAsymmetric(t, r.Svc)
		p := r.Publish()
		synctest.Wait()
		c := r.Endpoint.Seen()[0]
		require.NotContains(t, c.Header, "X-Webhook-Signature")
		require.Len(t, c.Header, 8, "all the others are sent")

		// As the specification says, without a line of this module.
		raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(reg.Webhook.PublicKey, "whpk_"))
		require.NoError(t, err)
		text, found := strings.CutPrefix(c.Header.Get("webhook-signature"), "v1a,")
		require.True(t, found)
		signature, err := base64.StdEncoding.DecodeString(text)
		require.NoError(t, err)
		message := p.EventID + "." + c.Header.Get("webhook-timestamp") + "." + c.Body
		require.True(t, ed25519.Verify(raw, []byte(message), signature))
		require.Equal(t, webhook.DeliverySucceeded, r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID).Status)
	})
}

// Receivers with the old key and with the new one verify during the grace, and only
// those with the new one after it.
func TestAsymmetricRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, nil)
		defer r.Close()
		old := harness.RegisterAsymmetric(t, r.Svc).Webhook
		rotated, err := r.Svc.Rotate(t.Context(), harness.Merchant, old.ID, time.Hour)
		require.NoError(t, err)
		fresh := rotated.Webhook
		require.True(t, rotated.Secret.IsZero())
		require.Equal(t, old.PublicKey, fresh.PreviousPublicKey)
		require.NotEqual(t, old.PublicKey, fresh.PublicKey)
		_, err = r.Svc.Rotate(t.Context(), harness.Merchant, old.ID, time.Hour)
		require.ErrorIs(t, err, webhook.ErrRotating)
		accepted := func(key string) bool {
			r.Endpoint.Set(holds(t, key))
			p := r.Publish()
			synctest.Wait()
			return r.Delivery(old.ID, p.Deliveries[0].ID).Status == webhook.DeliverySucceeded
		}
		require.True(t, accepted(old.PublicKey))
		require.True(t, accepted(fresh.PublicKey))
		harness.Pass(time.Hour)
		require.False(t, accepted(old.PublicKey))
		require.True(t, accepted(fresh.PublicKey))
		require.Empty(t, r.Webhook(old.ID).PreviousPublicKey)
	})
}

func TestDetectWithAPublicKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, nil)
		defer r.Close()
		reg := harness.RegisterAsymmetric(t, r.Svc)
		r.Endpoint.Set(holds(t, reg.Webhook.PublicKey))
		d, err := r.Svc.Detect(t.Context(), harness.Merchant, reg.Webhook.ID)
		require.NoError(t, err)
		require.Equal(t, webhook.FoundRaw, d.Receiver)
		require.Equal(t, "standard+ escaped+ forged-", probes(d))
	})
}

// Private keys are sealed as secrets are, bound to their public key, and rewrapped.
func TestPrivateKeysAreSealed(t *testing.T) {
	t.Parallel()
	st := memstore.New(nil)
	service := func(keys ...webhook.SecretKey) *webhook.Service {
		t.Helper()
		svc, err := webhook.NewService(st, &webhook.ServiceOptions{SecretKeys: keys})
		require.NoError(t, err)
		return svc
	}
	one, two := harness.KeyOne(), webhook.SecretKey{ID: "two", Key: [32]byte{2}}
	svc := service(one)
	reg := harness.RegisterAsymmetric(t, svc)
	_, err := svc.Rotate(t.Context(), harness.Merchant, reg.Webhook.ID, time.Hour)
	require.NoError(t, err)
	sealed := func() store.Webhook {
		t.Helper()
		w, err := st.Webhook(t.Context(), harness.Merchant, reg.Webhook.ID)
		require.NoError(t, err)
		return w
	}
	before := sealed()
	require.NotContains(t, before.Secret, "whsk_")
	require.True(t, strings.HasPrefix(before.PreviousSecret, reg.Webhook.PublicKey+".v1."+one.ID+"."))
	n, err := service(two, one).Rewrap(t.Context(), harness.Merchant)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	after := sealed()
	require.True(t, strings.HasPrefix(after.PreviousSecret, reg.Webhook.PublicKey+".v1.two."))
	n, err = service(two, one).Rewrap(t.Context(), harness.Merchant)
	require.NoError(t, err)
	require.Zero(t, n)

	// With the new key alone, both halves still sign; with another public key in front
	// they do not open.
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, st, &webhook.DispatcherOptions{SecretKeys: []webhook.SecretKey{two}})
		defer r.Close()
		publish := func() {
			t.Helper()
			_, err := service(two).Publish(t.Context(), harness.Merchant, event.New(event.DocumentCreated{DocumentID: "doc_1"}))
			require.NoError(t, err)
			synctest.Wait()
		}
		publish()
		require.Equal(t, 1, r.Endpoint.Count())
		require.Equal(t, 1, strings.Count(r.Endpoint.Seen()[0].Header.Get(signer.HeaderStandardSignature), " "))
		_, box, _ := strings.Cut(after.Secret, ".")
		swapped := reg.Webhook.PublicKey + "." + box
		_, err := st.UpdateWebhook(t.Context(), harness.Merchant, reg.Webhook.ID, store.WebhookUpdate{Rotate: &swapped})
		require.NoError(t, err)
		publish()
		require.Equal(t, 1, r.Endpoint.Count(), "nothing is signed with it")
	})
}
