package portal_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/portal"
)

// tour looks at every page in every state that it can have.
type tour struct {
	t     *testing.T
	opts  portal.Options // of every portal
	shots []shot
}

// shot is a page as it came back.
type shot struct {
	name string
	page
}

// open returns a site of the tour. A nil wrap leaves the store as it is.
func (v *tour) open(o *webhook.ServiceOptions, wrap func(*memstore.Store) webhook.ServiceStore) *site {
	v.t.Helper()
	s := newSite(v.t, nil)
	var used webhook.ServiceStore = s.store
	if wrap != nil {
		used = wrap(s.store)
	}
	var err error
	s.svc, err = webhook.NewService(used, o)
	require.NoError(v.t, err)
	v.mount(s, v.opts)
	return s
}

func (v *tour) mount(s *site, o portal.Options) {
	v.t.Helper()
	pages, err := portal.New(s.svc, login, &o)
	require.NoError(v.t, err)
	s.mux = http.NewServeMux()
	s.mux.Handle(mount+"/", http.StripPrefix(mount, pages))
}

// see asks for a page, as do does, and keeps it.
func (v *tour) see(s *site, name, at string, form url.Values, header ...string) page {
	v.t.Helper()
	p := s.do(at, form, header...)
	v.shots = append(v.shots, shot{name, p})
	return p
}

// walk goes through everything.
func (v *tour) walk() {
	for _, scene := range []func(){
		v.beginnings, v.forms, v.secrets, v.one, v.detections, v.deliveries, v.causes, v.events, v.fates, v.replays,
		v.operators, v.searches, v.jobs, v.damages, v.lost, v.refusals, v.conflicts,
	} {
		scene()
	}
}

func (v *tour) beginnings() {
	s := v.open(nil, nil)
	v.see(s, "no webhooks", "/", nil)
	v.see(s, "no webhooks for a reader", "/", nil, "As", merchant+" webhooks:read")
	v.see(s, "no active webhooks", "/?show=active", nil)
	v.see(s, "no events", "/events", nil)
	v.see(s, "no event like that", "/events?type=document.created", nil)
	v.see(s, "catalog", "/catalog", nil)
	v.see(s, "choose", "/", nil, "As", "*")
	v.see(s, "choose again", "/?merchant=a,b", nil, "As", "*")
	for _, done := range []string{
		"saved", "enabled", "disabled", "encoded", "deleted", "tested", "redelivered", "forward", "cancelled",
		"gaveup&n=1", "gaveup&n=1234", "gaveupsome&n=1", "gaveupsome&n=1000", "again", "replaying",
	} {
		v.see(s, "done "+done, "/?done="+done, nil)
	}
	for i := range 21 {
		s.register(merchant, fmt.Sprintf("https://many.example/%02d", i))
	}
	s.hook()
	v.see(s, "many webhooks", "/", nil)
	v.see(s, "more of them", "/?page=2&show=active", nil)
}

func (v *tour) forms() {
	s := v.open(nil, nil)
	v.see(s, "new", "/new", nil)
	v.see(s, "new, all wrong", "/new", filled(s, "url", "ftp://x", "description", strings.Repeat("x", 600), "events", "no.such", "encoding", "utf-16", "rate", "99999",
		"signature", "md5", "header-name", "Host", "header-value", "1", "metadata-key", strings.Repeat("k", 99), "metadata-value", "1"))
	v.see(s, "new, half", "/new", filled(s, "url", "", "events", "", "encoding", "", "rate", "x", "header-name", "A", "header-value", "1", "header-name", "A", "header-value", "2"))
	form := filled(s, "rate", "20", "header-name", "X-Tenant", "header-value", "eu-1", "metadata-key", "team", "metadata-value", "a+b & 'c'")
	v.see(s, "created", "/new", form)
	v.see(s, "created before", "/new", form)
	v.see(s, "created before, for a reader", "/new", form, "As", merchant+" webhooks:write webhooks:read")
	hook := "/webhooks/" + s.all()[0].ID
	v.see(s, "settings", hook, nil)
	v.see(s, "edit", hook+"/edit", nil)
	v.see(s, "edit, wrong", hook+"/edit", edited(s, hook, "url", "https://other.example/in"))
	stale := edited(s, hook, "description", "mine", "headers", "replace")
	theirs, encoding := endpoint+"/theirs", webhook.EncodingASCII
	_, err := s.svc.Update(v.t.Context(), merchant, hookID(hook), webhook.Update{
		URL: &theirs, Encoding: &encoding, Events: []string{"*"}, RateLimit: new(int), Metadata: map[string]string{},
	})
	require.NoError(v.t, err)
	v.see(s, "edit, changed meanwhile", hook+"/edit", stale)
	same := edited(s, hook, "description", "ours")
	ours := "ours"
	_, err = s.svc.Update(v.t.Context(), merchant, hookID(hook), webhook.Update{Description: &ours})
	require.NoError(v.t, err)
	v.see(s, "edit, the same by both", hook+"/edit", same)
	v.see(s, "delete", hook+"/delete", nil)
	v.see(s, "delete, changed meanwhile", hook+"/delete", values("version", "1"))
	catalog, err := event.DefaultCatalog().With(event.Entry{Type: "order.paid", Description: "An order was paid"})
	require.NoError(v.t, err)
	svc, err := webhook.NewService(s.store, &webhook.ServiceOptions{Catalog: catalog})
	require.NoError(v.t, err)
	_, err = svc.Update(v.t.Context(), merchant, hookID(hook), webhook.Update{Events: []string{"order.paid"}})
	require.NoError(v.t, err)
	v.see(s, "edit, a type that is gone", hook+"/edit", nil)
}

func (v *tour) secrets() {
	s := v.open(nil, nil)
	hook := s.hook()
	v.see(s, "rotate", hook+"/rotate", nil)
	form := values("grace", "24", "token", "form_1")
	v.see(s, "rotated", hook+"/rotate", form)
	v.see(s, "rotated before", hook+"/rotate", form)
	v.see(s, "rotate again", hook+"/rotate", nil)
	v.see(s, "two secrets", hook, nil)
	v.see(s, "rotate too soon", hook+"/rotate", values("grace", "1", "token", "form_2"))
	v.see(s, "rotated at once", hook+"/rotate", values("grace", "0", "token", "form_3"))
	form = filled(s, "signature", "v1a")
	v.see(s, "created with a key", "/new", form)
	for _, w := range s.all() {
		if w.PublicKey != "" {
			hook = "/webhooks/" + w.ID
		}
	}
	v.see(s, "a key", hook, nil)
	v.see(s, "verify with a key", hook+"/verify", nil)
	v.see(s, "rotate a key", hook+"/rotate", nil)
	v.see(s, "key rotated", hook+"/rotate", values("grace", "168", "token", "form_4"))
	v.see(s, "two keys", hook, nil)
}

func (v *tour) one() {
	s := v.open(nil, nil)
	hook := s.hook()
	id := hookID(hook)
	v.see(s, "new webhook", hook, nil)
	v.see(s, "for a reader", hook, nil, "As", merchant+" webhooks:read")
	for _, lang := range []string{"node", "python", "php", "ruby", "go", "java", "csharp", "rust"} {
		v.see(s, "verify "+lang, hook+"/verify?lang="+lang, nil)
	}
	for _, encoding := range []webhook.Encoding{webhook.EncodingHTML, webhook.EncodingASCII} {
		_, err := s.svc.Update(v.t.Context(), merchant, id, webhook.Update{Encoding: &encoding})
		require.NoError(v.t, err)
		v.see(s, "verify "+string(encoding), hook+"/verify", nil)
	}
	v.see(s, "no performance", hook+"/performance", nil)
	v.see(s, "nothing to cancel", hook+"/cancel", nil)
	failing := failure("no")
	failing.Streak, failing.DisableAfter, failing.DisableReason = store.StreakExtend, 3, string(webhook.ReasonFailures)
	for i := range 3 {
		s.happens(fmt.Sprint("evt_", i), map[string]any{"n": i}, "document.created")
		if i == 0 {
			v.see(s, "cancel one", hook+"/cancel", nil)
			v.see(s, "delete with one", hook+"/delete", nil)
			v.see(s, "all pending", hook, nil)
		}
		s.settle(failing)
		v.see(s, fmt.Sprint("failures ", i+1), hook, nil)
		time.Sleep(3 * 24 * time.Hour)
	}
	v.see(s, "list with failures", "/", nil)
	v.see(s, "only disabled ones", "/?show=active", nil)
	active, disabled := webhook.Active, webhook.Disabled
	_, err := s.svc.Update(webhook.WithActor(v.t.Context(), "ada@example.com"), merchant, id, webhook.Update{Status: &active, Headers: webhook.Headers{"A": "b"}})
	require.NoError(v.t, err)
	for range 2 {
		s.happens("evt_x"+time.Now().Format("150405"), map[string]any{}, "document.created")
		time.Sleep(90 * time.Second)
	}
	v.see(s, "cancel some", hook+"/cancel", nil)
	s.settle(success())
	v.see(s, "performance", hook+"/performance", nil)
	s.happens("evt_gone", map[string]any{}, "document.created")
	failing.DisableAfter, failing.DisableReason = 1, string(webhook.ReasonGone)
	s.settle(failing)
	v.see(s, "gone", hook, nil)
	s.hook()
	failing.Outcome, failing.Delay, failing.Streak = store.Retry, time.Hour, store.StreakTry
	s.happens("evt_try", map[string]any{}, "document.created")
	s.settle(failing)
	v.see(s, "list with one that is gone", "/", nil)
	_, err = s.svc.Update(webhook.WithActor(v.t.Context(), webhook.ActorProbe), merchant, id, webhook.Update{Status: &active})
	require.NoError(v.t, err)
	_, err = s.svc.Update(v.t.Context(), merchant, id, webhook.Update{
		Status: &disabled, RateLimit: new(7), Description: new("d"), Metadata: map[string]string{"a": "b"}, Events: []string{"*"},
	})
	require.NoError(v.t, err)
	_, err = s.svc.Rotate(v.t.Context(), merchant, id, 0)
	require.NoError(v.t, err)
	v.see(s, "disabled", hook, nil)
	v.see(s, "changes", hook+"/changes", nil)
}
