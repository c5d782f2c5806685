package api_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
)

// allRoutes switches on every route that has to be switched on.
func allRoutes(t *testing.T) *api.Options {
	t.Helper()
	o := &api.Options{}
	for f, v := range reflect.ValueOf(o).Elem().Fields() {
		if strings.HasPrefix(f.Name, "Enable") && f.Type.Kind() == reflect.Bool {
			v.SetBool(true)
		}
	}
	require.True(t, o.EnablePublish)
	return o
}

// The tests below put other ids into every route. They mean something as long
// as each route is open to whoever owns what it names.
func TestEveryRouteServesItsOwner(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, allRoutes(t))
	parameter := regexp.MustCompile(`\{[^}]*\}`)
	for _, o := range s.operations() {
		for _, p := range parameter.FindAllString(o.path, -1) {
			require.Contains(t, []string{webhookParameter, deliveryParameter, replayParameter, eventParameter}, p, "teach the tests of isolation what %s has in its path", o)
		}
		id := s.hook(harness.Merchant)
		if strings.HasSuffix(o.path, "/public-key") {
			id = harness.RegisterAsymmetric(t, s.svc).Webhook.ID
		}
		record := s.delivered(harness.Merchant, id)
		if o.names(replayParameter) || o.names(eventParameter) { // Else a replay would be in the way of another one.
			record = s.records(harness.Merchant, id).of(o)
		}
		path := o.at(harness.Merchant, id, record)
		require.Equal(t, 2, s.do(o.method, path, o.body).status/100, "%s needs a body: see operations", o)
		_ = s.svc.Delete(t.Context(), harness.Merchant, id, 0) // Unless the route itself has.
	}
}

// delivered publishes an event and returns the id of its delivery to a webhook.
func (s *site) delivered(merchantID, webhookID string) string {
	s.t.Helper()
	p := s.published(merchantID)
	for _, d := range p.Deliveries {
		if d.WebhookID == webhookID {
			return d.ID
		}
	}
	require.Fail(s.t, "the webhook got none of the deliveries")
	return ""
}

// records are the ids of what a webhook has.
type records struct{ delivery, replay, event string }

// records publishes an event to a webhook and begins a replay of it.
func (s *site) records(merchantID, webhookID string) records {
	s.t.Helper()
	delivery := s.delivered(merchantID, webhookID)
	r, err := s.svc.Replay(s.t.Context(), merchantID, webhookID, webhook.Replay{})
	require.NoError(s.t, err)
	d, err := s.svc.Delivery(s.t.Context(), merchantID, webhookID, delivery)
	require.NoError(s.t, err)
	return records{delivery, r.ID, d.EventID}
}

// of is the id that the path of o has.
func (r records) of(o operation) string {
	switch {
	case o.names(replayParameter):
		return r.replay
	case o.names(eventParameter):
		return r.event
	}
	return r.delivery
}

// segment is an id as it is written in a URL.
type segment struct {
	name, text string
	splits     bool // holds a slash, and so is more than one segment, or none
}

// malformed are ids that no record has, and that some parser may take for one of
// another's.
func malformed(theirs string) []segment {
	return []segment{
		{name: "slash", text: theirs + "/", splits: true},
		{name: "slash inside", text: "x/" + theirs, splits: true},
		{name: "escaped slash", text: "x%2F" + theirs, splits: true},
		{name: "small escaped slash", text: "x%2f..%2f" + theirs, splits: true},
		{name: "slash escaped twice", text: "x%252F" + theirs},
		{name: "backslash", text: "x%5C" + theirs},
		{name: "dot", text: "."},
		{name: "dots", text: ".."},
		{name: "escaped dots", text: "%2e%2E"},
		{name: "NUL", text: "%00"},
		{name: "raw NUL", text: "\x00"},
		{name: "NUL behind", text: theirs + "%00"},
		{name: "NUL before", text: "%00" + theirs},
		{name: "space behind", text: theirs + "%20"},
		{name: "line break", text: theirs + "%0D%0A"},
		{name: "upper case", text: strings.ToUpper(theirs)},
		{name: "braces", text: "{x}"},
		{name: "escaped braces", text: "%7Bx%7D"},
		{name: "hash tag", text: "%7B00%7D:" + theirs},
		{name: "its own name", text: "{webhookId}"},
		{name: "star", text: "*"},
		{name: "pattern", text: theirs[:5] + "*"},
		{name: "question mark", text: theirs[:5] + "%3F"},
		{name: "brackets", text: "[" + theirs[:1] + "]" + theirs[1:]},
		{name: "colon", text: "w:" + theirs},
		{name: "bar", text: harness.Victim + "%7C" + theirs},
		{name: "comma", text: theirs + "," + theirs},
		{name: "semicolon", text: theirs + ";x=1"},
		{name: "percent", text: theirs + "%25"},
		{name: "quote", text: "'%20OR%20''='"},
		{name: "300 characters", text: strings.Repeat("a", 300)},
		{name: "4 KiB", text: strings.Repeat("a", 4<<10)},
		{name: "unicode", text: "é界🙂"},
		{name: "full width", text: strings.Replace(theirs, "m", "ｍ", 1) + "\u200b"},
		{name: "overlong", text: "%C0%AF" + theirs},
		{name: "no UTF-8", text: "%FF%FE"},
	}
}

// request builds a request of merchant without any router's help, which would
// tidy up the path first.
func (s *site) request(method, path, body string) *http.Request {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, "/", strings.NewReader(body))
	u, err := url.Parse(path)
	if err != nil {
		u = &url.URL{Path: path}
	}
	r.URL = u
	r.Header.Set("Authorization", "Bearer "+harness.Merchant)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Request-ID", requestID)
	return r
}

// whole is all that an answer says. Time and request id are the same for all.
func (a answered) whole() string {
	var b strings.Builder
	fmt.Fprintln(&b, a.status)
	require.NoError(a.t, a.header.Write(&b))
	return b.String() + a.body
}

// bodies are what a client may send to o.
func (o operation) bodies() []string {
	if !o.sends() {
		return []string{""}
	}
	return []string{o.body, "", "{"}
}

func TestAnotherMerchantIsForbidden(t *testing.T) {
	t.Parallel()
	for name, open := range harness.Stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			s := newSite(t, b.Store, allRoutes(t))
			theirs, mine := s.hook(harness.Victim), s.hook(harness.Merchant)
			ofTheirs, ofMine := s.records(harness.Victim, theirs), s.records(harness.Merchant, mine)
			before := b.Dump()
			for _, o := range s.operations() {
				their, my := ofTheirs.of(o), ofMine.of(o)
				seen := map[string]bool{}
				strangers := append(malformed(harness.Victim),
					segment{name: "another", text: harness.Victim}, segment{name: "unknown", text: "merchant_44"},
					segment{name: "both", text: harness.Victim + "%2F..%2F" + harness.Merchant, splits: true},
					segment{name: "own and more", text: harness.Merchant + "%00"}, segment{name: "own in capitals", text: strings.ToUpper(harness.Merchant)})
				for _, m := range strangers {
					for _, path := range []string{
						o.at(m.text, theirs, their), o.at(m.text, mine, my), o.at(m.text, "whk_unknown", "whdel_unknown"),
					} {
						r := s.request(o.method, path, "")
						r.Body = unread{t}
						a := serve(t, s.api, r)
						if m.splits {
							a.is(http.StatusNotFound)
							continue
						}
						a.is(http.StatusForbidden)
						seen[a.whole()] = true
					}
				}
				require.Len(t, seen, 1, "%s answers all strangers alike", o)
				require.Equal(t, before, b.Dump(), "%s changed the store", o)
			}
		})
	}
}

// probe sends one request with one id after the other.
type probe struct {
	*site
	operation

	precondition string
	nowhere      string // the answer of a path that leads nowhere
	nothing      string // the answer of an id that nothing has
	found        bool   // at least once, an unknown id was the only fault
}

func (p *probe) ask(merchantID, webhookID, deliveryID string) answered {
	p.t.Helper()
	r := p.request(p.method, p.at(merchantID, webhookID, deliveryID), p.body)
	r.Header.Set("Authorization", "Bearer "+merchantID)
	r.Header.Set("If-Match", p.precondition)
	return serve(p.t, p.api, r)
}

// alike requires of another's id and of malformed ones that they are answered as
// an unknown one is. Only where the request is refused whatever the id, one that
// cannot be an id may be refused for that.
func (p *probe) alike(unknown answered, theirs string, ask func(id string) answered) {
	p.t.Helper()
	require.GreaterOrEqual(p.t, unknown.status, 400, "%s", p)
	require.Empty(p.t, unknown.header.Get("ETag"))
	p.found = p.found || unknown.status == http.StatusNotFound
	require.Equal(p.t, unknown.whole(), ask(theirs).whole(), "%s with another's id", p)
	for _, id := range malformed(theirs) {
		switch a := ask(id.text); {
		case id.splits:
			require.Equal(p.t, p.nowhere, a.is(http.StatusNotFound).whole())
		case a.status == http.StatusNotFound && !p.names(eventParameter): // That one says more.
			require.Equal(p.t, p.nothing, a.whole())
		default:
			require.Equal(p.t, unknown.whole(), a.whole(), "%s with the id %s", p, id.name)
		}
	}
}

// Whether an id is another merchant's, was never given out, or cannot exist, the
// answer is the same in every byte.
func TestForeignIDsAreLikeUnknownOnes(t *testing.T) {
	t.Parallel()
	const noWebhook, noDelivery = "whk_00000000000000000000000000000000", "whdel_000000000000000000000000"
	for name, open := range harness.Stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			s := newSite(t, b.Store, allRoutes(t))
			theirs, mine, also := s.hook(harness.Victim), s.hook(harness.Merchant), s.hook(harness.Merchant)
			ofTheirs, ofMine, ofAlso := s.records(harness.Victim, theirs), s.records(harness.Merchant, mine), s.records(harness.Merchant, also)
			before := b.Dump()
			for _, o := range s.operations() {
				their, my := ofTheirs.of(o), ofMine.of(o)
				p := probe{site: s, operation: o}
				p.nowhere = serve(t, s.api, s.request(o.method, hooks+"/a/b/c", "")).is(http.StatusNotFound).whole()
				method := http.MethodGet
				if o.method == http.MethodHead {
					method = o.method // Its answers have no body.
				}
				p.nothing = serve(t, s.api, s.request(method, hooks+"/"+noWebhook, "")).is(http.StatusNotFound).whole()
				for _, p.body = range o.bodies() {
					for _, p.precondition = range []string{"", `"1"`} {
						if o.names(webhookParameter) {
							unknown := p.ask(harness.Merchant, noWebhook, noDelivery)
							for _, deliveryID := range []string{their, my} {
								p.alike(unknown, theirs, func(id string) answered { return p.ask(harness.Merchant, id, deliveryID) })
							}
							require.Equal(t, unknown.whole(), p.ask("newcomer", theirs, their).whole(), "%s by one who has nothing yet", o)
						}
						if o.namesRecord() {
							unknown := p.ask(harness.Merchant, mine, noDelivery)
							p.alike(unknown, their, func(id string) answered { return p.ask(harness.Merchant, mine, id) })
							if o.names(webhookParameter) {
								require.Equal(t, unknown.whole(), p.ask(harness.Merchant, mine, ofAlso.of(o)).whole(), "%s with a record of another webhook", o)
							}
						}
					}
				}
				require.Equal(t, o.names("{"), p.found, "%s answers 404 to an id that it does not know", o)
				require.Equal(t, before, b.Dump(), "%s changed the store", o)
			}
		})
	}
}

// A cursor says where to go on in a log, not in whose.
func TestACursorLeadsIntoNoOtherLog(t *testing.T) {
	t.Parallel()
	for name, open := range harness.Stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := open(t)
			s := newSite(t, b.Store, nil)
			theirs, mine := s.hook(harness.Victim), s.hook(harness.Merchant)
			for range 3 {
				s.published(harness.Victim)
				s.published(harness.Merchant)
			}
			page, err := s.svc.Deliveries(t.Context(), harness.Victim, theirs, webhook.DeliveryQuery{Limit: 1})
			require.NoError(t, err)
			require.NotEmpty(t, page.Next)
			got, err := s.svc.Deliveries(t.Context(), harness.Merchant, mine, webhook.DeliveryQuery{Limit: 1000, Cursor: page.Next})
			if err == nil { // Where logs are counted apart, it may be no place in this one.
				for _, d := range got.Deliveries {
					require.Equal(t, mine, d.WebhookID)
					require.Equal(t, harness.Merchant, d.MerchantID)
				}
			}
			events, err := b.Store.Events(t.Context(), harness.Victim, store.EventQuery{Limit: 1})
			require.NoError(t, err)
			own, err := b.Store.Events(t.Context(), harness.Merchant, store.EventQuery{Limit: 1000, Cursor: events.Next})
			require.NoError(t, err)
			for _, e := range own.Events {
				_, err := b.Store.Event(t.Context(), harness.Victim, e.ID)
				require.ErrorIs(t, err, store.ErrNotFound)
			}
		})
	}
}

// A login that forgets to say who somebody is lets nobody in.
func TestNobodyIsNoMerchant(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	h, err := api.New(s.svc, func(*http.Request) (webhook.Principal, error) {
		return webhook.Principal{}, nil
	}, allRoutes(t))
	require.NoError(t, err)
	for _, o := range s.operations() {
		for _, m := range append(malformed(harness.Merchant), segment{name: "own", text: harness.Merchant}, segment{name: "empty"}) {
			a := serve(t, h, s.request(o.method, o.at(m.text, "whk_1", "whdel_1"), o.body))
			require.Contains(t, []int{http.StatusForbidden, http.StatusNotFound}, a.status, "%s with the merchant %s", o, m.name)
		}
	}
}
