package webhook_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

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
	rotate := func(r *rig, reg webhook.Registered, grace time.Duration) signer.Secret {
		fresh, err := r.svc.Rotate(r.t.Context(), merchant, reg.Webhook.ID, grace)
		require.NoError(r.t, err)
		return fresh.Secret
	}
	for name, c := range map[string]struct {
		before func(r *rig, reg webhook.Registered) signer.Secret // before the event is published
		during func(r *rig, reg webhook.Registered) signer.Secret // while the first request is on its way
		posts  int
		status store.DeliveryStatus
	}{
		"rotated and switched": {
			during: func(r *rig, reg webhook.Registered) signer.Secret { return rotate(r, reg, time.Hour) },
			posts:  2, status: store.DeliverySucceeded,
		},
		"rotated without a grace and switched": {
			during: func(r *rig, reg webhook.Registered) signer.Secret { return rotate(r, reg, 0) },
			posts:  2, status: store.DeliverySucceeded,
		},
		"rotated again without a grace and switched": {
			before: func(r *rig, reg webhook.Registered) signer.Secret { return rotate(r, reg, time.Hour) },
			during: func(r *rig, reg webhook.Registered) signer.Secret { return rotate(r, reg, 0) },
			posts:  3, status: store.DeliverySucceeded,
		},
		"deleted": {
			during: func(r *rig, reg webhook.Registered) signer.Secret {
				require.NoError(r.t, r.svc.Delete(r.t.Context(), merchant, reg.Webhook.ID, 0))
				return signer.NewSecret()
			},
			posts: 1,
		},
		"has another secret": {
			during: func(*rig, webhook.Registered) signer.Secret { return signer.NewSecret() },
			posts:  1, status: store.DeliveryPending,
		},
		"has another secret within a grace": {
			before: func(r *rig, reg webhook.Registered) signer.Secret { return rotate(r, reg, time.Hour) },
			during: func(*rig, webhook.Registered) signer.Secret { return signer.NewSecret() },
			posts:  3, status: store.DeliveryPending,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, nil, nil)
				reg := r.register(event.TypeDocumentCreated)
				if c.before != nil {
					c.before(r, reg)
				}
				r.endpoint.set(func(k call) (answer, error) {
					switched := knows(t, c.during(r, reg))
					r.endpoint.set(switched)
					return switched(k)
				})
				p := r.publish()
				synctest.Wait()
				require.Equal(t, c.posts, r.endpoint.count())
				if c.status != "" {
					d := r.delivery(reg.Webhook.ID, p.Deliveries[0])
					require.Equal(t, c.status, d.Status)
					require.Len(t, d.Log, 1)
				}
				r.close()
			})
		})
	}
}

// A receiver that has the old secret when it gets the request that the new one
// has signed, and the new one when it gets the other.
func TestASwitchBetweenTwoPosts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, nil)
		old := r.register(event.TypeDocumentCreated)
		fresh, err := r.svc.Rotate(t.Context(), merchant, old.Webhook.ID, time.Hour)
		require.NoError(t, err)
		before, after := knows(t, old.Secret), knows(t, fresh.Secret)
		r.endpoint.set(func(c call) (answer, error) {
			defer r.endpoint.set(after)
			return before(c)
		})
		p := r.publish()
		synctest.Wait()
		require.Equal(t, 3, r.endpoint.count())
		d := r.delivery(old.Webhook.ID, p.Deliveries[0])
		require.Equal(t, store.DeliverySucceeded, d.Status)
		require.Len(t, d.Log, 1)
		r.close()
	})
}

// However often a receiver is asked, an attempt takes no longer than two posts.
func TestAnAttemptIsBoundedAroundARotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, nil)
		reg := r.register(event.TypeDocumentCreated)
		_, err := r.svc.Rotate(t.Context(), merchant, reg.Webhook.ID, time.Hour)
		require.NoError(t, err)
		r.endpoint.set(func(c call) (answer, error) {
			select {
			case <-time.After(9 * time.Second):
				return always(http.StatusForbidden)(c)
			case <-c.ctx.Done():
				return hang(c)
			}
		})
		p := r.publish()
		pass(30 * time.Second)
		d := r.delivery(reg.Webhook.ID, p.Deliveries[0])
		require.Equal(t, 3, r.endpoint.count())
		require.Equal(t, 20*time.Second, d.Log[0].Duration)
		require.Equal(t, webhook.CodeTimeout, d.Error)
		r.close()
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
		r := newRig(t, unreadable{memstore.New(nil)}, nil)
		reg := r.register(event.TypeDocumentCreated)
		r.endpoint.set(always(http.StatusUnauthorized))
		p := r.publish()
		synctest.Wait()
		d := r.delivery(reg.Webhook.ID, p.Deliveries[0])
		require.Equal(t, 1, d.Attempts)
		require.Equal(t, http.StatusUnauthorized, d.StatusCode)
		r.close()
	})
}
