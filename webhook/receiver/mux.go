package receiver

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// HandlerFunc processes an event. If it returns an error, the event counts as not
// received, and the sender sends it again, unless the error is one of [Acknowledge].
// [RetryAfter] says when.
//
// ctx ends after Options.HandlerTimeout, or when another process has the event because
// Options.Seen was away for too long: [context.Cause] tells which. It does not end when the
// sender hangs up.
//
// A panic fails the event. One with [http.ErrAbortHandler] leaves no stack in the log and cuts
// the connection, as in net/http. So does the end of the goroutine, by [runtime.Goexit], in
// which tests end on t.FailNow.
//
// MessageFromContext of package verifier has the headers and the body as they arrived.
type HandlerFunc func(ctx context.Context, e event.Event) error

// Mux finds the handler of an event by its type. Register all handlers before you
// pass it to [New]; it must not change afterwards. Its zero value has no handlers.
type Mux struct {
	handlers map[string]HandlerFunc // by pattern; nil: none yet
	bad      []error
}

// patternForm is wider than [event.Type]: other senders have other types.
var patternForm = regexp.MustCompile(`^(\*|[^\s.*]+(\.[^\s.*]+)*(\.\*)?)$`)

// NewMux returns a Mux without handlers.
func NewMux() *Mux {
	return &Mux{}
}

// Handle registers h for the events that match pattern: a type, as in
// "document.created"; all types that begin with some words, as in "document.*"; or
// "*", all types. If several patterns match, the longest one counts. [New] reports
// patterns that are invalid or registered twice.
func (m *Mux) Handle(pattern string, h HandlerFunc) {
	switch {
	case h == nil:
		m.bad = append(m.bad, fmt.Errorf("pattern %q: its handler is nil", pattern))
	case m.handlers[pattern] != nil:
		m.bad = append(m.bad, fmt.Errorf("pattern %q is there twice", pattern))
	case !patternForm.MatchString(pattern):
		m.bad = append(m.bad, fmt.Errorf(`pattern %q is neither a type, nor one with ".*" behind it, nor "*"`, pattern))
	case m.handlers == nil:
		m.handlers = map[string]HandlerFunc{pattern: h}
	default:
		m.handlers[pattern] = h
	}
}

// On registers f for the events of T's type. f gets their data as a T.
//
//	receiver.On(mux, func(ctx context.Context, e event.Event, doc event.DocumentCreated) error {
//		return index.Add(ctx, doc.DocumentID, doc.Title)
//	})
//
// An event whose data does not fit a T is refused with 400; of one that came by
// [Receiver.Process] it is an error of [Never], unless Options.Wrap says otherwise.
func On[T event.Payload](m *Mux, f func(ctx context.Context, e event.Event, data T) error) {
	if f == nil {
		m.bad = append(m.bad, fmt.Errorf("the handler of %T is nil", *new(T)))
		return
	}
	t := reflect.TypeFor[T]()
	if t.Kind() == reflect.Interface {
		m.bad = append(m.bad, fmt.Errorf("%s does not name one type of event", t))
		return
	}
	m.Handle(string(typeOf(t)), func(ctx context.Context, e event.Event) error {
		data, err := event.Data[T](e)
		if err != nil {
			return errors.Join(errData, err)
		}
		return f(ctx, e, data)
	})
}

// typeOf asks a payload for its type of event, without calling a nil pointer.
func typeOf(t reflect.Type) event.Type {
	v := reflect.New(t).Elem()
	if t.Kind() == reflect.Pointer {
		v = reflect.New(t.Elem())
	}
	p, _ := reflect.TypeAssert[event.Payload](v)
	return p.EventType()
}

// errData says that a typed handler cannot read the event's data.
var errData = errors.New("receiver: the data is not what its type says")

// find returns the handler of a type, or nil.
func (m *Mux) find(t event.Type) HandlerFunc {
	for _, pattern := range store.Patterns(string(t)) {
		if h := m.handlers[pattern]; h != nil {
			return h
		}
	}
	return nil
}

// check returns what was wrong with the registrations.
func (m *Mux) check() error {
	if m == nil {
		return errors.New("mux is nil")
	}
	if len(m.handlers)+len(m.bad) == 0 {
		return errors.New("mux has no handlers")
	}
	return errors.Join(m.bad...)
}
