package webhook

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/rag-assistant/webhooks/store"
)

type actorKey struct{}

// WithActor returns a context whose changes of webhooks are kept as made by actor: a
// login, say, or the name of a program. The management API and the portal set it from
// [Principal].Subject. Of a longer one, the first 128 bytes count; control characters and
// what is no UTF-8 are left out.
func WithActor(ctx context.Context, actor string) context.Context {
	actor = strings.ToValidUTF8(actor[:min(len(actor), maxActor)], "")
	return context.WithValue(ctx, actorKey{}, strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, actor))
}

const maxActor = 128

// Actor returns who a context's changes are made by, empty if nobody has said.
func Actor(ctx context.Context) string {
	actor, _ := ctx.Value(actorKey{}).(string)
	return actor
}

// ActorProbe is the actor of a webhook that a probe has enabled: see
// [DispatcherOptions].Probe.
const ActorProbe = "probe"

// Change is one entry of what happened to a webhook: its registration, a change of it, or
// that its failures disabled it.
type Change struct {
	At      time.Time // by the store's clock
	Version int64     // of the webhook, after it; 1 is the registration
	Actor   string    // see [WithActor]; empty if nobody said, or failures did it
	Status  Status    // after it
	Reason  Reason    // why it is disabled, after it

	// Fields names what changed: url, events, status, encoding, secret, headers,
	// description, metadata or rateLimit. Empty in a registration.
	Fields []string

	// URL and Events are given by a registration and by a change of them.
	URL    string
	Events []string
}

// MaxChanges is how many changes of a webhook are kept, the last ones.
const MaxChanges = store.MaxChanges

// Changes lists what happened to a webhook, newest first: the last 100 changes. It holds no
// secret and no value of a header.
func (s *Service) Changes(ctx context.Context, merchantID, webhookID string) ([]Change, error) {
	if err := checkIDs(merchantID, webhookID); err != nil {
		return nil, err
	}
	got, err := s.store.Changes(ctx, merchantID, webhookID)
	if err != nil {
		return nil, fmt.Errorf("webhook: list changes: %w", err)
	}
	out := make([]Change, len(got))
	for i, c := range got {
		out[i] = newChange(c)
	}
	return out, nil
}

func newChange(c store.Change) Change {
	return Change{
		At: c.At, Version: c.Version, Actor: c.By, Status: Status(c.Status), Reason: Reason(c.Reason),
		Fields: c.Fields, URL: c.URL, Events: c.Events,
	}
}
