package receiver

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/rag-assistant/webhooks/verifier"
)

// NewFor is [New] for another way to verify, such as a [verifier.Verifier] that is
// there already, or the scheme of another sender. Of o.Verifier, the limits,
// ContentTypes and OnReject count. If v has a method Repeats() time.Duration, that says for
// how long the sender may repeat an event: Remember is as long by default, and NewFor fails if
// it is shorter.
func NewFor(v verifier.Checker, mux *Mux, o *Options) (*Receiver, error) {
	var opts Options
	if o != nil {
		opts = *o
	}
	long := repeats(v)
	if opts.Remember == 0 {
		opts.Remember = max(long, defaultRemember)
	}
	r, err := newReceiver(mux, &opts, func(rules *verifier.Options) (func(http.Handler) http.Handler, error) {
		middleware, err := verifier.MiddlewareFor(v, rules)
		return middleware, errors.Join(err, opts.tooShort(long))
	})
	if err != nil {
		return nil, err
	}
	_, own := v.(*verifier.Verifier)
	r.foreign = !own
	return r, nil
}

// NewForEach is [NewFor] for many tenants, each with a secret of his own. find says whom a
// request is for: see [verifier.Finder]. Handlers find the tenant in the Message of
// [verifier.MessageFromContext]. Seen keeps the events of each apart: the same id of two
// tenants is two events. Of two events of one tenant with the same id, the second is a repeat,
// whatever it says. A Checker that has Repeats, of more than Remember, is answered with 503.
func NewForEach(find verifier.Finder, mux *Mux, o *Options) (*Receiver, error) {
	var r *Receiver
	checked := func(req *http.Request) (string, verifier.Checker, error) {
		tenant, c, err := find(req)
		return tenant, c, errors.Join(err, r.opts.tooShort(repeats(c)))
	}
	if find == nil {
		checked = nil
	}
	r, err := newReceiver(mux, o, func(rules *verifier.Options) (func(http.Handler) http.Handler, error) {
		return verifier.MiddlewareForEach(checked, rules)
	})
	if err != nil {
		return nil, err
	}
	r.foreign = true
	return r, nil
}

// repeats returns for how long a sender may send an event again; 0 is unknown.
func repeats(v verifier.Checker) time.Duration {
	if known, ok := v.(interface{ Repeats() time.Duration }); ok {
		return known.Repeats()
	}
	return 0
}

// tooShort says that events are forgotten while the sender may repeat them.
func (o Options) tooShort(repeats time.Duration) error {
	if o.Remember >= repeats {
		return nil
	}
	return fmt.Errorf("a Remember of %s is shorter than the %s for which the sender may repeat an event", o.Remember, repeats)
}
