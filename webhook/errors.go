package webhook

import (
	"errors"
	"strings"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// The errors of [Service] that callers branch on; test with [errors.Is].
// Everything else a Service returns is an [*InvalidError] or a fault of the
// store.
var (
	// ErrNotFound says that this merchant has no such webhook, delivery or
	// event. It is the same for an id of another merchant.
	ErrNotFound = store.ErrNotFound
	// ErrConflict says that an event with this id and other content was
	// published before.
	ErrConflict = store.ErrConflict
	// ErrVersion says that the webhook has changed since the caller read it.
	ErrVersion = store.ErrVersion
	// ErrDamaged says that the record is there and the store cannot read it. Whoever runs
	// the service has to look at it; a webhook can be deleted all the same.
	ErrDamaged = store.ErrDamaged
	// ErrLimit says that the merchant may not have one more webhook.
	ErrLimit = store.ErrLimit
)

// ErrFull says that an event was sent again to a webhook as often as it can be: 20
// such deliveries are kept.
var ErrFull = errors.New("sent again too often")

// MaxRedeliveries is how many deliveries of an event to a webhook that somebody asked for can be
// kept at once. Beyond it, [ErrFull].
const MaxRedeliveries = store.MaxEnqueued

// ErrCrowded says that a webhook has as many pending deliveries as it may have: see
// [Limits].Pending.
var ErrCrowded = errors.New("too many deliveries are pending")

// ErrEnded says that a delivery has ended before it could be cancelled.
var ErrEnded = errors.New("delivery has ended")

// ErrRotating says that the previous rotation's grace is not over.
var ErrRotating = errors.New("a rotation is under way")

// ErrReplaying says that another replay of the webhook is running. It comes in a
// [*ReplayingError].
var ErrReplaying = errors.New("a replay is running")

// ReplayingError names the replay that is running.
type ReplayingError struct {
	ReplayID string
}

func (e *ReplayingError) Error() string { return ErrReplaying.Error() + ": " + e.ReplayID }

// Unwrap returns [ErrReplaying].
func (e *ReplayingError) Unwrap() error { return ErrReplaying }

// ErrInvalid matches every [*InvalidError] under [errors.Is].
var ErrInvalid = errors.New("invalid request")

// Fault is one thing that is wrong with what a caller asked for.
type Fault struct {
	Path    string // of the field, as in "events[2]"; empty: the whole
	Kind    FaultKind
	Message string // for people, safe to show

	// Text is the message for those who say it in words of their own. It is empty if the
	// message is no text, but an id.
	Text words.Message
}

// FaultKind is for callers who word a fault themselves, or add a remedy.
type FaultKind string

// A field is missing, wrong, or a list that is too long, or names no event type.
const (
	FaultMissing     FaultKind = "missing"
	FaultWrong       FaultKind = "wrong"
	FaultTooMany     FaultKind = "too_many"
	FaultUnknownType FaultKind = "unknown_type" // the catalog does not have this event type
)

// InvalidError lists everything that is wrong with what a caller asked for.
type InvalidError struct {
	Faults []Fault
}

// Error joins the faults on one line.
func (e *InvalidError) Error() string {
	parts := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		if parts[i] = f.Message; f.Path != "" {
			parts[i] = f.Path + ": " + f.Message
		}
	}
	return ErrInvalid.Error() + ": " + strings.Join(parts, "; ")
}

// Is reports whether target is [ErrInvalid].
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// faults collects what is wrong.
type faults []Fault

func (f *faults) add(path string, kind FaultKind, text words.Text, args ...any) {
	*f = append(*f, NewFault(path, kind, text, args...))
}

// NewFault returns a fault, with the message in English.
func NewFault(path string, kind FaultKind, text words.Text, args ...any) Fault {
	said := words.Message{Text: text, Args: args}
	return Fault{Path: path, Kind: kind, Message: said.String(), Text: said}
}

// invalidIf returns an InvalidError if there are faults.
func invalidIf(f faults) error {
	if len(f) == 0 {
		return nil
	}
	return &InvalidError{Faults: f}
}

func invalid(path string, text words.Text, args ...any) error {
	return invalidIf(faults{NewFault(path, FaultWrong, text, args...)})
}

func checkMerchant(merchantID string) error {
	if !id.ValidMerchant(merchantID) {
		return invalid("merchantId", id.MerchantRule)
	}
	return nil
}

// checkIDs treats an id that cannot exist as one that does not.
func checkIDs(merchantID string, ids ...string) error {
	if err := checkMerchant(merchantID); err != nil {
		return err
	}
	for _, s := range ids {
		if !id.Valid(s) {
			return ErrNotFound
		}
	}
	return nil
}

// errAnswers says that a store has broken its contract.
var errAnswers = errors.New("the store answered for another number of records than it was asked for")
