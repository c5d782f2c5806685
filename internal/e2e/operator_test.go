package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/operator"
)

// An operator finds what is in trouble, and disables it by a job, after a dry run.
func TestOperator(t *testing.T) {
	t.Parallel()
	for name, scripts := range map[string]bool{"with scripts": true, "without scripts": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t, nil)
			s.register(webhook.Registration{URL: s.ep.URL(), Events: []string{"*"}})
			s.dispatch()
			b := open(t, s.site)
			if !scripts {
				b.withoutScripts()
			}
			b.enterAsOperator()
			b.do(chromedp.SetValue(chromedp.CSS("#q"), s.only().ID))
			b.press("Find")
			b.shows(s.ep.URL())
			b.press("Jobs")
			b.press("New job")
			b.do(chromedp.WaitVisible(chromedp.CSS("#kind")), chromedp.SetValue(chromedp.CSS("#kind"), "disable"), chromedp.SetValue(chromedp.CSS("#merchants"), merchant))
			b.press("Count what it would do")
			b.follow(scripts, "The job would change 1 webhook.")
			require.Equal(t, webhook.Active, s.only().Status)
			b.press("Disable now")
			b.follow(scripts, "Done")
			require.Equal(t, webhook.Disabled, s.only().Status)
			b.quiet()
		})
	}
}

// follow waits for a text: a script loads the page again, or somebody does.
func (b *tab) follow(scripts bool, text string) {
	b.t.Helper()
	b.do(chromedp.WaitVisible(chromedp.CSS("#progress")))
	for !scripts {
		page, err := chromedp.Run(b.ctx, chromedp.Text(chromedp.CSS("main")))
		require.NoError(b.t, err)
		if !strings.Contains(page, "Running") {
			break
		}
		b.do(chromedp.Reload(), chromedp.WaitVisible(chromedp.CSS("#progress")))
	}
	b.shows(text)
}

func TestEverybodyCanOperate(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	history(s)
	j, err := s.ops.Begin(t.Context(), operator.Request{Kind: operator.KindReplay, Selection: operator.Selection{Host: "staging.example.com"}, Note: "after the outage"})
	require.NoError(t, err)
	for _, dark := range []bool{false, true} {
		for _, width := range []int64{1280, 390} {
			t.Run(fmt.Sprintf("dark %t, width %d", dark, width), func(t *testing.T) {
				t.Parallel()
				b := open(t, s.site)
				b.enterAsOperator()
				b.look(width, 900, dark)
				b.readable([]string{
					"operator", "operator?q=" + merchant, "operator?q=none", "operator/webhooks", "operator/jobs", "operator/jobs/" + j.ID, "operator/new",
					"merchants/" + merchant + "/", "merchants/nobody/",
				})
				b.quiet()
			})
		}
	}
}
