package otelwebhook

import (
	"context"
	"errors"
	"time"

	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/rag-assistant/webhooks/store"
)

// Store returns st with each call timed, except for Watch, which waits.
func (t *Telemetry) Store(st store.Store) store.Store {
	return &timedStore{Store: st, t: t}
}

// timedStore times the methods of a store.
type timedStore struct {
	store.Store
	t *Telemetry
}

// Volatile implements [store.Volatile] by asking the store that is timed.
func (s *timedStore) Volatile() bool {
	v, ok := s.Store.(store.Volatile)
	return ok && v.Volatile()
}

// errorType names an error by the sentinel that it wraps.
func errorType(err error) string {
	for _, known := range []struct {
		err  error
		name string
	}{
		{nil, ""},
		{store.ErrNotFound, "not_found"},
		{store.ErrConflict, "conflict"},
		{store.ErrVersion, "version"},
		{store.ErrLimit, "limit"},
		{store.ErrStale, "stale"},
		{store.ErrCursor, "cursor"},
		{store.ErrDamaged, "damaged"},
		{context.DeadlineExceeded, "timeout"},
		{context.Canceled, "canceled"},
		{store.ErrUnavailable, "unavailable"},
	} {
		if errors.Is(err, known.err) {
			return known.name
		}
	}
	return semconv.ErrorTypeOther.Value.AsString()
}

// timing starts to time a call. The caller defers the returned function.
func (s *timedStore) timing(ctx context.Context, operation string, err *error) func() {
	began := time.Now()
	return func() {
		s.t.operationTime.Record(ctx, time.Since(began).Seconds(), s.t.labels(label{OperationKey, operation}, errorLabel(errorType(*err))))
	}
}
