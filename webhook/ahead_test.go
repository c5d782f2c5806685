package webhook_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the OpenAPI document says and the handler does not do yet. A test fails for
// each entry that the handler has caught up with.
var (
	aheadCodes []string
	// Members of answers; "?" for one that may be left out.
	aheadMembers = []string{
		"Webhook.description", "Webhook.metadata", "Webhook.headerNames", "Webhook.rateLimit",
	}
	// Members and parameters of requests.
	aheadRequests = []string{
		"registerWebhook.description", "registerWebhook.metadata", "registerWebhook.headers", "registerWebhook.rateLimit",
		"updateWebhook.description", "updateWebhook.metadata", "updateWebhook.headers", "updateWebhook.rateLimit",
		"listWebhooks?cursor",
	}
)

// ahead reports whether a thing is on a list. If it is there and the handler has
// it, the test fails.
func ahead(t *testing.T, list []string, name string, have bool) bool {
	t.Helper()
	listed := slices.Contains(list, name)
	require.False(t, listed && have, "%s is there now: take it off the list of what is ahead", name)
	return listed
}
