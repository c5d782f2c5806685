package api_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
)

func TestPausedDeliveryHasNoNextAttempt(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	id := s.hook(harness.Merchant)
	p := s.published(harness.Merchant)
	one := hooks + "/" + id
	next := func() any {
		var list struct{ Deliveries []map[string]any }
		s.do(http.MethodGet, one+"/deliveries", "").is(http.StatusOK).data(&list)
		detail := s.do(http.MethodGet, one+"/deliveries/"+p.Deliveries[0].ID, "").is(http.StatusOK).object()
		require.Equal(t, list.Deliveries[0]["nextAttemptAt"], detail["nextAttemptAt"])
		return detail["nextAttemptAt"]
	}
	require.NotNil(t, next())
	s.do(http.MethodPut, one, `{"status":"disabled"}`).is(http.StatusOK)
	require.Nil(t, next(), "it waits for its webhook, not for a time")
	s.do(http.MethodPut, one, `{"status":"active"}`).is(http.StatusOK)
	require.NotNil(t, next())
}

func TestAuthenticationFailures(t *testing.T) {
	t.Parallel()
	svc, err := webhook.NewService(memstore.New(nil), nil)
	require.NoError(t, err)
	var failure error
	h, err := api.New(svc, func(*http.Request) (webhook.Principal, error) {
		return webhook.Principal{}, failure
	}, &api.Options{Challenge: `ApiKey realm="webhooks"`})
	require.NoError(t, err)
	for _, tt := range []struct {
		failure   error
		status    int
		challenge string
	}{
		{errors.New("no such key"), http.StatusUnauthorized, `ApiKey realm="webhooks"`},
		{fmt.Errorf("database: %w", webhook.ErrUnavailable), http.StatusServiceUnavailable, ""},
	} {
		failure = tt.failure
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, hooks, http.NoBody))
		require.Equal(t, tt.status, w.Code)
		require.Equal(t, tt.challenge, w.Header().Get("WWW-Authenticate"))
		require.NotContains(t, w.Body.String(), tt.failure.Error())
	}
}
