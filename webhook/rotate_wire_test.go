package webhook_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// check is how a receiver verifies a request.
type check func(header http.Header, body []byte) error

// schemes are the receivers that merchants have, for one secret each.
var schemes = map[string]func(secret string) (check, error){
	"guide": func(secret string) (check, error) {
		return func(header http.Header, body []byte) error {
			mac := hmac.New(sha256.New, []byte(secret))
			mac.Write(body)
			want := "sha256=" + hex.EncodeToString(mac.Sum(nil))
			if !hmac.Equal([]byte(header.Get("X-Webhook-Signature")), []byte(want)) {
				return verifier.ErrMismatch
			}
			return nil
		}, nil
	},
	"Standard Webhooks": func(secret string) (check, error) {
		w, err := standardwebhooks.NewWebhook(secret)
		return func(header http.Header, body []byte) error { return w.Verify(body, header) }, err
	},
	"verifier": func(secret string) (check, error) {
		v, err := verifier.New(secret, nil)
		return func(header http.Header, body []byte) error {
			_, err := v.Verify(header, body)
			return err
		}, err
	},
}

// wire is a service, a dispatcher and a receiver of one webhook on this machine.
type wire struct {
	t        *testing.T
	svc      *webhook.Service
	hook     webhook.Registered
	accepts  atomic.Pointer[check]
	sent     atomic.Int64
	received atomic.Int64
	ended    chan webhook.SettledInfo
}

func newWire(t *testing.T, b harness.Backend) *wire {
	t.Helper()
	w := &wire{t: t, ended: make(chan webhook.SettledInfo, 1<<12)}
	receiver := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.received.Add(1)
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(rw, "Bad Request", http.StatusBadRequest)
			return
		}
		if (*w.accepts.Load())(r.Header, body) != nil {
			http.Error(rw, "Invalid signature", http.StatusUnauthorized)
		}
	}))
	t.Cleanup(receiver.Close)
	out := &egress.Options{InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true}
	keys := []webhook.SecretKey{harness.KeyOne()}
	var err error
	w.svc, err = webhook.NewService(b.Store, &webhook.ServiceOptions{Egress: out, SecretKeys: keys})
	require.NoError(t, err)
	disp, err := webhook.NewDispatcher(b.Store, &webhook.DispatcherOptions{
		Egress: out, SecretKeys: keys,
		Observer: webhook.Observer{Settled: func(_ context.Context, i webhook.SettledInfo) { w.ended <- i }},
	})
	require.NoError(t, err)
	w.hook, err = w.svc.Register(t.Context(), harness.Merchant, webhook.Registration{URL: receiver.URL, Events: []string{"*"}})
	require.NoError(t, err)
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- disp.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-stopped)
	})
	return w
}

// accept makes the receiver take what one of the checks lets through.
func (w *wire) accept(these ...check) {
	var all check = func(header http.Header, body []byte) (err error) {
		for _, c := range these {
			if err = c(header, body); err == nil {
				return nil
			}
		}
		return err
	}
	w.accepts.Store(&all)
}

// publish publishes n events from several goroutines, and calls at for each of
// the counts that it names, as soon as so many are out.
func (w *wire) publish(n int64, at map[int64]func()) {
	w.t.Helper()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for {
				i := w.sent.Add(1)
				if i > n {
					return
				}
				if _, err := w.svc.Publish(w.t.Context(), harness.Merchant, event.New(event.DocumentCreated{DocumentID: "doc_1", Title: "Café"})); err != nil {
					w.t.Error(err)
				}
				if f := at[i]; f != nil {
					f()
				}
			}
		})
	}
	all.Wait()
	// Every delivery has its result when it has settled the first time.
	for range n {
		i := harness.Receive(w.t, w.ended)
		require.Equal(w.t, webhook.DeliverySucceeded, i.Status, "%+v", i)
	}
	page, err := w.svc.Deliveries(w.t.Context(), harness.Merchant, w.hook.Webhook.ID, webhook.DeliveryQuery{Limit: 1000})
	require.NoError(w.t, err)
	require.Len(w.t, page.Deliveries, int(n))
	for _, d := range page.Deliveries {
		detail, err := w.svc.Delivery(w.t.Context(), harness.Merchant, w.hook.Webhook.ID, d.ID)
		require.NoError(w.t, err)
		require.Equal(w.t, webhook.DeliverySucceeded, detail.Status)
		require.Len(w.t, detail.Log, 1, "one attempt in the log")
		require.Equal(w.t, http.StatusOK, detail.Log[0].StatusCode)
	}
}

// Whatever a receiver knows of a rotation, and whenever it learns of it, each
// delivery arrives with its first attempt.
func TestRotationOnTheWire(t *testing.T) {
	t.Parallel()
	const events = 80
	type step = func(w *wire, before, after check)
	for name, c := range map[string]struct {
		rotated step // as soon as the rotation is answered, while events are published
		half    step // some time later
		keeps   bool // the old secret, so that the header which lists both is good at once
	}{
		"knows the old one only": {keeps: true},
		"knows both":             {keeps: true, rotated: func(w *wire, before, after check) { w.accept(before, after) }},
		"switches at once":       {rotated: func(w *wire, _, after check) { w.accept(after) }},
		"switches later":         {half: func(w *wire, _, after check) { w.accept(after) }},
		"learns the new one, then forgets the old one": {
			rotated: func(w *wire, before, after check) { w.accept(before, after) },
			half:    func(w *wire, _, after check) { w.accept(after) },
		},
	} {
		for scheme, of := range schemes {
			for store, open := range harness.Stores() {
				t.Run(name+"/"+scheme+"/"+store, func(t *testing.T) {
					t.Parallel()
					w := newWire(t, open(t))
					before, err := of(w.hook.Secret.Reveal())
					require.NoError(t, err)
					w.accept(before)
					var after check
					rotated := make(chan struct{})
					w.publish(events, map[int64]func(){
						events / 4: func() {
							fresh, err := w.svc.Rotate(t.Context(), harness.Merchant, w.hook.Webhook.ID, time.Hour)
							if err != nil {
								t.Error(err)
								return
							}
							if after, err = of(fresh.Secret.Reveal()); err != nil {
								t.Error(err)
							}
							if c.rotated != nil {
								c.rotated(w, before, after)
							}
							close(rotated)
						},
						events / 2: func() {
							<-rotated
							if c.half != nil {
								c.half(w, before, after)
							}
						},
					})
					if c.keeps && scheme != "guide" {
						require.Equal(t, int64(events), w.received.Load(), "asked once for each")
					}
				})
			}
		}
	}
}

// A receiver that has the new secret before the first event hears of the old one
// in the header that lists both only, and of nothing twice.
func TestNewSecretFromTheStart(t *testing.T) {
	t.Parallel()
	for scheme, of := range schemes {
		for store, open := range harness.Stores() {
			t.Run(scheme+"/"+store, func(t *testing.T) {
				t.Parallel()
				w := newWire(t, open(t))
				fresh, err := w.svc.Rotate(t.Context(), harness.Merchant, w.hook.Webhook.ID, time.Hour)
				require.NoError(t, err)
				after, err := of(fresh.Secret.Reveal())
				require.NoError(t, err)
				w.accept(after)
				w.publish(60, nil)
				require.Equal(t, int64(60), w.received.Load())
			})
		}
	}
}

// From the moment at which the grace ends, nothing is signed with the old secret.
func TestOldSecretEndsWithItsGrace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, nil)
		old := r.Register(event.TypeDocumentCreated)
		fresh, err := r.Svc.Rotate(t.Context(), harness.Merchant, old.Webhook.ID, time.Hour)
		require.NoError(t, err)
		oldSigner, err := signer.New(old.Secret)
		require.NoError(t, err)
		r.Endpoint.Set(harness.Always(http.StatusUnauthorized)) // It has neither.
		// signed counts the requests that the old secret has signed, in either header.
		signed := func() (guide, standard int) {
			r.Publish()
			before := r.Endpoint.Count()
			synctest.Wait()
			for _, c := range r.Endpoint.Seen()[before:] {
				if oldSigner.Verify([]byte(c.Body), c.Header.Get(signer.HeaderSignature)) {
					guide++
				}
				if oldSigner.VerifyStandard(c.Header.Get(signer.HeaderStandardID), c.At, []byte(c.Body), c.Header.Get(signer.HeaderStandardSignature)) {
					standard++
				}
			}
			return guide, standard
		}
		harness.Pass(time.Hour - time.Millisecond)
		guide, standard := signed()
		require.Equal(t, []int{1, 3}, []int{guide, standard}, "all three requests of the attempt list it, one is signed with it")
		time.Sleep(time.Millisecond)
		guide, standard = signed()
		require.Equal(t, []int{0, 0}, []int{guide, standard})
		harness.Pass(24 * time.Hour) // Retries of what was published within the grace, too.
		for _, c := range r.Endpoint.Seen()[3:] {
			require.False(t, oldSigner.Verify([]byte(c.Body), c.Header.Get(signer.HeaderSignature)))
			require.NotContains(t, c.Header.Get(signer.HeaderStandardSignature), " ")
		}
		r.Endpoint.Set(harness.Knows(t, fresh.Secret))
		r.Publish()
		synctest.Wait()
		require.Equal(t, http.StatusOK, lastStatus(r, old.Webhook.ID))
		r.Close()
	})
}

// lastStatus is what the youngest delivery of a webhook was answered.
func lastStatus(r *harness.Rig, webhookID string) int {
	r.T.Helper()
	page, err := r.Svc.Deliveries(r.T.Context(), harness.Merchant, webhookID, webhook.DeliveryQuery{Limit: 1})
	require.NoError(r.T, err)
	require.Len(r.T, page.Deliveries, 1)
	return page.Deliveries[0].StatusCode
}
