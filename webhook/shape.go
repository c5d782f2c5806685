package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/internal/jcs"
	"github.com/rag-assistant/webhooks/webhook/internal/shape"
	"github.com/rag-assistant/webhooks/webhook/internal/vault"
)

// shaper makes what a store keeps of an event.
type shaper struct {
	shape event.Shape // nil: the canonical event itself
	own   vault.Reserved
	log   *slog.Logger
}

func (s *Service) shaper() shaper { return shaper{s.catalog.Shape(), s.reserved, s.log} }

// text returns what is stored of a canonical event, written in the given encodings one after
// the other. What the shape did wrong is an [*InvalidError].
func (s shaper) text(canonical []byte, encodings ...jcs.Encoding) ([]byte, error) {
	made, err := s.contain(canonical)
	if err != nil {
		return nil, invalid("data", "has no payload: %s", err.Error())
	}
	for _, encoding := range encodings {
		made.Body = encoded(made, encoding)
	}
	return shape.Pack(made), nil
}

// contain turns a panic of the shape into an error, and logs it.
func (s shaper) contain(canonical []byte) (made event.Shaped, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = errors.New("its shape panicked")
			s.log.Error("webhook panic", slog.String("in", "Shape"), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		}
	}()
	return shape.Make(s.shape, s.own, canonical)
}

// check tries the shape on a test event, which each kind of test needs.
func (s shaper) check() error {
	if s.shape == nil {
		return nil
	}
	if _, err := newTest(s, "evt_test_0", time.Unix(0, 0), "whk_0", trial{message: probeMessage}); err != nil {
		return fmt.Errorf("the catalog's shape refuses a test event: %w", err)
	}
	return nil
}

// Example returns the catalog's example of an event type as it is sent. It is nothing if the
// catalog has none, or its shape fails on it.
func (s *Service) Example(of event.Type) event.Shaped {
	entry, _ := s.catalog.Lookup(of)
	if len(entry.Example) == 0 {
		return event.Shaped{}
	}
	if s.catalog.Shape() == nil {
		return event.Shaped{Body: entry.Example, ContentType: shape.JSON}
	}
	canonical, err := jcs.Canonicalize(entry.Example)
	if err != nil {
		return event.Shaped{}
	}
	made, err := s.shaper().contain(canonical)
	if err != nil {
		return event.Shaped{}
	}
	return made
}

// encoded is the body as a webhook with this payload encoding gets it.
func encoded(s event.Shaped, as jcs.Encoding) []byte {
	if !shape.IsJSON(s.ContentType) {
		return s.Body
	}
	return jcs.Encode(s.Body, as)
}

// opened returns what is sent of a stored event, and the body of it as JSON if it is. Of one
// that is damaged, it returns nothing, for it would spoil the answer that it is in.
func opened(text []byte) (sent event.Shaped, payload json.RawMessage) {
	sent, ok := shape.Unpack(text)
	switch {
	case !ok:
		return event.Shaped{}, nil
	case !shape.IsJSON(sent.ContentType):
		return sent, nil
	case !json.Valid(sent.Body):
		return event.Shaped{}, nil
	}
	return sent, sent.Body
}

// names reports whether a message has a header that receivers may take for one of this name.
func names(s event.Shaped, header string) bool {
	for name := range s.Header {
		if vault.SameHeader(name, header) {
			return true
		}
	}
	return false
}
