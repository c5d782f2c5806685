package listen

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/verifier/explain"
	"github.com/rag-assistant/webhooks/webhook/event"
)

const (
	maxBody    = 1 << 20
	maxExplain = 64 << 10 // Explaining a body hashes it thousands of times.
	maxSeen    = 10_000
)

// receiver verifies, prints and answers.
type receiver struct {
	Config
	verifier *verifier.Verifier // nil: there is no secret
	printer  *printer

	mu     sync.Mutex
	seen   map[string]int // how often each event came
	failed int
}

func newReceiver(c Config, p *printer) (*receiver, error) {
	r := &receiver{Config: c, printer: p, seen: map[string]int{}}
	if c.Secret == "" {
		return r, nil
	}
	secret, opts := c.Secret, &verifier.Options{Wire: c.Wire, AcceptUntimed: c.Untimed}
	if strings.HasPrefix(secret, "whpk_") {
		secret, opts.PublicKeys = "", []string{secret}
	}
	var err error
	if r.verifier, err = verifier.New(secret, opts); err != nil {
		return nil, fmt.Errorf("the secret cannot be used: %w; copy all of it, from whsec_ on, as the webhook's registration showed it", err)
	}
	return r, nil
}

// request is what is printed of a request.
type request struct {
	at       time.Time
	header   http.Header
	body     []byte
	event    event.Event // zero if the body is no event
	verified error       // nil if the request verified
	times    int         // how often the event came, this time included
}

var errNoSecret = errors.New("there is no secret to verify with")

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if req.Method != http.MethodPost {
		r.printer.note("%s %s: not a webhook, which would be a POST", req.Method, req.URL.Path)
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "This receives webhooks: POST one.", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if err != nil {
		status := http.StatusBadRequest
		if _, over := errors.AsType[*http.MaxBytesError](err); over {
			status = http.StatusRequestEntityTooLarge
		}
		r.printer.note("a request whose body cannot be read: %v", err)
		http.Error(w, http.StatusText(status), status)
		return
	}
	in := &request{at: time.Now(), header: req.Header, body: body, verified: errNoSecret}
	if r.verifier != nil {
		in.event, in.verified = r.verifier.Verify(req.Header, body)
	} else {
		in.event, _ = event.Parse(body) // A body that is no event is shown as it is.
	}
	in.times = r.count(in.event.ID)
	status := r.decide(in)
	answered := r.answer(w, req, status)
	r.printer.show(in, r.Wire.WithDefaults(), status, answered)
	if in.verified != nil && r.verifier != nil {
		r.explain(in)
	}
	if !answered {
		panic(http.ErrAbortHandler) // Or net/http would answer 200.
	}
}

// decide returns the status to answer with. It refuses what does not verify, as any
// receiver must.
func (r *receiver) decide(in *request) int {
	switch {
	case in.verified == nil, r.verifier == nil:
	case errors.Is(in.verified, event.ErrMalformed), errors.Is(in.verified, verifier.ErrEventType):
		return http.StatusBadRequest
	default:
		return http.StatusUnauthorized
	}
	if r.Fail == 0 {
		return r.Status
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == r.Fail {
		return http.StatusOK
	}
	r.failed++
	return r.Status
}

// answer sends the whole answer at once, so that the sender does not wait for what
// comes after. It reports whether the sender was still there.
func (r *receiver) answer(w http.ResponseWriter, req *http.Request, status int) bool {
	if r.Delay > 0 {
		timer := time.NewTimer(r.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-req.Context().Done():
			return false
		}
	}
	if status != http.StatusNoContent && status != http.StatusNotModified {
		text := http.StatusText(status) + "\n"
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text) // Flush tells.
	} else {
		w.WriteHeader(status)
	}
	return http.NewResponseController(w).Flush() == nil
}

// count notes that an event came, and returns how often it has by now.
func (r *receiver) count(id string) int {
	if id == "" {
		return 1
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.seen) >= maxSeen {
		clear(r.seen)
	}
	r.seen[id]++
	return r.seen[id]
}

func (r *receiver) explain(in *request) {
	if len(in.body) > maxExplain {
		r.printer.note("the body is too long to look for the reason at once; keep the request and see webhooks explain")
		return
	}
	r.printer.reasons(explain.With(&verifier.Options{
		Wire: r.Wire, AcceptUntimed: r.Untimed, Now: func() time.Time { return in.at },
	}, in.header, in.body, r.Secret))
}
