package serve

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A token for * is an operator's, and its jobs are done by the same process.
func TestOperators(t *testing.T) {
	t.Parallel()
	base, _ := start(t, append(lasting(), "-store", "memory")...)
	merchant, operator := token(t, secret, "m", time.Hour), token(t, secret, anyMerchant, time.Hour)
	status, out := call(t, http.MethodPost, base+"/api/merchants/m/webhooks", operator, `{"url":"http://127.0.0.1:1/","events":["document.created"]}`)
	require.Equal(t, http.StatusCreated, status, out)
	status, _ = call(t, http.MethodGet, base+"/api/operator/merchants", merchant, "")
	require.Equal(t, http.StatusForbidden, status)
	status, _ = call(t, http.MethodPost, base+"/api/operator/jobs", operator, `{"kind":"disable","selection":{"all":true}}`)
	require.Equal(t, http.StatusAccepted, status)
	require.Eventually(t, func() bool {
		_, out := call(t, http.MethodGet, base+"/api/operator/webhooks?reason=requested", operator, "")
		data, _ := out["data"].(map[string]any)
		list, _ := data["webhooks"].([]any)
		return len(list) == 1
	}, 30*time.Second, 10*time.Millisecond)
}
