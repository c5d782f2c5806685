package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// exportedTypes names the exported types of the package in a directory.
func exportedTypes(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	notTest := func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }
	//nolint:staticcheck // SA1019: these packages have no build tags, which is what ParseDir leaves out.
	packages, err := parser.ParseDir(token.NewFileSet(), dir, notTest, parser.SkipObjectResolution)
	require.NoError(t, err)
	for name, p := range packages {
		for _, file := range p.Files {
			for _, d := range file.Decls {
				g, ok := d.(*ast.GenDecl)
				if !ok {
					continue
				}
				for _, s := range g.Specs {
					if spec, ok := s.(*ast.TypeSpec); ok && spec.Name.IsExported() {
						out = append(out, name+"."+spec.Name.Name)
					}
				}
			}
		}
	}
	return out
}

// touched is a value of each exported type, as it is after it had to do with
// secrets. Service and Dispatcher have the key if sealed is true, otherwise their
// store, which is in memory, has the secrets as they are.
func touched(t *testing.T, l *leaks, sealed bool) map[string]any {
	t.Helper()
	ctx, st, key := t.Context(), memstore.New(nil), harness.RandomKey("k1")
	l.addKey(key)
	keys := []webhook.SecretKey{key}
	seen := make(chan any, 100)
	observer := webhook.Observer{
		Published: func(_ context.Context, i webhook.PublishedInfo) { seen <- i },
		Attempted: func(_ context.Context, i webhook.AttemptInfo) { seen <- i },
		Settled:   func(_ context.Context, i webhook.SettledInfo) { seen <- i },
	}
	serviceOptions := webhook.ServiceOptions{SecretKeys: keys, Observer: observer}
	notices := make(chan webhook.Notice, 1)
	answered := harness.Always(http.StatusInternalServerError)
	dispatcherOptions := webhook.DispatcherOptions{
		SecretKeys: keys, Observer: observer, DisableAfter: 1, Transport: &harness.Endpoint{Answer: answered},
		OnNotice: func(_ context.Context, n webhook.Notice) error {
			notices <- n
			return nil
		},
	}
	dispatcherOptions.Retry.MaxAttempts = 1
	handlerOptions := api.Options{EnablePublish: true}
	usedByService, usedByDispatcher := serviceOptions, dispatcherOptions
	if !sealed {
		usedByService.SecretKeys, usedByDispatcher.SecretKeys = nil, nil
	}
	svc, err := webhook.NewService(st, &usedByService)
	require.NoError(t, err)
	disp, err := webhook.NewDispatcher(st, &usedByDispatcher)
	require.NoError(t, err)
	var auth webhook.AuthenticateFunc = bearer
	h, err := api.New(svc, auth, &handlerOptions)
	require.NoError(t, err)

	registration := webhook.Registration{URL: "https://example.com/", Events: []string{"*"}}
	first, err := svc.Register(ctx, harness.Merchant, registration)
	require.NoError(t, err)
	registered, err := svc.Rotate(ctx, harness.Merchant, first.Webhook.ID, time.Hour)
	require.NoError(t, err)
	l.addSecret(first.Secret)
	l.addSecret(registered.Secret)
	publication, err := svc.Publish(ctx, harness.Merchant, event.New(event.DocumentCreated{DocumentID: "doc_1"}))
	require.NoError(t, err)

	running, stop := context.WithCancel(ctx)
	stopped := make(chan error, 1)
	go func() { stopped <- disp.Run(running) }()
	notice := harness.Receive(t, notices)
	stop()
	require.NoError(t, harness.Receive(t, stopped))
	infos := map[reflect.Type]any{}
	for range 3 {
		i := harness.Receive(t, seen)
		infos[reflect.TypeOf(i)] = i
	}
	detail, err := svc.Delivery(ctx, harness.Merchant, first.Webhook.ID, publication.Deliveries[0].ID)
	require.NoError(t, err)
	require.Len(t, detail.Log, 1)
	page, err := svc.Webhooks(ctx, harness.Merchant, webhook.WebhookQuery{})
	require.NoError(t, err)
	log, err := svc.Deliveries(ctx, harness.Merchant, first.Webhook.ID, webhook.DeliveryQuery{Limit: 10})
	require.NoError(t, err)
	stats, err := svc.Stats(ctx, harness.Merchant, first.Webhook.ID)
	require.NoError(t, err)
	events, err := svc.Events(ctx, harness.Merchant, webhook.EventQuery{Limit: 10})
	require.NoError(t, err)
	why, err := svc.Event(ctx, harness.Merchant, publication.EventID)
	require.NoError(t, err)
	changes, err := svc.Changes(ctx, harness.Merchant, first.Webhook.ID)
	require.NoError(t, err)
	detection := webhook.Detection{
		Receiver: webhook.FoundOpen, Probes: []webhook.Probe{{Sent: webhook.ProbeForged, Delivery: detail.Delivery}},
	}
	_, err = svc.Register(ctx, harness.Merchant, webhook.Registration{URL: registered.Secret.Reveal(), Events: []string{registered.Secret.Reveal()}})
	var refused *webhook.InvalidError
	require.ErrorAs(t, err, &refused)

	s, err := signer.New(registered.Secret, first.Secret)
	require.NoError(t, err)
	private := signer.NewPrivateKey()
	l.addPrivateKey(private)
	asymmetric, err := signer.NewAsymmetric(private)
	require.NoError(t, err)
	s = s.Join(asymmetric)
	verifierOptions := verifier.Options{OtherSecrets: []string{first.Secret.Reveal()}, PublicKeys: []string{private.Public().String()}}
	v, err := verifier.New(registered.Secret.Reveal(), &verifierOptions)
	require.NoError(t, err)

	var checker verifier.Checker = v
	var asService webhook.ServiceStore = st
	var asDispatch webhook.DispatchStore = st
	return map[string]any{
		"signer.Secret": registered.Secret, "signer.PrivateKey": private, "signer.PublicKey": private.Public(), "signer.Signer": s,
		"signer.Wire": signer.Wire{}, "signer.Untimed": signer.Untimed{},
		"verifier.Options": verifierOptions, "verifier.Verifier": v, "verifier.Checker": &checker,
		"verifier.Challenger": struct{ verifier.Challenger }{},
		"verifier.Finder":     verifier.Finder(func(*http.Request) (string, verifier.Checker, error) { return "", v, nil }),
		"verifier.Message":    verifier.Message{Body: []byte("{}")},
		"webhook.Service":     svc, "webhook.Dispatcher": disp, "api.Handler": h,
		"webhook.ServiceStore": &asService, "webhook.DispatchStore": &asDispatch, "webhook.AuthenticateFunc": auth,
		"webhook.ServiceOptions": serviceOptions, "webhook.DispatcherOptions": dispatcherOptions, "api.Options": handlerOptions,
		"webhook.Retention": dispatcherOptions.Retention, "webhook.Limits": serviceOptions.Limits, "webhook.Observer": observer,
		"webhook.SecretKey": key, "webhook.Principal": webhook.Principal{MerchantID: harness.Merchant},
		"webhook.RateLimitFunc":    webhook.RateLimitFunc(func(context.Context, webhook.RateLimitRequest) (time.Duration, error) { return 0, nil }),
		"webhook.RateLimitRequest": webhook.RateLimitRequest{MerchantID: harness.Merchant},
		"webhook.PublishingInfo":   webhook.PublishingInfo{}, "webhook.RequestHeadersFunc": webhook.RequestHeadersFunc(func(context.Context, webhook.AttemptInfo) map[string]string { return nil }),
		"webhook.PublishedInfo": infos[reflect.TypeFor[webhook.PublishedInfo]()],
		"webhook.TroubleInfo":   webhook.TroubleInfo{},
		"webhook.AttemptInfo":   infos[reflect.TypeFor[webhook.AttemptInfo]()],
		"webhook.SettledInfo":   infos[reflect.TypeFor[webhook.SettledInfo]()],
		"webhook.InvalidError":  refused, "webhook.Fault": refused.Faults[0], "webhook.FaultKind": refused.Faults[0].Kind,
		"webhook.Headers":      webhook.Headers{"X-Tenant": "42"}, // its own tests say how it prints
		"webhook.Registration": registration, "webhook.Registered": registered, "webhook.Update": webhook.Update{URL: new("https://example.com/")},
		"webhook.Webhook": registered.Webhook, "webhook.Status": registered.Webhook.Status, "webhook.Encoding": registered.Webhook.Encoding,
		"webhook.WebhookQuery": webhook.WebhookQuery{}, "webhook.Code": webhook.CodeStatus, "webhook.Reason": webhook.ReasonFailures, "webhook.OnceOptions": webhook.OnceOptions{}, "webhook.WebhookPage": page, "webhook.Replayed": webhook.Replayed{}, "webhook.Cancelled": webhook.Cancelled{}, "webhook.ReplayJob": webhook.ReplayJob{}, "webhook.ReplayingError": webhook.ReplayingError{}, "webhook.ReplayPage": webhook.ReplayPage{}, "webhook.ReplayQuery": webhook.ReplayQuery{}, "webhook.ReplayStatus": webhook.ReplayDone, "webhook.PublishedDelivery": publication.Deliveries[0], "webhook.Publication": publication, "webhook.Replay": webhook.Replay{},
		"webhook.Delivery": detail.Delivery, "webhook.DeliveryDetail": detail, "webhook.DeliveryStatus": detail.Status,
		"webhook.DeliveryQuery": webhook.DeliveryQuery{}, "webhook.DeliveryPage": log, "webhook.Attempt": detail.Log[0],
		"webhook.Scheme": registered.Webhook.Signature, "webhook.Detection": detection, "webhook.ReceiverKind": detection.Receiver,
		"webhook.Probe": detection.Probes[0], "webhook.ProbeBody": detection.Probes[0].Sent,
		"webhook.Stats": stats, "webhook.Notice": notice, "webhook.NoticeKind": notice.Kind,
		"webhook.Health":     webhook.Health{Notes: []string{"the store does not answer"}},
		"webhook.NoticeFunc": dispatcherOptions.OnNotice,
		"webhook.EventQuery": webhook.EventQuery{}, "webhook.EventPage": events, "webhook.EventRecord": events.Events[0],
		"webhook.EventDetail": why, "webhook.Verdict": why.Verdicts[0], "webhook.Fate": why.Verdicts[0].Fate, "webhook.Wait": webhook.WaitTurn,
		"webhook.Explanation": webhook.Explanation{Text: why.Text, Verdicts: why.Verdicts}, "webhook.Change": changes[0],
		"webhook.Condition": registered.Webhook.Condition(),
		"webhook.Exchange":  detail.Log[0].Exchange, "webhook.HeaderField": detail.Log[0].Exchange.Request[0],
		"webhook.DeliverFunc": webhook.DeliverFunc(func(context.Context, webhook.Handed) webhook.Taken { return webhook.Taken{} }),
		"webhook.Handed":      webhook.Handed{Body: []byte("{}")}, "webhook.Taken": webhook.Taken{},
		"webhook.JobFunc":   webhook.JobFunc(func(context.Context, store.Job) (store.JobUpdate, error) { return store.JobUpdate{}, nil }),
		"webhook.WaitError": &webhook.WaitError{Err: webhook.ErrKeys, Wait: time.Minute},
	}
}

// No exported type shows a secret, whatever prints it.
func TestNoTypeShowsSecrets(t *testing.T) {
	t.Parallel()
	var types []string
	for _, dir := range []string{".", "..", "../../signer", "../../verifier"} {
		types = append(types, exportedTypes(t, dir)...)
	}
	for name, sealed := range map[string]bool{"plain": false, "sealed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLeaks()
			values := touched(t, l, sealed)
			require.ElementsMatch(t, types, slices.Collect(maps.Keys(values)), "there is a value of each exported type")
			for name, v := range values {
				require.NotNil(t, v, name)
				if !sealed && strings.HasSuffix(name, "Store") {
					continue // It is this process's memory.
				}
				requireHidden(t, l, name, v)
				// What walks through pointers, as the diff of a failed test does, gets as
				// far as the store.
				if sealed && !slices.Contains(handedOver(), name) {
					require.Empty(t, l.find(harness.Dump(v)), name)
				}
			}
		})
	}
}

// handedOver lists the types in which a host hands secrets over. As the value of
// an unexported field, whose methods fmt does not see, they show them: see "What
// the host must do" in docs/security.md.
func handedOver() []string {
	return []string{"webhook.SecretKey", "webhook.ServiceOptions", "webhook.DispatcherOptions", "verifier.Options"}
}

// requireHidden prints v in every way.
func requireHidden(t *testing.T, l *leaks, name string, v any) {
	t.Helper()
	pointer := reflect.New(reflect.TypeOf(v))
	pointer.Elem().Set(reflect.ValueOf(v))
	holders := []any{v, pointer.Interface(), []any{v}, map[string]any{"k": v}, struct{ V any }{v}}
	if !slices.Contains(handedOver(), name) {
		holders = append(holders, struct{ v any }{v})
	}
	if e := reflect.ValueOf(v); e.Kind() == reflect.Pointer {
		holders = append(holders, e.Elem().Interface())
	}
	for i, holder := range holders {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%T"} {
			require.Empty(t, l.find(fmt.Sprintf(verb, holder)), "%s in holder %d by %s", name, i, verb)
		}
		text, err := json.Marshal(holder) // Some have fields that JSON cannot carry.
		require.Empty(t, l.find(fmt.Sprint(string(text), err)), "%s in holder %d as JSON", name, i)
		var logged strings.Builder
		for _, h := range []slog.Handler{slog.NewTextHandler(&logged, nil), slog.NewJSONHandler(&logged, nil)} {
			slog.New(h).LogAttrs(t.Context(), slog.LevelInfo, "value", slog.Any("v", holder))
		}
		require.Empty(t, l.find(logged.String()), "%s in holder %d in a log", name, i)
	}
}
