package webhook_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// A receiver may have its new secret before a request that was signed without it
// arrives, and may take it into use between two requests.
func TestReceiversThatSwitchMeanwhile(t *testing.T) {
	t.Parallel()
	rotate := func(r *harness.Rig, reg webhook.Registered, grace time.Duration) signer.Secret {
		fresh, err := r.Svc.Rotate(r.T.Context(), harness.Merchant, reg.Webhook.ID, grace)
		require.NoError(r.T, err)
		return fresh.Secret
	}
	for name, c := range map[string]struct {
		before func(r *harness.Rig, reg webhook.Registered) signer.Secret // before the event is published
		during func(r *harness.Rig, reg webhook.Registered) signer.Secret // while the first request is on its way
		posts  int
		status webhook.DeliveryStatus
	}{
		"rotated and switched": {
			during: func(r *harness.Rig, reg webhook.Registered) signer.Secret { return rotate(r, reg, time.Hour) },
			posts:  2, status: webhook.DeliverySucceeded,
		},
		"rotated without a grace and switched": {
			during: func(r *harness.Rig, reg webhook.Registered) signer.Secret { return rotate(r, reg, 0) },
			posts:  2, status: webhook.DeliverySucceeded,
		},
		"rotated again without a grace and switched": {
			before: func(r *harness.Rig, reg webhook.Registered) signer.Secret { return rotate(r, reg, time.Hour) },
			during: func(r *harness.Rig, reg webhook.Registered) signer.Secret { return rotate(r, reg, 0) },
			posts:  3, status: webhook.DeliverySucceeded,
		},
		"deleted": {
			during: func(r *harness.Rig, reg webhook.Registered) signer.Secret {
				require.NoError(r.T, r.Svc.Delete(r.T.Context(), harness.Merchant, reg.Webhook.ID, 0))
				return signer.NewSecret()
			},
			posts: 1,
		},
		"has another secret": {
			during: func(*harness.Rig, webhook.Registered) signer.Secret { return signer.NewSecret() },
			posts:  1, status: webhook.DeliveryPending,
		},
		"has another secret within a grace": {
			before: func(r *harness.Rig, reg webhook.Registered) signer.Secret { return rotate(r, reg, time.Hour) },
			during: func(*harness.Rig, webhook.Registered) signer.Secret { return signer.NewSecret() },
			posts:  3, status: webhook.DeliveryPending,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := harness.NewRig(t, nil, nil)
				reg := r.Register(event.TypeDocumentCreated)
				if c.before != nil {
					c.before(r, reg)
				}
				r.Endpoint.Set(func(k harness.Call) (harness.Answer, error) {
					switched := harness.Knows(t, c.during(r, reg))
					r.Endpoint.Set(switched)
					return switched(k)
				})
				p := r.Publish()
				synctest.Wait()
				require.Equal(t, c.posts, r.Endpoint.Count())
				if c.status != "" {
					d := r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID)
					require.Equal(t, c.status, d.Status)
					require.Len(t, d.Log, 1)
				}
				r.Close()
			})
		})
	}
}

// A receiver that has the old secret when it gets the request that the new one
// has signed, and the new one when it gets the other.
func TestASwitchBetweenTwoPosts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, nil)
		old := r.Register(event.TypeDocumentCreated)
		fresh, err := r.Svc.Rotate(t.Context(), harness.Merchant, old.Webhook.ID, time.Hour)
		require.NoError(t, err)
		before, after := harness.Knows(t, old.Secret), harness.Knows(t, fresh.Secret)
		r.Endpoint.Set(func(c harness.Call) (harness.Answer, error) {
			defer r.Endpoint.Set(after)
			return before(c)
		})
		p := r.Publish()
		synctest.Wait()
		require.Equal(t, 3, r.Endpoint.Count())
		d := r.Delivery(old.Webhook.ID, p.Deliveries[0].ID)
		require.Equal(t, webhook.DeliverySucceeded, d.Status)
		require.Len(t, d.Log, 1)
		r.Close()
	})
}

// However often a receiver is asked, an attempt takes no longer than two posts.
func TestAnAttemptIsBoundedAroundARotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, nil)
		reg := r.Register(event.TypeDocumentCreated)
		_, err := r.Svc.Rotate(t.Context(), harness.Merchant, reg.Webhook.ID, time.Hour)
		require.NoError(t, err)
		r.Endpoint.Set(func(c harness.Call) (harness.Answer, error) {
			select {
			case <-time.After(9 * time.Second):
				return harness.Always(http.StatusForbidden)(c)
			case <-c.Ctx.Done():
				return harness.Hang(c)
			}
		})
		p := r.Publish()
		harness.Pass(30 * time.Second)
		d := r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID)
		require.Equal(t, 3, r.Endpoint.Count())
		require.Equal(t, 20*time.Second, d.Log[0].Duration)
		require.Equal(t, webhook.CodeTimeout, d.Code)
		r.Close()
	})
}

// unreadable is a store that does not show webhooks.
type unreadable struct{ *memstore.Store }

func (unreadable) Webhook(context.Context, string, string) (store.Webhook, error) {
	return store.Webhook{}, errors.New("no")
}

func TestARefusalCountsWhenTheStoreIsSilent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, unreadable{memstore.New(nil)}, nil)
		reg := r.Register(event.TypeDocumentCreated)
		r.Endpoint.Set(harness.Always(http.StatusUnauthorized))
		p := r.Publish()
		synctest.Wait()
		d := r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID)
		require.Equal(t, 1, d.Attempts)
		require.Equal(t, http.StatusUnauthorized, d.StatusCode)
		r.Close()
	})
}
