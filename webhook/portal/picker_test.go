package portal_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/portal"
)

// many is a catalog of a number of types, ten to a group, below a prefix.
func many(t *testing.T, n int, prefix string) *event.Catalog {
	t.Helper()
	entries := make([]event.Entry, n)
	for i := range entries {
		entries[i] = event.Entry{Type: event.Type(fmt.Sprintf("%sgroup%c.thing.done%d", prefix, 'a'+i/10, i)), Description: fmt.Sprintf("Thing %d is done", i)}
	}
	c, err := event.NewCatalog(entries...)
	require.NoError(t, err)
	return c
}

func TestLargeCatalogsAreGrouped(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		catalog *event.Catalog
		groups  int
		whole   string
	}{
		"small":           {many(t, 20, ""), 0, "groupa.*"},
		"large":           {many(t, 200, ""), 20, "groupa.*"},
		"a common prefix": {many(t, 200, "com.acme."), 20, "com.acme.groupa.*"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSiteOf(t, memstore.New(nil), nil, &webhook.ServiceOptions{Catalog: c.catalog}, nil)
			p := s.do("/new", nil).is(http.StatusOK)
			require.Equal(t, c.groups, strings.Count(p.body, `<details class="group">`))
			require.Equal(t, len(c.catalog.Entries())+c.groups, strings.Count(p.body, `name="events"`))
			require.Equal(t, c.groups > 0, strings.Contains(p.body, `name="events" value="`+c.whole+`"`))
			require.Equal(t, c.groups > 0, strings.Contains(p.body, `type="search"`))
		})
	}
}

func TestWhatWasChosenStays(t *testing.T) {
	t.Parallel()
	s := newSiteOf(t, memstore.New(nil), nil, &webhook.ServiceOptions{Catalog: many(t, 200, "")}, nil)
	form := filled(s, "events", "groupa.*", "events", "groupa.thing.done1", "events", "groupb.thing.done12", "events", "groupc.thing.*", "events", "groupd.gone", "action", "rows")
	p := s.do("/new", form).is(http.StatusOK).says("groupa 10/10", "groupb 1/10", "groupc 1/11", "groupd 1/11", "groupe 0/10", "Not offered any more")
	for _, ticked := range []string{"groupa.*", "groupb.thing.done12", "groupc.thing.*", "groupd.gone"} {
		require.Contains(t, p.body, `value="`+ticked+`" checked`)
	}
	require.Equal(t, 3, strings.Count(p.body, `<details class="group" open>`), "those of which some types are chosen")
}

// TestAGroupCountsWhatIsCovered has a type that is called as its group is, which order.* does
// not cover.
func TestAGroupCountsWhatIsCovered(t *testing.T) {
	t.Parallel()
	c, err := event.NewCatalog(append(many(t, 20, "").Entries(), event.Entry{Type: "order", Description: "x"}, event.Entry{Type: "order.paid", Description: "x"})...)
	require.NoError(t, err)
	s := newSiteOf(t, memstore.New(nil), nil, &webhook.ServiceOptions{Catalog: c}, nil)
	s.do("/new", filled(s, "events", "order.*", "action", "rows")).is(http.StatusOK).says("order 1/2")
	s.do("/new", filled(s, "events", "order.*", "events", "order", "action", "rows")).is(http.StatusOK).says("order 2/2")
}

func TestAWildcardTakesThePlaceOfWhatItCovers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ ticked, want []string }{
		"itself":      {[]string{"groupa.*"}, []string{"groupa.*"}},
		"a type":      {[]string{"groupa.thing.done1", "groupa.*", "groupb.thing.done11"}, []string{"groupa.*", "groupb.thing.done11"}},
		"another one": {[]string{"groupa.thing.*", "groupa.*"}, []string{"groupa.*"}},
		"a deep one":  {[]string{"groupa.thing.*", "groupa.thing.done3"}, []string{"groupa.thing.*"}},
		"a stranger":  {[]string{"group.*", "groupa.thing.done3"}, []string{"groupa.thing.done3", "group.*"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, types := range []int{20, 200} {
				require.ElementsMatch(t, c.want, portal.Chosen(many(t, types, ""), c.ticked...))
			}
		})
	}
}

func TestWildcardsAreShown(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	hook := s.hook()
	_, err := s.store.UpdateWebhook(t.Context(), merchant, hookID(hook), store.WebhookUpdate{Events: []string{"chat.*", "document.created"}})
	require.NoError(t, err)
	p := s.do(hook, nil).is(http.StatusOK).says("chat.* Every type that begins so, also those that we add later", "document.created")
	require.NotContains(t, p.body, "catalog#chat.*")
	s.do("/", nil).is(http.StatusOK).says("chat.* +1")
	require.Contains(t, s.do(hook+"/edit", nil).is(http.StatusOK).says("Every type that begins so").body, `value="chat.*" checked`)
}
