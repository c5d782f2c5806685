package storetest

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// sequenceSteps is the length of a random sequence.
const sequenceSteps = 40

// RunDifferential plays random sequences of 40 steps on the store under test and on a
// naive model of the contract, and compares every answer and, after each step, all that
// can be seen. At the end of each come calls about notices and jobs, a merchant deletes its
// webhooks, what waits is brought forward, those that are left are held, some subscribe to
// patterns, and jobs of some kinds are claimed. Where the contract leaves a choice, such as the order of equals, the store's choice
// is checked and the model follows it.
//
// Sequence n has the subtest seed=n and is the same in every run. A failure prints the
// calls up to the first one that differs.
func RunDifferential(t *testing.T, open func(t *testing.T) Harness, sequences int) {
	t.Helper()
	for seed := range sequences {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			t.Parallel()
			playSequence(t, open(t), seed)
		})
	}
}

// playSequence plays one random sequence.
func playSequence(t tb, h Harness, seed int) {
	t.Helper()
	d := newDuel(t, h, seed)
	d.setUp()
	for range sequenceSteps {
		for !d.step(operations()) {
			continue // It had nothing to act on.
		}
		d.compare(false)
	}
	d.compare(true)
	for range sequenceSteps / 2 { // Nothing but a claim shows notices.
		d.step([]operation{
			{1, addPromise, (*duel).playAddNotice},
			{1, noticesPromise, (*duel).playAllNotices},
			{2, deferPromise, (*duel).playDeferNotice},
			{1, ackPromise, (*duel).playAckNotice},
			{1, noticesPromise, func(d *duel) bool { return d.wait(40 * time.Second) }},
		})
	}
	d.leave()
	d.x.promise = holdPromise
	for range sequenceSteps / 5 {
		d.playHold()
	}
	d.advance(2 * time.Minute) // every lease and delay has ended
	d.playAllNotices()
	d.x.promise = "Keep is how long the id is remembered from now, if longer than Lease, should the lease end without a commit"
	for range sequenceSteps / 2 {
		d.playKeptSeen()
	}
	d.advance(tick - time.Duration(d.model.now.UnixMilli())*time.Millisecond%tick) // The clock is at a tick again.
	for range sequenceSteps {
		d.step(jobOperations())
	}
	d.setUp()
	d.maxPending = one(d, []int{0, 1, 2, 3, 5})
	for range sequenceSteps {
		d.step(aheadOperations())
		d.compare(false)
	}
	d.compare(true)
	d.patterns = true
	for _, w := range d.model.webhooks {
		d.updateWebhook(w.MerchantID, w.ID, store.WebhookUpdate{Events: d.subscriptions(), Status: new(store.Active)})
	}
	for range sequenceSteps / 4 {
		d.step(patternOperations())
		d.compare(false)
	}
	d.someKinds = true
	for range sequenceSteps / 2 {
		d.step(jobOperations())
	}
}

// step chooses an operation by weight and plays it. It reports whether there was
// anything to play it with.
func (d *duel) step(ops []operation) bool {
	weight := 0
	for _, op := range ops {
		weight += op.weight
	}
	n := d.rand.IntN(weight)
	i := slices.IndexFunc(ops, func(op operation) bool { n -= op.weight; return n < 0 })
	d.x.promise = ops[i].promise
	return ops[i].play(d)
}

// leave deletes all webhooks of a merchant, prunes, and looks for what is left of them.
func (d *duel) leave() {
	const forgets = "DeleteWebhook forgets the webhook with its deliveries, stats and notices."
	d.x.promise = forgets
	m := d.merchants[0]
	had := slices.DeleteFunc(slices.Clone(d.model.deliveries), func(t *modelDelivery) bool { return t.MerchantID != m })
	for _, w := range slices.Clone(d.model.webhooks) {
		if w.MerchantID == m {
			d.deleteWebhook(m, w.ID, 0)
		}
	}
	d.x.promise = prunePromise
	d.playPrune()
	d.x.promise = forgets
	for _, t := range had {
		d.read(t.MerchantID, t.WebhookID, t.ID)
	}
	d.x.promise = "Merchants lists the ids of the merchants that have webhooks, each once, in an order of the store's."
	d.compare(false)
}

// operation is a kind of call in a random sequence. play makes one on both
// stores, or returns false if there is nothing to make it with.
type operation struct {
	weight  int
	promise string
	play    func(d *duel) bool
}

// duel is a store under test and the model in one random sequence. Where the store
// has made an id or a token, the model takes it over, so that one name serves both.
type duel struct {
	x     *trial
	model *model
	rand  *rand.Rand
	seed  int
	calls []string

	merchants  []string
	types      []string
	disableAt  int           // DisableAfter of every result; 0: never
	failingFor time.Duration // DisableAfterFailingFor of every result
	rates      []int         // that webhooks may have
	maxPending int           // of every event that is published or enqueued; 0: no bound
	someKinds  bool          // of jobs are claimed, and not all
	patterns   bool          // webhooks subscribe to patterns too, and types have more words
	published  map[string][]store.NewEvent
	webhookIDs []string          // of all webhooks ever
	given      map[string]bool   // ids of deliveries and notices that the store has made
	names      map[string]string // delivery id to something to read
	leases     []store.Lease
	notices    []*modelNotice           // that were claimed, also those that are gone
	tokens     map[*modelNotice][]int64 // of all claims of a notice
	claims     []store.ClaimRequest     // that had a Key
	touched    []*modelDelivery         // by the last call
}

// All durations that something waits for end between two ticks of the clock, so
// that no sequence asks what happens exactly when something ends.
const (
	tick      = 10 * time.Millisecond
	duelLease = 30*time.Second + time.Millisecond
	duelGrace = time.Minute + tick/2
	duelHold  = 20*time.Second + tick/2
)

var deliveryIDs = regexp.MustCompile(`^whdel_[0-9A-Za-z_-]{1,34}$`)

func newDuel(t tb, h Harness, seed int) *duel {
	t.Helper()
	x := newTrial(t, h, "a seed", fmt.Sprint("seed", seed))
	d := &duel{
		x: x, model: newModel(x.now), seed: seed,
		rand:      rand.New(rand.NewPCG(uint64(seed), 0)), //nolint:gosec // a sequence that can be played again, not a secret
		types:     []string{"t", "t.1", "t.2", "u"},
		published: map[string][]store.NewEvent{},
		given:     map[string]bool{},
		names:     map[string]string{},
		tokens:    map[*modelNotice][]int64{},
	}
	x.explain = d.history
	x.per = 1 + d.rand.IntN(3)
	x.lease = duelLease
	d.model.perWebhook = x.per
	d.disableAt = one(d, []int{0, 1, 1, 2, 3})
	d.failingFor = one(d, []time.Duration{0, 0, time.Minute + tick/2})
	d.rates = one(d, [][]int{{0}, {0, 1, 1, 2, 5}, {1, 2}})
	d.merchants = []string{x.id("merchant"), x.id("merchant")}
	return d
}

// setUp makes three webhooks for each merchant.
func (d *duel) setUp() {
	for _, m := range d.merchants {
		for range 3 {
			d.createWebhook(m, d.furnished(), 3)
			if d.chance(50) {
				d.advance(tick)
			}
		}
	}
	d.compare(false)
}

// chance is true in n of 100 cases.
func (d *duel) chance(n int) bool { return d.rand.IntN(100) < n }

// one returns a random element, or the zero value of an empty list.
func one[T any](d *duel, list []T) T {
	var zero T
	if len(list) == 0 {
		return zero
	}
	return list[d.rand.IntN(len(list))]
}

// merchant picks a merchant.
func (d *duel) merchant() string { return one(d, d.merchants) }

// webhookID picks a webhook of the merchant, now and then a deleted one or one of
// another merchant.
func (d *duel) webhookID(merchantID string) string {
	if d.chance(5) {
		return one(d, d.webhookIDs)
	}
	var own []string
	for _, w := range d.model.webhooks {
		if w.MerchantID == merchantID {
			own = append(own, w.ID)
		}
	}
	return one(d, own)
}

func (d *duel) subscriptions() []string {
	if d.chance(20) {
		return []string{store.EveryType}
	}
	var out []string
	for _, t := range d.types {
		if d.chance(50) {
			out = append(out, t)
		}
	}
	if out == nil {
		out = d.types[:1]
	}
	out = slices.Clone(out)
	if d.patterns {
		for range d.rand.IntN(3) {
			out = slices.Insert(out, d.rand.IntN(len(out)+1), one(d, []string{"t.*", "t.1.*", "u.*"}))
		}
	}
	return out
}

// eventType picks a type, of patterns now and then one with a word more, or a longer first word.
func (d *duel) eventType() string {
	t := one(d, d.types)
	if d.patterns {
		return one(d, []string{t, t, t + ".1", "t" + t})
	}
	return t
}

// call notes a call that is about to be made.
func (d *duel) call(format string, args ...any) {
	d.calls = append(d.calls, fmt.Sprintf(format, args...))
}

// fatalf ends the sequence.
func (d *duel) fatalf(format string, args ...any) { d.x.fatalf(format, args...) }

// fatalIf is fatalf under a condition.
func (d *duel) fatalIf(failed bool, format string, args ...any) { d.x.fatalIf(failed, format, args...) }

// history adds the calls that led to a failure, and makes ids readable.
func (d *duel) history(failure string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d, after %d calls: %s", d.seed, len(d.calls), failure)
	fmt.Fprintf(&b, "\n\tPerWebhook %d, DisableAfter %d, DisableAfterFailingFor %s, clock %s; calls:",
		d.x.per, d.disableAt, d.failingFor, show(d.model.now))
	for i, c := range d.calls {
		fmt.Fprintf(&b, "\n\t%3d %s", i+1, c)
	}
	text := b.String()
	for id, name := range d.names {
		text = strings.ReplaceAll(text, id, name)
	}
	return strings.ReplaceAll(text, d.x.tag+"_", "")
}

// adopt gives a delivery of the model the id that the store has made for it.
func (d *duel) adopt(t *modelDelivery, id string) {
	d.fatalIf(!deliveryIDs.MatchString(id), "the id %q of a delivery does not match %s", id, deliveryIDs)
	d.fatalIf(d.given[id], "the id %q was given before", id)
	d.given[id] = true
	t.ID = id
	d.names[id] = fmt.Sprintf("%s>%s#%d", t.EventID, t.WebhookID, len(d.names))
}

// agree ends the sequence if the two stores answer differently. It says whether
// there is an answer to look into.
func (d *duel) agree(err, wantErr error) bool {
	if g, w := sentinel(err), sentinel(wantErr); g != w {
		d.fatalf("error is %v (%s), want %s", err, g, w)
	}
	return err == nil
}

// both makes a call on both stores, and says whether there are answers.
func both[T any](d *duel, ask func(st store.Store) (T, error)) (got, want T, ok bool) {
	got, err := ask(d.x.st)
	want, wantErr := ask(d.model)
	return got, want, d.agree(err, wantErr)
}

// answers makes a call on both stores and compares what they answer. It says whether
// they have.
func answers[T any](d *duel, what string, ask func(st store.Store) (T, error)) bool {
	got, want, ok := both(d, ask)
	if ok {
		d.match(what, got, want)
	}
	return ok
}

// fails makes a call on both stores that answers nothing but an error.
func (d *duel) fails(ask func(st store.Store) error) { d.agree(ask(d.x.st), ask(d.model)) }

// match ends the sequence if two records differ.
func (d *duel) match(what string, got, want any, except ...string) {
	if c := diff(got, want, except...); c != "" {
		d.fatalf("%s: %s", what, c)
	}
}

// advance moves both clocks.
func (d *duel) advance(by time.Duration) {
	d.x.advance(by)
	d.model.advance(by)
}
