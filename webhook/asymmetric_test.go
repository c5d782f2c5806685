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

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// holds answers as a receiver that has the public key and nothing else.
func holds(t *testing.T, publicKey string) func(call) (answer, error) {
	t.Helper()
	v, err := verifier.New("", &verifier.Options{PublicKeys: []string{publicKey}, Now: time.Now})
	require.NoError(t, err)
	return func(c call) (answer, error) {
		if _, err := v.Verify(c.header, []byte(c.body)); err != nil {
			return reply(http.StatusUnauthorized, "Invalid signature"), nil //nolint:nilerr // that is the answer
		}
		return reply(http.StatusOK, "OK"), nil
	}
}

func TestAsymmetricSignatures(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, nil)
		defer r.close()
		reg := registerAsymmetric(t, r.svc)
		p := r.publish()
		synctest.Wait()
		c := r.endpoint.seen()[0]
		require.NotContains(t, c.header, "X-Webhook-Signature")
		require.Len(t, c.header, 8, "all the others are sent")

		// As the specification says, without a line of this module.
		raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(reg.Webhook.PublicKey, "whpk_"))
		require.NoError(t, err)
		text, found := strings.CutPrefix(c.header.Get("webhook-signature"), "v1a,")
		require.True(t, found)
		signature, err := base64.StdEncoding.DecodeString(text)
		require.NoError(t, err)
		message := p.EventID + "." + c.header.Get("webhook-timestamp") + "." + c.body
		require.True(t, ed25519.Verify(raw, []byte(message), signature))
		require.Equal(t, store.DeliverySucceeded, r.delivery(reg.Webhook.ID, p.Deliveries[0]).Status)
	})
}

// Receivers with the old key and with the new one verify during the grace, and only
// those with the new one after it.
func TestAsymmetricRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, nil)
		defer r.close()
		old := registerAsymmetric(t, r.svc).Webhook
		rotated, err := r.svc.Rotate(t.Context(), merchant, old.ID, time.Hour)
		require.NoError(t, err)
		fresh := rotated.Webhook
		require.True(t, rotated.Secret.IsZero())
		require.Equal(t, old.PublicKey, fresh.PreviousPublicKey)
		require.NotEqual(t, old.PublicKey, fresh.PublicKey)
		_, err = r.svc.Rotate(t.Context(), merchant, old.ID, time.Hour)
		require.ErrorIs(t, err, webhook.ErrRotating)
		accepted := func(key string) bool {
			r.endpoint.set(holds(t, key))
			p := r.publish()
			synctest.Wait()
			return r.delivery(old.ID, p.Deliveries[0]).Status == store.DeliverySucceeded
		}
		require.True(t, accepted(old.PublicKey))
		require.True(t, accepted(fresh.PublicKey))
		pass(time.Hour)
		require.False(t, accepted(old.PublicKey))
		require.True(t, accepted(fresh.PublicKey))
		require.Empty(t, r.webhook(old.ID).PreviousPublicKey)
	})
}

func TestDetectWithAPublicKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, nil)
		defer r.close()
		reg := registerAsymmetric(t, r.svc)
		r.endpoint.set(holds(t, reg.Webhook.PublicKey))
		d, err := r.svc.Detect(t.Context(), merchant, reg.Webhook.ID)
		require.NoError(t, err)
		require.Equal(t, webhook.FoundRaw, d.Finding)
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
	one, two := keyOne(), webhook.SecretKey{ID: "two", Key: [32]byte{2}}
	svc := service(one)
	reg := registerAsymmetric(t, svc)
	_, err := svc.Rotate(t.Context(), merchant, reg.Webhook.ID, time.Hour)
	require.NoError(t, err)
	sealed := func() store.Webhook {
		t.Helper()
		w, err := st.Webhook(t.Context(), merchant, reg.Webhook.ID)
		require.NoError(t, err)
		return w
	}
	before := sealed()
	require.NotContains(t, before.Secret, "whsk_")
	require.True(t, strings.HasPrefix(before.PreviousSecret, reg.Webhook.PublicKey+".v1."+one.ID+"."))
	n, err := service(two, one).Rewrap(t.Context(), merchant)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	after := sealed()
	require.True(t, strings.HasPrefix(after.PreviousSecret, reg.Webhook.PublicKey+".v1.two."))
	n, err = service(two, one).Rewrap(t.Context(), merchant)
	require.NoError(t, err)
	require.Zero(t, n)

	// With the new key alone, both halves still sign; with another public key in front
	// they do not open.
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, st, &webhook.DispatcherOptions{SecretKeys: []webhook.SecretKey{two}})
		defer r.close()
		publish := func() {
			t.Helper()
			_, err := service(two).Publish(t.Context(), merchant, event.New(event.DocumentCreated{DocumentID: "doc_1"}))
			require.NoError(t, err)
			synctest.Wait()
		}
		publish()
		require.Equal(t, 1, r.endpoint.count())
		require.Equal(t, 1, strings.Count(r.endpoint.seen()[0].header.Get(signer.HeaderStandardSignature), " "))
		_, box, _ := strings.Cut(after.Secret, ".")
		swapped := reg.Webhook.PublicKey + "." + box
		_, err := st.UpdateWebhook(t.Context(), merchant, reg.Webhook.ID, store.WebhookUpdate{Rotate: &swapped})
		require.NoError(t, err)
		publish()
		require.Equal(t, 1, r.endpoint.count(), "nothing is signed with it")
	})
}
