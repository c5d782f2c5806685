package api_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
)

func TestASecondRotationOverHTTP(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	path := hooks + "/" + s.hook(harness.Merchant) + "/secret/rotate"
	s.do(http.MethodPost, path, "").is(http.StatusOK)
	for _, body := range []string{"", `{"graceSeconds":60}`} {
		a := s.do(http.MethodPost, path, body).is(http.StatusConflict)
		require.NotContains(t, a.body, "whsec_")
	}
	s.do(http.MethodPost, path, `{"graceSeconds":0}`).is(http.StatusOK)
	s.do(http.MethodPost, path, "").is(http.StatusOK)
}
