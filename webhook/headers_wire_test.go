package webhook_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// dumped keeps requests as HTTP/1.1 writes them.
type dumped struct{ bytes.Buffer }

func (w *dumped) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Write(w); err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Body: io.NopCloser(strings.NewReader("OK"))}, nil
}

// TestRequestIsTheGolden compares every byte of a request, but for the two ids that are
// drawn at random, with one of the time when nothing of it could be chosen.
func TestRequestIsTheGolden(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out dumped
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{Transport: &out})
		defer r.Close()
		secret, err := signer.ParseSecret("whsec_xyz789abc123def456ghi789jkl012mno345")
		require.NoError(t, err)
		in := harness.Registration()
		in.Secret, in.Headers = secret, webhook.Headers{"Authorization": "Bearer theirs"}
		reg, err := r.Svc.Register(t.Context(), harness.Merchant, in)
		require.NoError(t, err)
		p, err := r.Svc.Publish(t.Context(), harness.Merchant, event.Event{
			ID: "evt_1", Type: event.TypeDocumentCreated, Created: time.Now(), Data: event.DocumentCreated{DocumentID: "doc_1", Title: "Café <b>"},
		})
		require.NoError(t, err)
		synctest.Wait()
		want, err := os.ReadFile("testdata/request.golden")
		require.NoError(t, err)
		got := strings.NewReplacer(reg.Webhook.ID, "WEBHOOK", p.Deliveries[0].ID, "DELIVERY", "\r\n", "\n").Replace(out.String())
		require.Equal(t, string(want), got+"\n")
	})
}

// acme is a sender that was made at home before.
var acme = signer.Wire{
	Prefix: "X-Acme-", DeliveryID: "Acme-Try", Untimed: signer.Untimed{NoPrefix: true, Base64: true}, UserAgent: "Acme-Webhooks/1.0",
}

func TestWiresAreSent(t *testing.T) {
	t.Parallel()
	standard := "Content-Type User-Agent webhook-id webhook-signature webhook-timestamp"
	for _, tt := range []struct {
		name  string
		wire  signer.Wire
		keys  string // as they are spelled, sorted
		agent string
	}{
		{"zero", signer.Wire{}, "Content-Type User-Agent X-Webhook-Delivery-ID X-Webhook-Event X-Webhook-ID X-Webhook-Signature webhook-id webhook-signature webhook-timestamp", signer.DefaultUserAgent},
		{"acme", acme, "Acme-Try Content-Type User-Agent X-Acme-Event X-Acme-ID X-Acme-Signature webhook-id webhook-signature webhook-timestamp", "Acme-Webhooks/1.0"},
		{"without the untimed signature", signer.Wire{OmitUntimed: true, Event: "x-TYPE"}, "Content-Type User-Agent X-Webhook-Delivery-ID X-Webhook-ID webhook-id webhook-signature webhook-timestamp x-TYPE", signer.DefaultUserAgent},
		{"standard alone", signer.Wire{StandardOnly: true}, standard, "Webhooks/1.0"},
		{"svix", signer.Wire{StandardOnly: true, Svix: true}, "Content-Type User-Agent svix-id svix-signature svix-timestamp webhook-id webhook-signature webhook-timestamp", "Webhooks/1.0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				out := &wired{Endpoint: &harness.Endpoint{}}
				r := harness.NewRig(t, nil, &webhook.DispatcherOptions{Transport: out, Wire: tt.wire})
				defer r.Close()
				require.Equal(t, tt.wire.WithDefaults(), r.Svc.Wire())
				reg := r.Register(event.TypeDocumentCreated)
				p := r.Publish()
				synctest.Wait()
				require.Len(t, out.keys, 1)
				sent := out.keys[0]
				delete(sent, "X-Idempotency-Key") // It is not written: see egress.Post.
				require.Equal(t, tt.keys, strings.Join(slices.Sorted(maps.Keys(sent)), " "))
				require.Equal(t, tt.agent, sent["User-Agent"][0])
				names := tt.wire.WithDefaults()
				for name, want := range map[string]string{names.Event: "document.created", names.WebhookID: reg.Webhook.ID, names.DeliveryID: p.Deliveries[0].ID} {
					if name != "" {
						require.Equal(t, want, sent[name][0])
					}
				}
				if tt.wire.Svix {
					for _, name := range []string{"id", "timestamp", "signature"} {
						require.Equal(t, sent["webhook-"+name], sent["svix-"+name])
					}
				}
				d := r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID)
				var kept []string
				for _, f := range d.Log[0].Exchange.Request {
					require.False(t, f.Hidden, "%s is no secret of the webhook's", f.Name)
					kept = append(kept, f.Name)
				}
				slices.Sort(kept)
				require.Equal(t, tt.keys, strings.Join(kept, " "))
			})
		})
	}
}

// drawWire makes a wire of names and forms that may be.
func drawWire(r *rand.Rand) signer.Wire {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	yes := func(n int) bool { return r.IntN(n) == 0 }
	return signer.Wire{
		Prefix: pick("", "", "X-Acme-", "x-", "Shop", "A-"), Signature: pick("", "", "X-Signed", "hmac"), Event: pick("", "", "Kind"),
		WebhookID: pick("", "Hook"), DeliveryID: pick("", "try-ID"),
		Untimed:     signer.Untimed{Prefix: pick("", "v0=", "sha256:"), NoPrefix: yes(3), Base64: yes(2), DecodedKey: yes(2)},
		OmitUntimed: yes(4), StandardOnly: yes(6), Svix: yes(3), UserAgent: pick("", "Acme (1.0)"),
	}
}

// TestWiresAgree draws wires. What one sends, a receiver with the same one verifies in
// both ways, and a receiver with another one does not find the untimed signature in it.
func TestWiresAgree(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 150 {
		wire, other := drawWire(random), drawWire(random)
		t.Run(fmt.Sprintf("%+v", wire), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { checkAgreement(t, wire, other) })
		})
	}
}

func checkAgreement(t *testing.T, wire, other signer.Wire) {
	t.Helper()
	r := harness.NewRig(t, nil, &webhook.DispatcherOptions{Wire: wire})
	defer r.Close()
	reg := r.Register(event.TypeDocumentCreated)
	r.Publish()
	synctest.Wait()
	c := r.Endpoint.Seen()[0]
	accepts := func(w signer.Wire, untimed bool, header http.Header) error {
		v, err := verifier.New(reg.Secret.Reveal(), &verifier.Options{Wire: w, AcceptUntimed: untimed})
		require.NoError(t, err)
		_, err = v.Verify(header, []byte(c.Body))
		return err
	}
	require.NoError(t, accepts(wire, false, c.Header))

	alone := c.Header.Clone()
	maps.DeleteFunc(alone, func(name string, _ []string) bool {
		return strings.HasPrefix(name, "Webhook-") || strings.HasPrefix(name, "Svix-")
	})
	own, others := wire.WithDefaults(), other.WithDefaults()
	if own.Signature == "" {
		require.ErrorIs(t, accepts(wire, false, alone), verifier.ErrMissingSignature)
		return
	}
	require.ErrorIs(t, accepts(wire, false, alone), verifier.ErrMissingSignature)
	require.NoError(t, accepts(wire, true, alone))
	if others.Signature == "" {
		require.ErrorIs(t, accepts(other, false, alone), verifier.ErrMissingSignature)
		return
	}
	form := func(w signer.Wire) string { // NoPrefix is an empty Prefix then.
		return fmt.Sprintln(w.Signature, w.Untimed.Prefix, w.Untimed.Base64, w.Untimed.DecodedKey)
	}
	if form(own) != form(others) {
		require.Error(t, accepts(other, true, alone))
	}
}

// Headers of the wire's own are no webhook's to choose, however they are written. Others of
// its prefix are: a webhook may have had them before the wire had the prefix.
func TestWireReservesItsNames(t *testing.T) {
	t.Parallel()
	reserved := []string{"X-Acme-Signature", "x_acme_id", "X.Acme.Event", "acme_try", "X-Webhook-Anything", "svix-id", "Svix_Signature"}
	free := []string{"X-Acme-Tenant", "X-Acme-Delivery-ID", "Svix-App", "X-Acm", "Acme", "X-Acme", "X-Api-Key", "Acme-Try-2"}
	wire := acme
	wire.Svix = true
	synctest.Test(t, func(t *testing.T) {
		out := &wired{Endpoint: &harness.Endpoint{}}
		added := map[string]string{}
		for _, name := range append(slices.Clone(reserved), free...) {
			added[name] = "added"
		}
		r := harness.NewRig(t, nil, &webhook.DispatcherOptions{
			Transport: out, Wire: wire,
			RequestHeaders: func(context.Context, webhook.AttemptInfo) map[string]string { return added },
		})
		defer r.Close()
		for _, name := range reserved {
			in := harness.Registration()
			in.Headers = webhook.Headers{name: "mine"}
			_, err := r.Svc.Register(t.Context(), harness.Merchant, in)
			require.Contains(t, fmt.Sprint(fields(t, err)), "set by the sender", name)
		}
		in := harness.Registration()
		in.Headers = webhook.Headers{}
		for _, name := range free {
			in.Headers[name] = "mine"
		}
		reg, err := r.Svc.Register(t.Context(), harness.Merchant, in)
		require.NoError(t, err)
		// What the store has from a time with another wire is left out.
		sealed := "X_Acme_Id,X-Good:v0.stored\nstored"
		_, err = r.Store.UpdateWebhook(t.Context(), harness.Merchant, reg.Webhook.ID, store.WebhookUpdate{Headers: &sealed})
		require.NoError(t, err)
		r.Publish()
		synctest.Wait()
		var got []string
		for name, values := range out.keys[0] {
			if len(values) == 1 && (values[0] == "added" || values[0] == "stored") {
				got = append(got, name)
			}
		}
		require.ElementsMatch(t, append(slices.Clone(free), "X-Good"), got)
	})
}

// A prefix leaves webhooks their headers, but for those that are sent.
func TestWireLeavesItsPrefix(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"X-", "Auth"} {
		svc, _ := harness.NewService(t, &webhook.ServiceOptions{Wire: signer.Wire{Prefix: prefix}})
		in := harness.Registration()
		in.Headers = webhook.Headers{"X-Api-Key": "1", "Authorization": "2"}
		_, err := svc.Register(t.Context(), harness.Merchant, in)
		require.NoError(t, err)
		in.Headers = webhook.Headers{prefix + "signature": "1"}
		_, err = svc.Register(t.Context(), harness.Merchant, in)
		require.ErrorIs(t, err, webhook.ErrInvalid)
	}
}

// TestSecondPost rotates, and counts what a receiver gets that refuses everything. The
// list of Standard Webhooks has both signatures, so to post again says nothing new.
func TestSecondPost(t *testing.T) {
	t.Parallel()
	asymmetric := func(t *testing.T, r *harness.Rig) webhook.Registered {
		t.Helper()
		return harness.RegisterAsymmetric(t, r.Svc)
	}
	secret := func(_ *testing.T, r *harness.Rig) webhook.Registered { return r.Register(event.TypeDocumentCreated) }
	for _, tt := range []struct {
		name     string
		wire     signer.Wire
		register func(*testing.T, *harness.Rig) webhook.Registered
		posts    int
		late     int // if the rotation comes while the first post is on its way
	}{
		{"zero", signer.Wire{}, secret, 3, 2},
		{"acme", acme, secret, 3, 2},
		{"without the untimed signature", signer.Wire{OmitUntimed: true}, secret, 1, 2},
		{"standard alone", signer.Wire{StandardOnly: true}, secret, 1, 2},
		{"a pair of keys", signer.Wire{}, asymmetric, 1, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := harness.NewRig(t, nil, &webhook.DispatcherOptions{Wire: tt.wire})
				defer r.Close()
				hook := tt.register(t, r).Webhook
				refuse := func(first func()) int {
					before := r.Endpoint.Count()
					r.Endpoint.Set(func(harness.Call) (harness.Answer, error) {
						if first != nil && r.Endpoint.Count() == before+1 {
							first()
						}
						return harness.Reply(http.StatusUnauthorized, ""), nil
					})
					r.Publish()
					synctest.Wait()
					return r.Endpoint.Count() - before
				}
				rotate := func() {
					_, err := r.Svc.Rotate(t.Context(), harness.Merchant, hook.ID, time.Hour)
					require.NoError(t, err)
				}
				require.Equal(t, 1, refuse(nil), "there is one key")
				require.Equal(t, tt.late, refuse(rotate), "one key at first")
				require.Equal(t, tt.posts, refuse(nil), "two keys")
			})
		})
	}
}
