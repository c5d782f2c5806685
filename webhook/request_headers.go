package webhook

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/rag-assistant/webhooks/webhook/internal/vault"
)

// RequestHeadersFunc returns headers for the requests of one attempt, by name. The
// context is that of the attempt: see [Observer].Attempting. It ends after a quarter
// of AttemptTimeout. A function that takes much longer costs the delivery its lease:
// it is given back, not sent.
type RequestHeadersFunc func(context.Context, AttemptInfo) map[string]string

// added are the host's own headers for an attempt, without those that are not for
// it to choose.
func (r *run) added(ctx context.Context, i AttemptInfo) []vault.Header {
	if r.opts.RequestHeaders == nil {
		return nil
	}
	var given map[string]string
	ctx, cancel := context.WithTimeout(ctx, r.opts.AttemptTimeout/4)
	defer cancel()
	_ = r.guard("RequestHeaders", func() error {
		given = r.opts.RequestHeaders(ctx, i)
		return nil
	})
	out := make([]vault.Header, 0, len(given))
	for _, name := range slices.Sorted(maps.Keys(given)) {
		value := given[name]
		if vault.RefuseHeaderName(name) != "" && !vault.TraceHeader(name) || !vault.ValidHeaderValue(value) || has(out, name) {
			r.opts.Logger.WarnContext(ctx, "webhook header of RequestHeaders is not sent: it is not one that may be added",
				slog.String("header", name))
			continue
		}
		out = append(out, vault.Header{Name: name, Value: []string{value}})
	}
	return out
}

// has says if one of the headers has the name, in upper or lower case.
func has(headers []vault.Header, name string) bool {
	return slices.ContainsFunc(headers, func(h vault.Header) bool { return strings.EqualFold(h.Name, name) })
}
