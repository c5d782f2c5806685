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
	scope, name, holder := keyScope(x.merchantID), digest(keys[0]), id.New("h_")
	known, err := h.svc.store.BeginSeen(ctx, scope, name, store.SeenBegin{
		Holder: holder, Fingerprint: digest(keys[0], x.route, x.webhookID, x.deliveryID, x.r.URL.RawQuery, string(body)),
		Lease: h.serveTime() + time.Minute,
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
	done := false
	defer func() {
		if !done { // Also after a panic.
			h.forget(ctx, x, scope, name, holder)
		}
	}()
	// A caller that hangs up in the middle is the one that asks again: what was begun
	// is ended, and its answer kept.
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.serveTime())
	defer cancel()
	x.r = x.r.WithContext(whole)
	out, err := serve(x)
	if err != nil {
		return answer{}, err
	}
	done = true // Even if it is not kept: until the lease ends, nobody serves it again.
	h.keep(ctx, x, out, scope, name, holder)
	return out, nil
}

// serveTime is how long a request with a key may take.
func (h *Handler) serveTime() time.Duration { return h.opts.TestWait + 30*time.Second }

// keep stores an answer for those who ask again.
func (h *Handler) keep(ctx context.Context, x *exchange, out answer, scope, name, holder string) {
	data := out.data
	if s, ok := data.(secretive); ok {
		data = s.withoutSecret()
	}
	text, err := json.Marshal(data)
	if err == nil {
		var value []byte
		if value, err = json.Marshal(repeated{Status: out.status, ETag: out.etag, Data: text}); err == nil {
			ctx, cancel := detached(ctx)
			defer cancel()
			err = h.svc.store.CommitSeen(ctx, scope, name, holder, value, h.opts.IdempotencyAge)
		}
	}
	if err != nil {
		h.opts.Logger.ErrorContext(ctx, "webhook API answer not kept; the same request again would be served again",
			slog.String("request_id", x.requestID), slog.Any("error", err))
	}
}

func (h *Handler) forget(ctx context.Context, x *exchange, scope, name, holder string) {
	ctx, cancel := detached(ctx)
	defer cancel()
	if err := h.svc.store.ForgetSeen(ctx, scope, name, holder); err != nil {
		h.opts.Logger.ErrorContext(ctx, "webhook API request not given up; its Idempotency-Key is taken for a minute or two",
			slog.String("request_id", x.requestID), slog.Any("error", err))
	}
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

// detached gives the last call of an exchange time even if its caller has gone.
func detached(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
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
