package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/webhook"
)

const (
	keyHeader      = "Idempotency-Key"
	replayedHeader = "Idempotency-Replayed"
	maxKey         = 255
)

// repeated is an answer as it is kept for those who send its request again.
type repeated struct {
	Status int             `json:"s"`
	ETag   string          `json:"e,omitempty"`
	Data   json.RawMessage `json:"d,omitempty"`
}

// secretive is data that may be shown once only.
type secretive interface {
	// withoutSecret returns what those get to see who ask again.
	withoutSecret() any
}

// once serves a POST with an Idempotency-Key no more than once: whoever sends it
// again, with the same key and content, gets the answer of the first time. Only
// success is kept, so that what failed can be tried again with the same key.
func (h *Handler) once(ctx context.Context, x *exchange, serve endpoint) (answer, error) {
	keys := x.R.Header.Values(keyHeader)
	if x.R.Method != http.MethodPost || len(keys) == 0 {
		return serve(x)
	}
	if len(keys) > 1 || len(keys[0]) > maxKey || keys[0] == "" || strings.ContainsFunc(keys[0], invisible) {
		return answer{}, invalid(keyHeader, "must be given once, with 1 to 255 visible ASCII characters")
	}
	body, err := x.read(eventLimits().Size)
	if err != nil {
		return answer{}, err
	}
	var out answer
	served := false
	value, again, err := h.svc.Once(ctx, x.MerchantID, onceKey(keys[0]), &webhook.OnceOptions{
		Fingerprint: fmt.Sprintf("%q", []string{x.Route, x.WebhookID, x.DeliveryID, x.R.URL.RawQuery, string(body)}),
		Time:        h.opts.TestWait + 30*time.Second, Age: h.opts.IdempotencyAge, NoWait: true,
	}, func(ctx context.Context) (string, error) {
		served = true
		x.R = x.R.WithContext(ctx)
		var err error
		if out, err = serve(x); err != nil {
			return "", err
		}
		return keep(out)
	})
	switch {
	case again:
		return h.again(x, value)
	case served && value != "" && err != nil:
		h.opts.Logger.ErrorContext(ctx, "webhook API request with an Idempotency-Key not noted: it is taken for a minute or two, then served again",
			slog.String("request_id", x.requestID), slog.Any("error", err))
		return out, nil
	case served:
		return out, err
	case errors.Is(err, webhook.ErrInProgress):
		x.W.Header().Set("Retry-After", "1")
		return answer{}, errKeyInProgress
	case errors.Is(err, webhook.ErrConflict):
		return answer{}, errKeyConflict
	}
	return answer{}, err
}

func invisible(r rune) bool { return r <= ' ' || r > '~' }

// onceKey tells a key of the API from one of the portal.
func onceKey(key string) string { return "api|" + key }

// keep writes an answer down for those who ask again.
func keep(out answer) (string, error) {
	data := out.data
	if s, ok := data.(secretive); ok {
		data = s.withoutSecret()
	}
	text, err := json.Marshal(data)
	if err != nil {
		return "", err
	}
	text, err = json.Marshal(repeated{Status: out.status, ETag: out.etag, Data: text})
	return string(text), err
}

// again answers as the first time.
func (h *Handler) again(x *exchange, value string) (answer, error) {
	var kept repeated
	if err := json.Unmarshal([]byte(value), &kept); err != nil {
		return answer{}, err
	}
	x.W.Header().Set(replayedHeader, "true")
	return answer{status: kept.Status, etag: kept.ETag, data: kept.Data}, nil
}
