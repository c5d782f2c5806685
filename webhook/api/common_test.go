package api_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
)

// Whatever is asked for, some answers are the same.
func TestAnswersThatAllOperationsShare(t *testing.T) {
	t.Parallel()
	svc, err := webhook.NewService(memstore.New(nil), nil)
	require.NoError(t, err)
	const unfit = "merchant,42" // It may log in, but no store will have it.
	for name, c := range map[string]struct {
		merchantID   string
		authenticate webhook.AuthenticateFunc
		rateLimit    webhook.RateLimitFunc
		want         int
	}{
		"a merchant's id that is none": {unfit, func(*http.Request) (webhook.Principal, error) {
			return webhook.Principal{MerchantID: unfit}, nil
		}, nil, http.StatusBadRequest},
		"a login that panics": {harness.Merchant, func(*http.Request) (webhook.Principal, error) {
			panic("no")
		}, nil, http.StatusInternalServerError},
		"a login that is away": {harness.Merchant, func(*http.Request) (webhook.Principal, error) {
			return webhook.Principal{}, fmt.Errorf("database: %w", webhook.ErrUnavailable)
		}, nil, http.StatusServiceUnavailable},
		"a login that refuses": {harness.Merchant, func(*http.Request) (webhook.Principal, error) {
			return webhook.Principal{}, errors.New("no")
		}, nil, http.StatusUnauthorized},
		"a token without scopes": {harness.Merchant, func(*http.Request) (webhook.Principal, error) {
			return webhook.Principal{MerchantID: harness.Merchant, Scopes: []string{}}, nil
		}, nil, http.StatusForbidden},
		"too many requests": {harness.Merchant, bearer, func(context.Context, webhook.RateLimitRequest) (time.Duration, error) {
			return time.Minute, nil
		}, http.StatusTooManyRequests},
		"a record that cannot be read": {harness.Merchant, bearer, func(context.Context, webhook.RateLimitRequest) (time.Duration, error) {
			return 0, webhook.ErrDamaged // Any call of the store may answer so.
		}, http.StatusInternalServerError},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, err := api.New(svc, c.authenticate, &api.Options{EnablePublish: true, RateLimit: c.rateLimit})
			require.NoError(t, err)
			for _, o := range newSite(t, nil, nil).operations() {
				r := httptest.NewRequestWithContext(t.Context(), o.method, o.at(c.merchantID, "whk_1", "whdel_1"), strings.NewReader(o.body))
				r.Header.Set("Content-Type", "application/json")
				r.Header.Set("Authorization", "Bearer "+harness.Merchant)
				serve(t, h, r).is(c.want)
			}
		})
	}
}

func TestBodiesNeedAMediaType(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	id := s.hook(harness.Merchant)
	for _, o := range s.operations() {
		if o.method == http.MethodPost || o.method == http.MethodPut {
			s.do(o.method, o.at(harness.Merchant, id, "whdel_1"), "{}", "Content-Type", "text/plain").
				is(http.StatusUnsupportedMediaType)
		}
	}
}

func TestRotateMeetsAnotherChange(t *testing.T) {
	t.Parallel()
	s := newSite(t, meddled{memstore.New(nil), "https://example.com/theirs"}, nil)
	one := hooks + "/" + s.hook(harness.Merchant)
	s.do(http.MethodPost, one+"/secret/rotate", "").is(http.StatusPreconditionFailed)
}
