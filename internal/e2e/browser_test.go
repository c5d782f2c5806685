package e2e_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// Bounds of a test and of one step of it, for a busy machine.
const (
	testTimeout  = 90 * time.Second
	stepPatience = 15 * time.Second
)

// browser is the one that all tests open their tabs in.
var browser context.Context

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	path, err := executable()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, // root has no sandbox; the pages are our own
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("force-color-profile", "srgb"),
		chromedp.WSURLReadTimeout(time.Minute),
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), opts...)
	defer stop()
	ctx, cancel := chromedp.NewContext(allocator)
	defer cancel()
	if err := chromedp.Do(ctx); err != nil { // Starts it.
		fmt.Fprintln(os.Stderr, "e2e:", err)
		return 1
	}
	browser = ctx //nolint:fatcontext // set once, before any test
	return m.Run()
}

func executable() (string, error) {
	if path := os.Getenv("WEBHOOK_TEST_CHROMIUM"); path != "" {
		return path, nil
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("e2e: no Chromium on PATH; tools/install.sh chromium installs one")
}

// tab is a tab of the browser, which has no cookies from others.
type tab struct {
	t     *testing.T
	ctx   context.Context //nolint:containedctx // it is chromedp's handle of the tab
	whole context.Context //nolint:containedctx // the same, without a deadline
	site  string

	mu       sync.Mutex
	dialogs  []string
	messages []string // of the console: exceptions, and breaches of the policy
}

func open(t *testing.T, site string) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	b := &tab{t: t, whole: ctx, site: site}
	ctx, cancel = context.WithTimeout(ctx, testTimeout)
	t.Cleanup(cancel)
	b.ctx = ctx
	require.NoError(t, chromedp.Listen(ctx, func(ev any) {
		if dialog, ok := ev.(*page.EventJavascriptDialogOpening); ok {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.dialogs = append(b.dialogs, dialog.Message)
		}
	}))
	console := chromedp.Console(ctx)
	go func() {
		for m, err := range console {
			if err != nil {
				return
			}
			if m.Source == "network" {
				continue // A status such as 422, which is as it should be.
			}
			b.mu.Lock()
			b.messages = append(b.messages, m.String())
			b.mu.Unlock()
		}
	}()
	b.do(chromedp.EmulateViewport(1280, 900))
	return b
}

func (b *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	for i, step := range steps {
		ctx, cancel := context.WithTimeout(b.ctx, stepPatience)
		err := chromedp.Do(ctx, step)
		cancel()
		if err != nil {
			require.NoError(b.t, err, "step %d: %s", i, b.whereabouts())
		}
	}
}

// whereabouts is what a failed test says of the page.
func (b *tab) whereabouts() string {
	ctx, cancel := context.WithTimeout(b.whole, 2*time.Second)
	defer cancel()
	at, _ := chromedp.Run(ctx, chromedp.Location())
	text, _ := chromedp.Run(ctx, chromedp.Text(chromedp.CSS("body")))
	b.mu.Lock()
	defer b.mu.Unlock()
	return fmt.Sprintf("%s\n%s\n%q", at, text, b.messages)
}

// enter logs in and comes to the list of webhooks.
func (b *tab) enter() {
	b.t.Helper()
	at, _, _ := strings.Cut(b.site, mount)
	b.do(chromedp.Navigate(at+"/login"), chromedp.WaitVisible(chromedp.CSS("h1")))
}

// enterAsOperator logs in as somebody who may act for any merchant.
func (b *tab) enterAsOperator() {
	b.t.Helper()
	at, _, _ := strings.Cut(b.site, mount)
	b.do(chromedp.Navigate(at+"/login?as="+anybody), chromedp.WaitVisible(chromedp.CSS("h1")))
}

// visit opens a page of the portal.
func (b *tab) visit(path string) {
	b.t.Helper()
	b.do(chromedp.Navigate(b.site+path), chromedp.WaitVisible(chromedp.CSS("h1")))
}

// withoutScripts is a browser that runs none.
func (b *tab) withoutScripts() {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	require.NoError(b.t, err)
}

// text is what somebody reads on the page.
func (b *tab) text() string {
	b.t.Helper()
	text, err := chromedp.Run(b.ctx, chromedp.Text(chromedp.CSS("main")))
	require.NoError(b.t, err)
	return text
}

// press presses the button or link with this text, of all that are to be seen.
func (b *tab) press(text string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.Search(fmt.Sprintf(`//*[self::a or self::button][not(ancestor::*[@hidden])][normalize-space()=%q][not(contains(@class,"sr"))]`, text))))
}

// shows waits until the page has an element with this text.
func (b *tab) shows(text string) {
	b.t.Helper()
	b.do(chromedp.WaitVisible(chromedp.Search(fmt.Sprintf(`//main//*[not(self::option)][contains(normalize-space(),%q)][not(*[contains(normalize-space(),%q)])]`, text, text))))
}

// quiet requires that no page has opened a dialog, thrown, or met the policy.
func (b *tab) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	require.Empty(b.t, b.dialogs)
	require.Empty(b.t, b.messages)
}
