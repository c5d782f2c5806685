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

// repeated is what is kept of an answer for those who send its request again: the
// webhook, delivery, replay or job that it shows, or its data if it shows none.
type repeated struct {
	Status     int             `json:"s"`
	WebhookID  string          `json:"w,omitempty"`
	DeliveryID string          `json:"i,omitempty"`
	ReplayID   string          `json:"r,omitempty"`
	JobID      string          `json:"j,omitempty"`
	Data       json.RawMessage `json:"d,omitempty"`
}

// once serves a POST with an Idempotency-Key no more than once: whoever sends it
// again, with the same key and content, gets the status of the first time, and what
// that answer showed as it is now. Only success is kept, so that what failed can be
// tried again with the same key.
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
	value, again, err := h.doOnce(ctx, x, onceKey(keys[0]), &webhook.OnceOptions{
		Fingerprint: fmt.Sprintf("%q", []string{x.Route, x.WebhookID, x.DeliveryID + x.ReplayID + x.JobID, x.R.URL.RawQuery, string(body)}),
		Time:        h.timeOf(x), Age: h.opts.IdempotencyAge, NoWait: true,
	}, func(ctx context.Context) (string, error) {
		served = true
		x.R = x.R.WithContext(ctx)
		var err error
		if out, err = serve(x); err != nil {
			return "", err
		}
		return keep(x, out)
	})
	wait, _ := errors.AsType[*webhook.WaitError](err)
	switch {
	case again:
		return h.again(ctx, x, value)
	case served && value != "" && err != nil:
		h.opts.Logger.ErrorContext(ctx, "webhook API request with an Idempotency-Key not noted: it is taken for a minute, then served again",
			slog.String("request_id", x.requestID), slog.Any("error", err))
		return out, nil
	case served:
		return out, err
	case errors.Is(err, webhook.ErrInProgress):
		x.RetryAfter(wait.Wait)
		return answer{}, errKeyInProgress
	case errors.Is(err, webhook.ErrKeys):
		return answer{}, x.tooMany(wait.Wait)
	case errors.Is(err, webhook.ErrConflict):
		return answer{}, errKeyConflict
	}
	return answer{}, err
}

func invisible(r rune) bool { return r <= ' ' || r > '~' }

// onceKey tells a key of the API from one of the portal.
func onceKey(key string) string { return "api|" + key }

// timeOf is how long a request may take.
func (h *Handler) timeOf(x *exchange) time.Duration {
	if strings.HasSuffix(x.Route, "/test") {
		return h.opts.TestWait + 15*time.Second
	}
	return 15 * time.Second
}

// keep writes an answer down for those who ask again.
func keep(x *exchange, out answer) (string, error) {
	r := repeated{Status: out.status}
	switch v := out.data.(type) {
	case secretView:
		r.WebhookID = v.WebhookID
	case deliveryView:
		r.WebhookID, r.DeliveryID = x.WebhookID, v.ID
	case replayView:
		r.WebhookID, r.ReplayID = x.WebhookID, v.ID
	case jobView:
		r.JobID = v.ID
	case redeliveredView:
		r.WebhookID, r.DeliveryID = x.WebhookID, v.ID
	default:
		var err error
		if r.Data, err = json.Marshal(v); err != nil {
			return "", err
		}
	}
	text, err := json.Marshal(r)
	return string(text), err
}

// again answers as the first time, with what has become of the record since.
func (h *Handler) again(ctx context.Context, x *exchange, value string) (answer, error) {
	var kept repeated
	if err := json.Unmarshal([]byte(value), &kept); err != nil {
		return answer{}, err
	}
	x.W.Header().Set(replayedHeader, "true")
	if kept.JobID != "" {
		j, err := h.opts.Operator.Job(ctx, kept.JobID)
		if errors.Is(err, webhook.ErrNotFound) {
			err = errGone
		}
		return jobAnswer(kept.Status, j, err)
	}
	if kept.WebhookID == "" {
		return answer{status: kept.Status, data: kept.Data}, nil
	}
	x.WebhookID = kept.WebhookID
	w, err := h.svc.Webhook(ctx, x.MerchantID, x.WebhookID)
	out := answer{status: kept.Status}
	switch {
	case err != nil:
	case kept.ReplayID != "":
		var r webhook.ReplayJob
		if r, err = h.svc.ReplayStatus(ctx, x.MerchantID, x.WebhookID, kept.ReplayID); err == nil {
			out.data = newReplayView(r)
		}
	case kept.DeliveryID == "":
		out.etag, out.data = etag(w.Version), repeatedView(h.opts.Words, w, x.Route)
	default:
		var d webhook.DeliveryDetail
		if d, err = h.svc.Delivery(ctx, x.MerchantID, x.WebhookID, kept.DeliveryID); err == nil {
			out.data = x.shown(&d.Delivery, w.Status == webhook.Disabled)
		}
	}
	if errors.Is(err, webhook.ErrNotFound) {
		return answer{}, errGone
	}
	return out, err
}

// shown is a delivery as the route of the request shows it.
func (x *exchange) shown(d *webhook.Delivery, paused bool) any {
	if strings.HasSuffix(x.Route, "/redeliver") {
		return x.redelivered(d, paused)
	}
	return newDeliveryView(d, paused)
}
