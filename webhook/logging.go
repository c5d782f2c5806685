package webhook

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"time"
	"unicode"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/internal/vault"
)

// The keys of log lines stay the same; docs/observability.md lists them.

// about names a lease.
func about(l *store.Lease) []slog.Attr {
	return []slog.Attr{
		slog.String("merchant_id", l.MerchantID), slog.String("webhook_id", l.WebhookID),
		slog.String("delivery_id", l.DeliveryID), slog.String("event_id", l.EventID), slog.String("event_type", l.EventType),
	}
}

// logger names the lease, if there is one, in each of its lines.
func (r *run) logger(l *store.Lease) *slog.Logger {
	if l == nil {
		return r.opts.Logger
	}
	return slog.New(r.opts.Logger.Handler().WithAttrs(about(l)))
}

// logDamage tells the operator of a record that the store has set aside. It leaves out the
// ids that are not known.
func (r *run) logDamage(ctx context.Context, d store.Damage) {
	var attrs []slog.Attr
	for _, id := range [][2]string{{"merchant_id", d.MerchantID}, {"webhook_id", d.WebhookID}, {"delivery_id", d.DeliveryID}, {"event_id", d.EventID}} {
		if id[1] != "" {
			attrs = append(attrs, slog.String(id[0], id[1]))
		}
	}
	r.opts.Logger.LogAttrs(ctx, slog.LevelError, "webhook record damaged; it was set aside",
		append(attrs, slog.String("record", d.What), slog.String("error", d.How), slog.Time("found_at", d.At))...)
}

// logFailure tells the operator of a failure of an attempt that is this side's.
func (r *run) logFailure(ctx context.Context, l *store.Lease, err error) {
	log := r.logger(l).With(slog.String("in", "attempt"), slog.Any("error", err))
	if errors.Is(err, vault.ErrUnsealed) {
		log.ErrorContext(ctx, "webhook secret or headers cannot be opened; give this process the key, or have the secret rotated and the headers given anew")
		return
	}
	log.ErrorContext(ctx, "webhook failure")
}

// maxCause bounds a cause in characters, for a certificate may hold long names.
const maxCause = 300

// causeOf returns the text of the error behind a code on one line. There is none with
// a URL, whose query may hold a secret, and none of what is no response, which an
// endpoint can make an echo of the request.
func causeOf(e *egress.Error) string {
	cause := e.Unwrap()
	if of, ok := errors.AsType[*url.Error](cause); ok {
		cause = of.Err
	}
	if cause == nil || e.Code == egress.CodeBadResponse || e.Code == egress.CodeTimeout { // The last one says it all.
		return ""
	}
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(cause.Error(), "\uFFFD"))
	if strings.Contains(text, "://") {
		return ""
	}
	if r := []rune(text); len(r) > maxCause {
		text = string(r[:maxCause]) + "…"
	}
	return text
}

// logAttempt writes the line of an attempt whose result was stored. Empty fields are
// left out.
func (r *run) logAttempt(ctx context.Context, level slog.Level, outcome store.Outcome, i *SettledInfo) {
	if !r.opts.Logger.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 13)
	attrs = append(attrs, slog.String("outcome", string(outcome)))
	attrs = append(attrs, about(&store.Lease{
		MerchantID: i.MerchantID, WebhookID: i.WebhookID, DeliveryID: i.DeliveryID, EventID: i.EventID, EventType: i.EventType,
	})...)
	attrs = append(attrs, slog.Int("attempt", i.Number))
	if i.Test {
		attrs = append(attrs, slog.Bool("test", true))
	}
	if i.StatusCode != 0 {
		attrs = append(attrs, slog.Int("status_code", i.StatusCode))
	}
	if i.Code != "" {
		attrs = append(attrs, slog.String("code", string(i.Code)))
	}
	if i.Cause != "" {
		attrs = append(attrs, slog.String("cause", i.Cause))
	}
	if i.Duration > 0 {
		attrs = append(attrs, slog.Duration("took", i.Duration.Round(time.Microsecond)))
	}
	if i.Status == DeliveryPending {
		attrs = append(attrs, slog.Duration("retry_in", i.RetryIn))
	}
	r.opts.Logger.LogAttrs(ctx, level, "webhook attempt", attrs...)
}
