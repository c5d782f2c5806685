package words_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/words"
)

func TestNouns(t *testing.T) {
	t.Parallel()
	for noun, said := range map[string]string{
		"":             "A merchant, a merchant, the merchant, all merchants. Merchant. Merchants.",
		"shop":         "A shop, a shop, the shop, all shops. Shop. Shops.",
		"account":      "An account, an account, the account, all accounts. Account. Accounts.",
		"user":         "A user, a user, the user, all users. User. Users.",
		"unit":         "A unit, a unit, the unit, all units. Unit. Units.",
		"undertaking":  "An undertaking, an undertaking, the undertaking, all undertakings. Undertaking. Undertakings.",
		"European":     "A European, a European, the European, all Europeans. European. Europeans.",
		"Organisation": "An Organisation, an Organisation, the Organisation, all Organisations. Organisation. Organisations.",
		"étage":        "A étage, a étage, the étage, all étages. Étage. Étages.",
	} {
		t.Run(noun, func(t *testing.T) {
			t.Parallel()
			w, err := words.New(&words.Options{Tenant: noun, Segment: "x"})
			require.NoError(t, err)
			require.Equal(t, said, w.Say("{A tenant}, {a tenant}, the {tenant}, all {tenants}. {Tenant}. {Tenants}."))
		})
	}
}

func TestNil(t *testing.T) {
	t.Parallel()
	var w *words.Words
	zero, err := words.New(nil)
	require.NoError(t, err)
	for _, w := range []*words.Words{w, zero} {
		require.Equal(t, "merchants", w.Segment())
		require.Equal(t, "Your merchant has 3 of them: {tenant}.", w.Say("Your {tenant} has %d of them: %s.", 3, "{tenant}"), "what is in an argument is no noun")
		require.Equal(t, "100%", w.Say("100%%"))
		require.Equal(t, "1 webhook, 0 webhooks, 2 webhooks",
			w.Count(1, "1 webhook", "%d webhooks")+", "+w.Count(0, "1 webhook", "%d webhooks")+", "+w.Count(2, "1 webhook", "%d webhooks"))
	}
	require.Equal(t, "because a merchant said so", words.Message{Text: "because %s", Args: []any{words.Message{Text: "{a tenant} said so"}}}.String())
}

func TestSegment(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		o       words.Options
		segment string
	}{
		"a noun":          {words.Options{Tenant: "shop"}, "shops"},
		"an odd plural":   {words.Options{Tenant: "company", Tenants: "companies"}, "companies"},
		"one of its own":  {words.Options{Tenant: "Händler", Tenants: "Händler", Segment: "haendler"}, "haendler"},
		"the noun stays":  {words.Options{Segment: "tenants"}, "tenants"},
		"capitals":        {words.Options{Tenant: "Shop"}, "Shops"},
		"the plural only": {words.Options{Tenant: "shop", Tenants: "stores"}, "stores"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, err := words.New(&c.o)
			require.NoError(t, err)
			require.Equal(t, c.segment, w.Segment())
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		o   words.Options
		err string
	}{
		"a segment that is none":   {words.Options{Tenant: "store owner"}, `path segment "store owners" is not`},
		"the segment of operators": {words.Options{Tenant: "operator", Tenants: "operators", Segment: "operator"}, `path segment "operator"`},
		"a segment that is taken":  {words.Options{Tenant: "shop", Segment: "jobs"}, `path segment "jobs" means`},
		"a noun that is taken":     {words.Options{Tenant: "Events", Segment: "e"}, `noun "Events" means`},
		"a plural alone":           {words.Options{Tenants: "shops"}, `noun "" is not`},
		"a verb in a noun":         {words.Options{Tenant: "100%s"}, `noun "100%s" is not`},
		"two lines":                {words.Options{Tenant: "a\nb"}, `noun "a\nb" is not`},
		"other verbs":              {words.Options{Texts: map[string]string{"must be between 1 and %d": "von 1 bis %s"}}, "other verbs"},
		"a verb less":              {words.Options{Texts: map[string]string{"must be between 1 and %d": "zu viel"}}, "other verbs"},
		"a verb more":              {words.Options{Texts: map[string]string{"is required": "fehlt: %s"}}, "other verbs"},
		"a percent sign":           {words.Options{Texts: map[string]string{"must be between 1 and %d": "100 %: %d"}}, "write %% for a percent sign"},
		"a percent sign at a word": {words.Options{Texts: map[string]string{"must be between 1 and %d": "50 % von %d"}}, "write %% for a percent sign"},
		"a percent sign at an end": {words.Options{Texts: map[string]string{"is required": "zu 100 %"}}, "write %% for a percent sign"},
		"half a verb":              {words.Options{Texts: map[string]string{"must be between 1 and %d": "%d, %[1]-3d"}}, "write %% for a percent sign"},
		"a form of none":           {words.Options{Texts: map[string]string{"%d shoes|few": "%d Schuhe"}}, `there is no text "%d shoes|few"`},
		"a text that is none":      {words.Options{Texts: map[string]string{"Hello, %s.": "Hallo, %s."}}, `there is no text "Hello, %s."`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := words.New(&c.o)
			require.ErrorContains(t, err, c.err)
		})
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	require.True(t, slices.IsSorted(words.Texts()))
	require.Contains(t, words.Texts(), "is required")

	w, err := words.New(&words.Options{Tenant: "shop", Texts: map[string]string{
		"is required":                "fehlt {a tenant}",
		"failed at %s after %s: %s.": "%[2]s: um %[1]s mit %[3]s gescheitert.",
		"1 attempt":                  "ein Versuch",
		"status %d":                  "Status %05[1]d, 100 %%",
	}})
	require.NoError(t, err)
	require.Equal(t, "fehlt a shop", w.Say("is required"))
	require.Equal(t, "must be set", w.Say("must be set"), "what is not replaced stays English")
	require.Equal(t, "ein Versuch: um 12:00 mit Status 00500, 100 % gescheitert.",
		w.Say("failed at %s after %s: %s.", "12:00", words.Message{Text: "1 attempt"}, words.Message{Text: "status %d", Args: []any{500}}))
}

// TestPlural has Polish, which has one more form than English for two, three and four.
func TestPlural(t *testing.T) {
	t.Parallel()
	w, err := words.New(&words.Options{
		Texts: map[string]string{"%d attempts": "%d prób", "%d attempts|few": "%d próby", "1 attempt": "1 próba"},
		Plural: func(n int64) string {
			if n%10 >= 2 && n%10 <= 4 && (n%100 < 10 || n%100 > 20) {
				return "few"
			}
			return "many"
		},
	})
	require.NoError(t, err)
	for n, said := range map[int64]string{0: "0 prób", 1: "1 próba", 2: "2 próby", 5: "5 prób", 12: "12 prób", 22: "22 próby"} {
		require.Equal(t, said, w.Count(n, "1 attempt", "%d attempts"))
	}
}

func TestTime(t *testing.T) {
	t.Parallel()
	w, err := words.New(&words.Options{Texts: map[string]string{
		"2 January 2006, 15:04 UTC": "2. January 2006 um 15:04 UTC", "2 Jan 2006, 15:04:05 UTC": "06/Jan/2, 15:04", "March": "März", "Mar": "15. Jan",
	}})
	require.NoError(t, err)
	at := time.Date(2026, time.March, 4, 5, 6, 7, 0, time.UTC)
	for _, c := range []struct {
		w      *words.Words
		layout words.Text
		said   string
	}{
		{nil, "2 January 2006, 15:04 UTC", "4 March 2026, 05:06 UTC"},
		{nil, "2 Jan 2006, 15:04:05 UTC", "4 Mar 2026, 05:06:07 UTC"},
		{w, "2 January 2006, 15:04 UTC", "4. März 2026 um 05:06 UTC"},
		{w, "2 Jan 2006, 15:04:05 UTC", "26/15. Jan/4, 05:06"},
	} {
		require.Equal(t, c.said, c.w.Time(c.layout, at))
	}
	for month := time.January; month <= time.December; month++ {
		at := time.Date(2026, month, 1, 0, 0, 0, 0, time.UTC)
		require.Equal(t, at.Format("January Jan"), (*words.Words)(nil).Time("January Jan", at))
	}
}
