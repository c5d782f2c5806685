package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
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
	keys := x.r.Header.Values(keyHeader)
	if x.r.Method != http.MethodPost || len(keys) == 0 {
		return serve(x)
	}
	if len(keys) > 1 || len(keys[0]) > maxKey || keys[0] == "" || strings.Contains(keys[0], " ") || !validHeaderValue(keys[0]) {
		return answer{}, invalid(keyHeader, "must be given once, with 1 to 255 visible ASCII characters")
	}
	body, err := x.read(eventLimits().Size)
	if err != nil {
		return answer{}, err
	}
	// The store gets digests: keys are of any length, and content is nobody's business.
	k := held{
		scope: keyScope(x.merchantID), name: digest(keys[0]), holder: id.New("h_"),
		lasts: h.serveTime(), age: h.opts.IdempotencyAge,
	}
	known, err := h.svc.store.BeginSeen(ctx, k.scope, k.name, store.SeenBegin{
		Holder: k.holder, Fingerprint: digest(keys[0], x.route, x.webhookID, x.deliveryID, x.r.URL.RawQuery, string(body)),
		Lease: k.lasts + time.Minute,
	})
	if err != nil {
		return answer{}, err
	}
	switch known.State {
	case store.SeenDone:
		return h.again(x, known.Value)
	case store.SeenInProgress:
		x.w.Header().Set("Retry-After", "1")
		return answer{}, errKeyInProgress
	case store.SeenConflict:
		return answer{}, errKeyConflict
	case store.SeenNew:
	}
	var out answer
	notNoted, err := h.svc.first(ctx, k, func(ctx context.Context) ([]byte, error) {
		x.r = x.r.WithContext(ctx)
		var err error
		if out, err = serve(x); err != nil {
			return nil, err
		}
		return keep(out)
	})
	if notNoted != nil {
		h.opts.Logger.ErrorContext(ctx, "webhook API request with an Idempotency-Key not noted: it is taken for a minute or two, then served again",
			slog.String("request_id", x.requestID), slog.Any("error", notNoted))
	}
	return out, err
}

// serveTime is how long a request with a key may take.
func (h *Handler) serveTime() time.Duration { return h.opts.TestWait + 30*time.Second }

// keep writes an answer down for those who ask again.
func keep(out answer) ([]byte, error) {
	data := out.data
	if s, ok := data.(secretive); ok {
		data = s.withoutSecret()
	}
	text, err := json.Marshal(data)
	if err != nil {
		return nil, err
	}
	return json.Marshal(repeated{Status: out.status, ETag: out.etag, Data: text})
}

// again answers as the first time.
func (h *Handler) again(x *exchange, value []byte) (answer, error) {
	var kept repeated
	if err := json.Unmarshal(value, &kept); err != nil {
		return answer{}, err
	}
	x.w.Header().Set(replayedHeader, "true")
	return answer{status: kept.Status, etag: kept.ETag, data: kept.Data}, nil
}

func keyScope(merchantID string) string { return "api|" + merchantID }

// digest is of parts that cannot run into each other.
func digest(parts ...string) string {
	sum := sha256.New()
	for _, p := range parts {
		_, _ = sum.Write([]byte(strconv.Itoa(len(p)) + ":" + p)) // It never fails.
	}
	return hex.EncodeToString(sum.Sum(nil))
}
