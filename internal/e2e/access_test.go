package e2e_test

import (
	"fmt"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"
)

// faults lists what somebody could not read, name or find on a page: WCAG 2.2, 1.3.1,
// 1.4.3, 2.4.1, 4.1.2.
const faults = `(() => {
	const out = [];
	const about = (e) => e.outerHTML.slice(0, 120);
	const parse = (c) => { const [r, g, b, a = 1] = c.match(/[\d.]+/g).map(Number); return c.startsWith('color(') ? {r: r * 255, g: g * 255, b: b * 255, a} : {r, g, b, a}; };
	const over = (top, under) => ({r: top.r * top.a + under.r * (1 - top.a), g: top.g * top.a + under.g * (1 - top.a), b: top.b * top.a + under.b * (1 - top.a), a: 1});
	const light = (c) => { const f = (v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }; return 0.2126 * f(c.r) + 0.7152 * f(c.g) + 0.0722 * f(c.b); };
	const ground = (e) => {
		const layers = [];
		for (let n = e; n; n = n.parentElement) {
			const c = parse(getComputedStyle(n).backgroundColor);
			layers.push(c);
			if (c.a === 1) break;
		}
		return layers.reverse().reduce((under, top) => over(top, under), {r: 255, g: 255, b: 255, a: 1});
	};
	const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	for (let n = texts.nextNode(); n; n = texts.nextNode()) {
		const e = n.parentElement;
		if (!n.textContent.trim() || e.closest('.sr, option, script') || !e.checkVisibility()) continue;
		const below = ground(e);
		const a = light(over(parse(getComputedStyle(e).color), below)), b = light(below);
		const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (contrast < 4.5) out.push('contrast ' + contrast.toFixed(2) + ': ' + about(e));
	}
	for (const e of document.querySelectorAll('input:not([type=hidden]), select, textarea'))
		if (!e.labels?.length && !e.ariaLabel) out.push('no label: ' + about(e));
	for (const e of document.querySelectorAll('a, button'))
		if (!e.textContent.trim() && !e.ariaLabel) out.push('no name: ' + about(e));
	for (const e of document.querySelectorAll('main *')) { // A sentence in a flex box comes apart.
		if (!getComputedStyle(e).display.includes('flex')) continue;
		const parts = [...e.childNodes].filter((n) => n.nodeType === Node.TEXT_NODE ? n.textContent.trim() : n.matches('a, strong, time, code, em'));
		if (parts.length > 1 && parts.some((n) => n.nodeType === Node.TEXT_NODE)) out.push('a sentence in pieces: ' + about(e));
	}
	for (const e of document.querySelectorAll('[aria-describedby], [aria-labelledby]'))
		for (const id of [e.getAttribute('aria-describedby'), e.getAttribute('aria-labelledby')])
			if (id && !document.getElementById(id)) out.push('leads to nothing: ' + about(e));
	for (const e of document.querySelectorAll('svg:not([aria-hidden])'))
		if (e.getAttribute('role') !== 'img' || !e.getAttribute('aria-label')) out.push('no name: ' + about(e));
	const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
	if (new Set(ids).size !== ids.length) out.push('an id twice');
	if (document.querySelectorAll('h1').length !== 1) out.push('not one h1');
	let level = 0;
	for (const h of document.querySelectorAll('h1, h2, h3, h4')) {
		if (Number(h.tagName[1]) > level + 1) out.push('a level is left out: ' + about(h));
		level = Number(h.tagName[1]);
	}
	if (document.querySelectorAll('main').length !== 1 || !document.documentElement.lang) out.push('no landmark or language');
	return out;
})()`

func TestEverybodyCanUseIt(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	hook, failed := history(s)
	published := s.lastEvent()
	pages := []string{
		"", "new", "catalog", "events", "events?type=document.created", "events?id=%20-", published, "events/evt_none", hook, hook + "/edit", hook + "/rotate",
		hook + "/changes", hook + "/performance", hook + "/delete", hook + "/replay",
		hook + "/verify", hook + "/deliveries", hook + "/deliveries?since=2026-01-02T10:00&until=2026-01-01T10:00", hook + "/deliveries/" + failed, "nowhere",
	}
	for _, dark := range []bool{false, true} {
		for _, width := range []int64{1280, 390} {
			t.Run(fmt.Sprintf("dark %t, width %d", dark, width), func(t *testing.T) {
				t.Parallel()
				b := open(t, s.site)
				b.enter()
				b.look(width, 900, dark)
				b.readable(pages)
				b.quiet()
			})
		}
	}
}

// readable requires that everybody can use these pages.
func (b *tab) readable(pages []string) {
	b.t.Helper()
	for _, path := range pages {
		b.visit(path)
		b.fits(path)
		found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](faults))
		require.NoError(b.t, err)
		require.Empty(b.t, found, path)
	}
}

// Without a mouse: the first key leads to the content, and a form can be sent from
// any of its fields.
func TestKeyboard(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	b := open(t, s.site)
	b.enter()
	focused := func() string {
		b.t.Helper()
		id, err := chromedp.Run(b.ctx, chromedp.Evaluate[string](
			`document.activeElement === document.body ? "" : document.activeElement.textContent.trim() || document.activeElement.name`))
		require.NoError(t, err)
		return id
	}
	b.visit("new")
	b.do(chromedp.KeyEvent(kb.Tab))
	require.Equal(t, "Skip to content", focused())
	b.do(chromedp.KeyEvent(kb.Enter), chromedp.KeyEvent(kb.Tab))
	require.Equal(t, "Webhooks", focused(), "the first link of the content")
	b.do(chromedp.KeyEvent(kb.Tab))
	require.Equal(t, "url", focused(), "not the hidden button")
	b.do(chromedp.KeyEvent("http://x"+kb.Enter), chromedp.WaitVisible(chromedp.CSS(".note.bad")))
	b.shows("must start with https://")
	require.Contains(t, focused(), "Nothing was saved", "a screen reader begins there")
	b.quiet()
}
