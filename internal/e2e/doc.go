// Package e2e drives the pages of package portal with a real browser, Chromium,
// against a real sender and receivers. It is a module of its own, so that what a
// browser needs enters nobody's go.mod.
//
// The browser is the one that WEBHOOK_TEST_CHROMIUM names, or the first of chromium,
// chromium-browser and google-chrome on PATH. With WEBHOOK_PORTAL_SCREENSHOTS set to
// a directory, the run leaves pictures of the pages there:
//
//	cd internal/e2e && WEBHOOK_PORTAL_SCREENSHOTS=../../docs/portal go test -run TestScreenshots .
package e2e
