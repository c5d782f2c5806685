package webhook_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

func TestSubscribeToPatterns(t *testing.T) {
	t.Parallel()
	catalog, err := event.DefaultCatalog().With(event.Entry{Type: "order.line.added"}, event.Entry{Type: "order"}, event.Entry{Type: "audit.dump", Frequency: event.Manual})
	require.NoError(t, err)
	svc, _ := harness.NewService(t, &webhook.ServiceOptions{Catalog: catalog})
	const nothing = "takes in no event type that can be subscribed to"
	tests := map[string]struct {
		events, want []string
		fault        string // of the last one
	}{
		"one":                           {[]string{"document.*"}, []string{"document.*"}, ""},
		"at any depth":                  {[]string{"order.*", "order.line.*"}, []string{"order.*", "order.line.*"}, ""},
		"twice":                         {[]string{"document.*", "order.*", "document.*"}, []string{"document.*", "order.*"}, ""},
		"beside a type that it fits":    {[]string{"document.created", "document.*"}, []string{"document.created", "document.*"}, ""},
		"of nothing":                    {[]string{"document.*", "invoice.*"}, nil, nothing},
		"of a whole type":               {[]string{"document.created.*"}, nil, nothing},
		"of what is sent on request":    {[]string{"audit.*"}, nil, nothing},
		"of part of a word":             {[]string{"doc.*"}, nil, nothing},
		"a star within a word":          {[]string{"document.cr*"}, nil, "is not in the catalog of event types"},
		"a star for the first word":     {[]string{"*.created"}, nil, "is not in the catalog of event types"},
		"two stars":                     {[]string{"order.*.*"}, nil, nothing},
		"no words":                      {[]string{".*"}, nil, nothing},
		"everything beside a pattern":   {[]string{"document.*", "*"}, nil, `"*" takes in every type and must stand alone`},
		"a type with other letters":     {[]string{"Document.*"}, nil, nothing},
		"a type before its own pattern": {[]string{"order", "order.*"}, []string{"order", "order.*"}, ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reg, err := svc.Register(t.Context(), harness.Merchant, webhook.Registration{URL: "https://example.com/", Events: tt.events})
			if tt.fault == "" {
				require.NoError(t, err)
				require.Equal(t, tt.want, reg.Webhook.Events)
				return
			}
			var refused *webhook.InvalidError
			require.ErrorAs(t, err, &refused)
			require.Len(t, refused.Faults, 1)
			require.Equal(t, tt.fault, refused.Faults[0].Message)
		})
	}
}

// TestPatternsOfAWebhook follows one that has changed its patterns: each event has one
// delivery or none, Why knows the reason, and a replay looks for the same events.
func TestPatternsOfAWebhook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, memstore.New(nil), nil)
		defer r.Close()
		r.Endpoint.Set(harness.Always(http.StatusOK))
		id := r.Register("usage.*").Webhook.ID
		before := r.Publish()
		require.Empty(t, before.Deliveries)
		harness.Pass(time.Second)
		change(r, id, webhook.Update{Events: []string{"document.created", "document.*", "usage.limit.*"}})
		harness.Pass(time.Second)
		require.Len(t, r.Publish().Deliveries, 1, "three fit, or one of them")
		harness.Pass(time.Second)
		require.Equal(t, 1, r.Endpoint.Count())

		got, err := r.Svc.Why(t.Context(), harness.Merchant, before.EventID)
		require.NoError(t, err)
		require.Equal(t, webhook.FateNotSubscribed, got.Verdicts[0].Fate)
		counted, err := r.Svc.Replay(t.Context(), harness.Merchant, id, webhook.Replay{Missed: true, DryRun: true})
		require.NoError(t, err)
		require.Equal(t, 1, counted.Deliveries, "by what it subscribes to now")
	})
}
