package webhook

import (
	"encoding/json"
	"errors"
	"log/slog"
	"runtime/debug"

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

// canonical writes an event as RFC 8785 says.
func canonical(e event.Event) ([]byte, error) {
	plain, err := e.MarshalJSON()
	if err != nil {
		return nil, invalid("data", "cannot be written as JSON: %s", err)
	}
	body, err := jcs.Canonicalize(plain)
	if err != nil {
		if refused, ok := errors.AsType[*jcs.Error](err); ok {
			return nil, invalid("data", refused.Reason.Text, refused.Reason.Args...)
		}
		return nil, invalid("data", "cannot be written as JSON: %s", err)
	}
	return body, nil
}

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
