package transfer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/internal/bareurl"
	"github.com/rag-assistant/webhooks/webhook/internal/vault"
)

// RehearseOptions configures a [Rehearse].
type RehearseOptions struct {
	// Service are the options of the receiving Service, as of an [Import].
	Service webhook.ServiceOptions

	// Dispatcher are the options of the dispatcher that will send: its headers, its
	// AttemptTimeout. Its Wire, its Egress and its keys are those of Service.
	Dispatcher webhook.DispatcherOptions

	// InsecureUnsealed takes in a file that is not sealed.
	InsecureUnsealed bool

	// Old is how the sender before writes a test.
	Old OldForm

	// Concurrency is how many webhooks are tested at once. Defaults to 16.
	Concurrency int

	// PerHost is how many of them may be of one host and port. Defaults to 2.
	PerHost int

	// Resume is the report of an earlier rehearsal with these options, whole or cut off
	// behind its first line. What passed there is counted and not tested again. Defaults to
	// none.
	Resume io.Reader

	// Progress is called with each line of the report and the counts so far, by one
	// goroutine at a time. Defaults to nobody.
	Progress func(Rehearsed, Rehearsal)
}

// rehearser is one Rehearse.
type rehearser struct {
	opts      RehearseOptions
	st        store.Store // of this rehearsal alone
	svc       *webhook.Service
	vault     *vault.Vault
	transport http.RoundTripper
	timeout   time.Duration // of one request
	passed    map[place]Rehearsed

	mu     sync.Mutex // guards what follows
	report *json.Encoder
	done   Rehearsal
}

// Rehearse tests the active webhooks of a file that [Import] would take in: it sends each
// one a test as the old sender writes it, then tests as the new service does, of which
// one is signed wrongly: see [webhook.Service.Detect]. So a receiver gets at most
// 1 + [webhook.MaxProbes] requests, and nothing is switched. While a rotation is under
// way, a test that is answered with 401 or 403 is sent up to three times, with either
// secret, as deliveries are: then it gets at most 1 + 3 * [webhook.MaxProbes].
//
// The tests are sent from scratch, an empty store in memory that is thrown away afterwards,
// such as memstore.New(nil): what is no [store.Volatile] is refused.
//
// For each webhook it writes a [Rehearsed] to report, a line of JSON, as soon as it is
// known. [Rehearsal].OnlyOld counts those that would fail after the move.
//
// What Import would refuse is not tested, and a [*RefusedError] says so once the rest is.
// A file that cannot be read, and a report that cannot be written, end it earlier; so does
// ctx. What was written until then can be given to Resume.
func Rehearse(ctx context.Context, scratch store.Store, from io.Reader, report io.Writer, o *RehearseOptions) (Rehearsal, error) {
	var opts RehearseOptions
	if o != nil {
		opts = *o
	}
	opts.Concurrency = cmp.Or(opts.Concurrency, 16)
	opts.PerHost = cmp.Or(opts.PerHost, 2)
	x := &rehearser{opts: opts, st: scratch, report: json.NewEncoder(report)}
	x.report.SetEscapeHTML(false)
	d, err := x.configure()
	var refused error
	if err == nil {
		_, refused = Import(ctx, x.st, from, &ImportOptions{Service: opts.Service, InsecureUnsealed: opts.InsecureUnsealed})
		if _, ok := errors.AsType[*RefusedError](refused); ok || refused == nil {
			err = x.run(ctx, d)
		}
	}
	if err = errors.Join(err, refused); err != nil {
		err = fmt.Errorf("transfer: rehearse: %w", err)
	}
	return x.done, err
}

// configure makes what sends, and lists all that is wrong with the options.
func (x *rehearser) configure() (*webhook.Dispatcher, error) {
	o := &x.opts
	bad := []error{o.Old.check()}
	if o.Concurrency < 0 || o.PerHost < 0 {
		bad = append(bad, errors.New("a bound is negative"))
	}
	if v, ok := x.st.(store.Volatile); !ok || !v.Volatile() {
		bad = append(bad, errors.New("the store is not one in memory"))
	}
	o.Dispatcher.Egress, o.Dispatcher.SecretKeys = o.Service.Egress, o.Service.SecretKeys
	o.Dispatcher.Wire, o.Dispatcher.InsecurePlaintextSecrets = o.Service.Wire, o.Service.InsecurePlaintextSecrets
	x.timeout = cmp.Or(o.Dispatcher.AttemptTimeout, egress.DefaultTimeout)
	var errs [5]error
	var out *egress.Egress
	var d *webhook.Dispatcher
	x.svc, errs[0] = webhook.NewService(x.st, &o.Service)
	d, errs[1] = webhook.NewDispatcher(x.st, &o.Dispatcher)
	x.vault, errs[2] = newVault(o.Service.SecretKeys, o.Service.InsecurePlaintextSecrets)
	x.passed, errs[3] = passed(o.Resume)
	if x.transport = o.Dispatcher.Transport; x.transport == nil {
		if out, errs[4] = egress.New(o.Service.Egress); errs[4] == nil {
			x.transport = out.Transport()
		}
	}
	return d, errors.Join(append(bad, errs[:]...)...)
}

// run tests all webhooks while the dispatcher runs.
func (x *rehearser) run(ctx context.Context, d *webhook.Dispatcher) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	around, ctx := errgroup.WithContext(ctx)
	sending, ended := context.WithCancel(ctx)
	around.Go(func() error { return d.Run(sending) })
	around.Go(func() error {
		defer ended()
		waiting := map[string][]*store.Webhook{} // by host and port
		err := x.each(ctx, func(w *store.Webhook) error {
			u, err := url.Parse(w.URL)
			if err == nil {
				waiting[u.Host] = append(waiting[u.Host], w)
			}
			return err
		})
		if err != nil {
			return err
		}
		return x.all(ctx, waiting)
	})
	err := around.Wait()
	if closer, ok := x.transport.(interface{ CloseIdleConnections() }); ok {
		closer.CloseIdleConnections()
	}
	return err
}

// all tests what waits. Each host has PerHost goroutines at most, which take a slot for
// one test at a time: no host that has its turn waits behind another that has not.
func (x *rehearser) all(ctx context.Context, waiting map[string][]*store.Webhook) error {
	slots := make(chan struct{}, x.opts.Concurrency)
	tests, ctx := errgroup.WithContext(ctx)
	for _, queue := range waiting {
		next := make(chan *store.Webhook, len(queue))
		for _, w := range queue {
			next <- w
		}
		close(next)
		for range min(x.opts.PerHost, len(queue)) {
			tests.Go(func() error {
				for w := range next {
					select {
					case slots <- struct{}{}:
					case <-ctx.Done():
						return ctx.Err()
					}
					err := x.test(ctx, w)
					<-slots
					if err != nil {
						return err
					}
				}
				return nil
			})
		}
	}
	return tests.Wait()
}

// each calls test for each active webhook that has not passed before.
func (x *rehearser) each(ctx context.Context, test func(*store.Webhook) error) error {
	return everyMerchant(ctx, x.st, func(merchants []string) error {
		for _, m := range merchants {
			page, err := x.st.ListWebhooks(ctx, m, store.WebhookQuery{Limit: webhook.MaxOffset})
			if err != nil {
				return err
			}
			for i := range page.Webhooks {
				w := &page.Webhooks[i]
				line, kept := x.passed[place{w.MerchantID, w.ID, bareurl.Of(w.URL)}]
				switch {
				case w.Status != store.Active:
					x.note(func(r *Rehearsal) { r.Disabled++ })
				case kept:
					x.note(func(r *Rehearsal) { r.count(&line); r.Kept++ })
				default:
					if err := test(w); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
}

func (x *rehearser) note(what func(*Rehearsal)) {
	x.mu.Lock()
	defer x.mu.Unlock()
	what(&x.done)
}

// test asks one receiver and writes its line.
func (x *rehearser) test(ctx context.Context, w *store.Webhook) error {
	old, err := x.old(ctx, w)
	if err != nil {
		return err
	}
	line := Rehearsed{WebhookID: w.ID, MerchantID: w.MerchantID, URL: bareurl.Of(w.URL), Old: old}
	// A test takes the time of two posts at most: see webhook.Dispatcher.
	limited, cancel := context.WithTimeout(ctx, (2*webhook.MaxProbes+1)*x.timeout)
	defer cancel()
	found, err := x.svc.Detect(limited, w.MerchantID, w.ID)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil && limited.Err() == nil {
		return err
	}
	line.judge(w, found)
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.report.Encode(&line); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	x.done.count(&line)
	if x.opts.Progress != nil {
		x.opts.Progress(line, x.done)
	}
	return nil
}

// old sends a test in the old form.
func (x *rehearser) old(ctx context.Context, w *store.Webhook) (Answer, error) {
	opened, err := x.vault.Open(w.MerchantID, w.ID, w.URL, vault.Sealed{Secret: w.Secret, Previous: w.PreviousSecret, Headers: w.Headers})
	if err != nil {
		return Answer{}, err
	}
	header, body, err := x.opts.Old.request(w, opened, time.Now())
	if err != nil {
		return Answer{}, err
	}
	resp, err := egress.PostWithin(ctx, x.timeout, x.transport, w.URL, header, body)
	if refused, ok := errors.AsType[*egress.Error](err); ok {
		return Answer{Error: string(refused.Code)}, nil
	}
	return Answer{Status: resp.StatusCode}, err
}
