package webhook_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

func keyTwo() webhook.SecretKey { return webhook.SecretKey{ID: "k2", Key: [32]byte{2}} }

// newSealedRig starts a dispatcher that has one key and a service that has others.
func newSealedRig(t *testing.T, dispatcher webhook.SecretKey, service ...webhook.SecretKey) *harness.Rig {
	t.Helper()
	r := harness.NewRig(t, nil, &webhook.DispatcherOptions{SecretKeys: []webhook.SecretKey{dispatcher}})
	useKeys(r, service...)
	return r
}

// useKeys replaces the service by one with these keys.
func useKeys(r *harness.Rig, keys ...webhook.SecretKey) {
	r.T.Helper()
	var err error
	r.Svc, err = webhook.NewService(r.Store, &webhook.ServiceOptions{SecretKeys: keys})
	require.NoError(r.T, err)
}

func TestAMissingKeyIsOurOwnFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newSealedRig(t, keyTwo(), harness.KeyOne())
		reg := r.Register(event.TypeDocumentCreated)
		p := r.Publish()
		harness.Pass(10 * time.Minute)
		require.Zero(t, r.Endpoint.Count(), "nothing is sent unsigned")
		d := r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID)
		require.Equal(t, webhook.DeliveryPending, d.Status)
		require.Zero(t, d.Attempts)
		require.Equal(t, 4, d.Reclaims, "tried after 0, 1, 3 and 7 minutes")
		require.Zero(t, r.Webhook(reg.Webhook.ID).ConsecutiveFailures)
		r.Close()

		r.Another(webhook.DispatcherOptions{SecretKeys: []webhook.SecretKey{harness.KeyOne()}})
		harness.Pass(6 * time.Minute)
		d = r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID)
		require.Equal(t, webhook.DeliverySucceeded, d.Status)
		require.Equal(t, 15*time.Minute, r.Since(d.DeliveredAt))
		harness.Verify(t, reg.Secret, r.Endpoint.Seen()[0], nil)
	})
}

func TestAKeyCanBeReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newSealedRig(t, harness.KeyOne(), harness.KeyOne())
		old := r.Register(event.TypeDocumentCreated)
		fresh, err := r.Svc.Rotate(t.Context(), harness.Merchant, old.Webhook.ID, webhook.DefaultGrace)
		require.NoError(t, err)
		delivered := func() {
			t.Helper()
			p := r.Publish()
			synctest.Wait()
			require.Equal(t, webhook.DeliverySucceeded, r.Delivery(old.Webhook.ID, p.Deliveries[0].ID).Status)
			seen := r.Endpoint.Seen()
			harness.Verify(t, fresh.Secret, seen[len(seen)-1], nil)
		}
		delivered()
		r.Close()

		useKeys(r, keyTwo(), harness.KeyOne())
		n, err := r.Svc.Rewrap(t.Context(), harness.Merchant)
		require.NoError(t, err)
		require.Equal(t, 1, n)

		useKeys(r, keyTwo())
		r.Another(webhook.DispatcherOptions{SecretKeys: []webhook.SecretKey{keyTwo()}})
		delivered()
		r.Endpoint.Set(harness.Knows(t, old.Secret))
		p := r.Publish()
		synctest.Wait()
		require.Equal(t, webhook.DeliverySucceeded, r.Delivery(old.Webhook.ID, p.Deliveries[0].ID).Status,
			"the old secret still has its grace")
	})
}

// sealed is the secret of a webhook as the store has it.
func sealed(r *harness.Rig, reg webhook.Registered) string {
	r.T.Helper()
	w, err := r.Store.Webhook(r.T.Context(), harness.Merchant, reg.Webhook.ID)
	require.NoError(r.T, err)
	return w.Secret
}

// Text that nobody has sealed may be somebody's own secret, put into the store.
func TestPlainTextNeedsTheSwitch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newSealedRig(t, harness.KeyOne())
		reg := r.Register(event.TypeDocumentCreated)
		require.True(t, strings.HasPrefix(sealed(r, reg), "v0."), "this service has no key")
		p := r.Publish()
		harness.Pass(time.Minute)
		require.Zero(t, r.Endpoint.Count(), "nothing goes out with a secret that nobody has sealed")
		useKeys(r, harness.KeyOne())
		_, err := r.Svc.Rewrap(t.Context(), harness.Merchant)
		require.ErrorContains(t, err, "InsecurePlaintextSecrets")
		require.True(t, strings.HasPrefix(sealed(r, reg), "v0."), "Rewrap does not seal it either")

		r.Svc, err = webhook.NewService(r.Store, &webhook.ServiceOptions{
			SecretKeys: []webhook.SecretKey{harness.KeyOne()}, InsecurePlaintextSecrets: true,
		})
		require.NoError(t, err)
		n, err := r.Svc.Rewrap(t.Context(), harness.Merchant)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		harness.Pass(10 * time.Minute)
		require.Equal(t, webhook.DeliverySucceeded, r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID).Status)
	})
}

func TestKeysDoNotShow(t *testing.T) {
	t.Parallel()
	k := webhook.SecretKey{ID: "k1"}
	copy(k.Key[:], strings.Repeat("\xde\xad\xbe\xef", 8))
	st := memstore.New(nil)
	so := webhook.ServiceOptions{SecretKeys: []webhook.SecretKey{k}}
	do := webhook.DispatcherOptions{SecretKeys: []webhook.SecretKey{k}}
	svc, err := webhook.NewService(st, &so)
	require.NoError(t, err)
	disp, err := webhook.NewDispatcher(st, &do)
	require.NoError(t, err)

	shown := map[string]string{}
	for name, v := range map[string]any{
		"key": k, "pointer": &k, "list": so.SecretKeys, "map": map[string]webhook.SecretKey{"a": k},
		"ServiceOptions": so, "*ServiceOptions": &so, "DispatcherOptions": do, "*DispatcherOptions": &do,
		"Service": svc, "Dispatcher": disp,
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			shown[name+" "+verb] = fmt.Sprintf(verb, v)
		}
		if text, err := json.Marshal(v); err == nil { // Options have fields that JSON cannot carry.
			shown[name+" as JSON"] = string(text)
		}
		var logs strings.Builder
		for _, h := range []slog.Handler{slog.NewTextHandler(&logs, nil), slog.NewJSONHandler(&logs, nil)} {
			slog.New(h).LogAttrs(context.Background(), slog.LevelInfo, "options", slog.Any("value", v))
		}
		shown[name+" in a log"] = logs.String()
	}
	require.Equal(t, `SecretKey(k1)`, shown["key %v"])
	require.Equal(t, `["SecretKey(k1)"]`, shown["list as JSON"])
	for how, text := range shown {
		for _, leak := range []string{
			"222 173", "222,173", "222, 173", "0xde", "0xDE", hex.EncodeToString(k.Key[:4]), "DEADBEEF",
			base64.StdEncoding.EncodeToString(k.Key[:3]), string(k.Key[:4]), `\xde`, "DE AD",
		} {
			require.NotContains(t, text, leak, how)
		}
	}
}
