package portal_test

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// filled is a form for a new webhook as somebody fills it in.
func filled(s *site, pairs ...string) url.Values {
	s.t.Helper()
	form := values("url", " "+endpoint+" ", "description", "Orders", "events", "document.created", "encoding", "standard", "headers", "replace")
	form.Set("token", s.do("/new", nil).is(http.StatusOK).field("token"))
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Del(pairs[i])
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return form
}

func TestCreate(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.do("/", nil).is(http.StatusOK).says("Create your first webhook")
	form := filled(s, "events", "document.created", "events", "document.deleted", "encoding", "ascii", "rate", "20",
		"header-name", "X-Tenant", "header-name", "", "header-value", "eu-1", "header-value", "",
		"metadata-key", "team", "metadata-value", "a\r\nb")
	p := s.do("/new", form).is(http.StatusCreated).says("Webhook created", "This is the only time it is shown")
	secret := p.secret()
	require.Len(t, s.all(), 1)
	w := s.all()[0]
	require.Equal(t, endpoint, w.URL)
	require.Equal(t, []string{"document.created", "document.deleted"}, w.Events)
	require.Equal(t, webhook.EncodingASCII, w.Encoding)
	require.Equal(t, "Orders", w.Description)
	require.Equal(t, 20, w.RateLimit)
	require.Equal(t, []string{"X-Tenant"}, w.HeaderNames)
	require.Equal(t, map[string]string{"team": "a\nb"}, w.Metadata)

	// The page is loaded again, or the button was pressed twice.
	again := s.do("/new", form).is(http.StatusConflict).says("Secret shown before ·", "The secret was shown before", "the webhook is there")
	require.NotContains(t, again.body, secret)
	require.Len(t, s.all(), 1, "no second webhook")

	// Whoever has missed it gets another one, with one press.
	next := s.do("/webhooks/"+w.ID+"/rotate", values("token", again.field("token"), "grace", "0")).is(http.StatusOK)
	require.NotEqual(t, secret, next.secret())
	next.says("The previous secret has ended")

	// No other page shows either.
	for _, path := range append(views("/webhooks/"+w.ID, "whdel_1", "rpl_1"), "/", "/new", "/events") {
		body := s.do(path, nil).body
		require.NotContains(t, body, secret[:20], path)
		require.NotContains(t, body, next.secret()[:20], path)
		require.NotContains(t, body, "eu-1", "the value of a header")
	}
	require.NotContains(t, s.log.String(), secret[:20])
}

func TestCreateAllEvents(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.do("/new", filled(s, "all", "1")).is(http.StatusCreated)
	require.Equal(t, []string{"*"}, s.all()[0].Events)
}

// What is wrong stands beside its field, and what was typed is kept.
func TestCreateSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		form []string
		says []string
	}{
		"no URL":            {[]string{"url", ""}, []string{"Endpoint URL : is required"}},
		"http":              {[]string{"url", "http://example.com/"}, []string{"Endpoint URL : must start with https://"}},
		"a private address": {[]string{"url", "https://127.0.0.1/"}, []string{"Endpoint URL :"}},
		"no events":         {[]string{"events", ""}, []string{"Events"}},
		"an unknown event":  {[]string{"events", "document.created", "events", "no.such"}, []string{"no.such: is not in the catalog of event types", "Not offered any more"}},
		"a manual event":    {[]string{"events", "webhook.test"}, []string{"webhook.test: is sent on request only"}},
		"an encoding":       {[]string{"encoding", "utf-16"}, []string{"Payload encoding : must be"}},
		"no encoding":       {[]string{"encoding", ""}, []string{"Payload encoding : choose one"}},
		"a rate":            {[]string{"rate", "many"}, []string{"Rate limit : must be a whole number", `many`}},
		"a rate of nothing": {[]string{"rate", "0"}, []string{"Rate limit : must be a whole number"}},
		"a description":     {[]string{"description", strings.Repeat("a", 600)}, []string{"Description : must be at most 512"}},
		"a header twice":    {[]string{"header-name", "X-A", "header-name", "X-A", "header-value", "1", "header-value", "2"}, []string{"X-A is there twice"}},
		"a header of ours":  {[]string{"header-name", "Content-Type", "header-value", "text/plain"}, []string{"Content-Type"}},
		"metadata":          {[]string{"metadata-key", strings.Repeat("k", 70), "metadata-value", "v"}, []string{"the key must be 1 to 64 characters"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil)
			form := filled(s, c.form...)
			p := s.do("/new", form).is(http.StatusUnprocessableEntity).says("Nothing was saved")
			for _, text := range c.says {
				require.Contains(t, p.text+p.body, text)
			}
			require.Contains(t, p.body, `role="alert"`)
			if name != "a description" {
				require.Contains(t, p.body, `value="Orders"`, "what was typed is kept")
			}
			require.NotContains(t, p.text, "GET /event-types", "a remedy for programs")
			require.Empty(t, s.all())
			// Mended, the same form works.
			mended := filled(s)
			mended.Set("token", p.field("token"))
			s.do("/new", mended).is(http.StatusCreated)
		})
	}
}

func TestCreateAtTheLimit(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for range 50 {
		s.hook()
	}
	s.do("/new", filled(s)).is(http.StatusConflict).says("No more webhooks", "Delete one")
	s.do("/?page=3", nil).says("Previous")
	s.do("/", nil).says("50 webhooks", "Next")
	s.do("/?page=999999999999", nil).is(http.StatusOK)
}

func TestMoreRowsWithoutAScript(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	p := s.do("/new", nil)
	before := strings.Count(p.body, `name="header-name"`)
	form := filled(s, "header-name", "X-A", "header-value", "1", "action", "rows", "url", "https://half/typ")
	p = s.do("/new", form).is(http.StatusOK)
	require.Greater(t, strings.Count(p.body, `name="header-name"`), before)
	require.Contains(t, p.body, `value="https://half/typ"`)
	require.Contains(t, p.body, `value="X-A"`)
	require.Empty(t, s.all())
	// Enter saves, and adds no rows: the first button of a form is the one that it presses.
	_, inForm, _ := strings.Cut(p.body, "data-once>")
	require.True(t, strings.HasPrefix(strings.TrimSpace(inForm), `<button class="sr"`), inForm[:60])

	hook := s.hook()
	form.Set("version", "1")
	p = s.do(hook+"/edit", form).is(http.StatusOK)
	require.Contains(t, p.body, `value="https://half/typ"`)
	require.Equal(t, endpoint, s.webhook(hook).URL)
}

// edited is the form of a webhook as it is shown, with changes.
func edited(s *site, hook string, pairs ...string) url.Values {
	s.t.Helper()
	p := s.do(hook+"/edit", nil).is(http.StatusOK)
	w := s.webhook(hook)
	form := values("url", w.URL, "description", w.Description, "encoding", string(w.Encoding), "headers", "keep", "version", p.field("version"))
	form["events"] = w.Events
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return form
}

func TestEdit(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	reg, err := s.svc.Register(t.Context(), merchant, webhook.Registration{
		URL: endpoint, Events: []string{"document.created"}, Headers: webhook.Headers{"X-Tenant": "eu-1"},
		Metadata: map[string]string{"team": "one"}, RateLimit: 5, Description: "Orders",
	})
	require.NoError(t, err)
	hook := "/webhooks/" + reg.Webhook.ID
	p := s.do(hook+"/edit", nil).is(http.StatusOK)
	for _, text := range []string{
		`value="` + endpoint + `"`, `value="Orders"`, `value="team"`, `value="5"`, "X-Tenant",
		`value="document.created" checked`,
	} {
		require.Contains(t, p.body, text)
	}
	require.NotContains(t, p.body, "eu-1")

	require.Equal(t, hook+"?done=saved", s.do(hook+"/edit", edited(s, hook, "description", "", "url", endpoint+"/2")).to())
	w := s.webhook(hook)
	require.Equal(t, endpoint+"/2", w.URL)
	require.Empty(t, w.Description)
	require.Empty(t, w.Metadata, "the rows were empty")
	require.Zero(t, w.RateLimit)
	require.Equal(t, []string{"X-Tenant"}, w.HeaderNames, "kept")
	s.do(hook+"?done=saved", nil).says("Your changes are saved.")

	const other = "https://other.example.com/hook"
	s.do(hook+"/edit", edited(s, hook, "url", other)).is(http.StatusUnprocessableEntity).says("must be given again")
	require.Equal(t, endpoint+"/2", s.webhook(hook).URL)
	s.do(hook+"/edit", edited(s, hook, "url", other, "headers", "replace", "header-name", "X-Tenant", "header-value", "eu-1")).to()
	require.Equal(t, other, s.webhook(hook).URL)

	s.do(hook+"/edit", edited(s, hook, "headers", "replace", "header-name", "X-New", "header-value", "1")).to()
	require.Equal(t, []string{"X-New"}, s.webhook(hook).HeaderNames)
	s.do(hook+"/edit", edited(s, hook, "headers", "replace")).to()
	require.Empty(t, s.webhook(hook).HeaderNames)

	s.do(hook+"/edit", edited(s, hook, "url", "ftp://x")).is(http.StatusUnprocessableEntity).says("must start with https://")
	s.do(hook+"/edit", edited(s, hook, "rate", "x")).is(http.StatusUnprocessableEntity)
}

// A form that was opened before somebody else's change says what has changed.
func TestStaleEdit(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	hook := s.hook()
	form := edited(s, hook, "description", "mine")
	theirs, rate := endpoint+"/theirs", 7
	_, err := s.svc.Update(t.Context(), merchant, hookID(hook), webhook.Update{URL: &theirs, RateLimit: &rate})
	require.NoError(t, err)

	p := s.do(hook+"/edit", form).is(http.StatusConflict).says(
		"Somebody else has changed this webhook", "Save and overwrite", "Endpoint URL", "Now "+theirs, "Yours "+endpoint,
		"Rate limit Now 7 Yours 0", "Description Now – Yours mine")
	require.NotContains(t, p.text, "Events Now", "the same on both sides")
	require.Equal(t, theirs, s.webhook(hook).URL, "nothing is lost")

	form.Set("version", p.field("version"))
	s.do(hook+"/edit", form).to()
	require.Equal(t, endpoint, s.webhook(hook).URL)
	require.Equal(t, "mine", s.webhook(hook).Description)

	// The same change by both.
	form = edited(s, hook, "description", "ours")
	ours := "ours"
	_, err = s.svc.Update(t.Context(), merchant, hookID(hook), webhook.Update{Description: &ours})
	require.NoError(t, err)
	s.do(hook+"/edit", form).is(http.StatusConflict).says("It already is as you typed it")
}

// A webhook may subscribe to a type that the catalog has lost since.
func TestEditATypeThatIsGone(t *testing.T) {
	t.Parallel()
	st := memstore.New(nil)
	catalog, err := event.DefaultCatalog().With(event.Entry{Type: "order.paid", Description: "An order was paid"})
	require.NoError(t, err)
	svc, err := webhook.NewService(st, &webhook.ServiceOptions{Catalog: catalog})
	require.NoError(t, err)
	reg, err := svc.Register(t.Context(), merchant, webhook.Registration{URL: endpoint, Events: []string{"order.paid", "document.created"}})
	require.NoError(t, err)
	s, hook := newSiteOn(t, st, nil, nil), "/webhooks/"+reg.Webhook.ID
	s.do(hook+"/edit", nil).is(http.StatusOK).says("order.paidNot offered any more: untick it to save")
	s.do(hook+"/edit", edited(s, hook)).is(http.StatusUnprocessableEntity).says("order.paid: is not in the catalog of event types")
	s.do(hook+"/edit", edited(s, hook, "events", "document.created")).to()
}

func TestRotate(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	hook := s.hook()
	form := values("grace", "24", "token", s.do(hook+"/rotate", nil).is(http.StatusOK).field("token"))
	p := s.do(hook+"/rotate", form).is(http.StatusOK).says("New secret", "stays valid for 24 hours")
	version := s.webhook(hook).Version
	again := s.do(hook+"/rotate", form).is(http.StatusConflict).says("nothing was done a second time")
	require.NotContains(t, again.body, p.secret())
	require.Equal(t, version, s.webhook(hook).Version, "rotated once")

	s.do(hook, nil).says("The previous secret is valid until")
	next := s.do(hook+"/rotate", nil).says("A rotation is under way")
	require.Contains(t, next.body, `value="0" selected`)
	form = values("grace", "168", "token", next.field("token"))
	s.do(hook+"/rotate", form).is(http.StatusConflict).says("Wait until it ends")
	form.Set("grace", "0")
	require.NotEqual(t, p.secret(), s.do(hook+"/rotate", form).is(http.StatusOK).secret(), "what failed can be sent again")
}

func TestDelete(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	hook := s.hook()
	p := s.do(hook+"/delete", nil).is(http.StatusOK).says("Delete this webhook?", endpoint, "This cannot be undone")
	require.Equal(t, strconv.FormatInt(s.webhook(hook).Version, 10), p.field("version"))

	other := "https://example.com/other"
	_, err := s.svc.Update(t.Context(), merchant, hookID(hook), webhook.Update{URL: &other})
	require.NoError(t, err)
	p = s.do(hook+"/delete", values("version", p.field("version"))).is(http.StatusConflict).says("so it was not deleted", other)
	require.Len(t, s.all(), 1)

	require.Equal(t, "/?done=deleted", s.do(hook+"/delete", values("version", p.field("version"))).to())
	require.Empty(t, s.all())
	s.do("/?done=deleted", nil).says("The webhook is deleted.")
	s.do(hook, nil).is(http.StatusNotFound).says("It may have been deleted")
}
