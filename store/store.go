package store

import (
	"context"
	"time"
)

// Store is every role at once, which is what a backend is. A consumer asks for the
// roles that it calls: see ServiceStore and DispatchStore of package webhook.
//
// Methods may be called from any number of goroutines, and on a shared store from
// any number of processes. A store neither keeps nor changes a slice, map or struct
// that was passed to it after the method has returned. What a method returns belongs
// to the caller, except for bodies: see [Lease].
type Store interface {
	Publisher
	Queue
	Webhooks
	History
	Notices
	Seen
	Jobs
	Backlogs
	Directory
}

// Volatile is what a store implements whose records end with the process. Every
// other store is taken for one that lasts, so callers seal secrets before they give
// them to it. A wrapper of a volatile store forwards the method. One that forgets it
// is taken for a store that lasts, which is the safe mistake.
type Volatile interface {
	Volatile() bool
}

// Publisher takes events in. It is a role of its own because it is also the door to
// somebody's transaction: a value that publishes in a transaction of the host's
// database implements Publisher and nothing else.
type Publisher interface {
	// Publish stores events and, in the same step, one pending delivery, due now,
	// for each webhook that is active and subscribed at this moment. It is one, however many
	// of a webhook's Events take in the type: see [Patterns]. A webhook that has too
	// many pending gets none: see [NewEvent].MaxPending. Each event is
	// stored whole or not at all. The results are in the order of the events.
	//
	// An event id is published once per merchant for as long as the event is kept.
	// The same id with the same fingerprint again stores nothing and answers the
	// deliveries of the first time with Duplicate set. With another fingerprint it
	// stores nothing and answers Conflict. Both hold within one batch too. Neither is
	// an error, and neither ends a caller's transaction.
	//
	// If Publish returns an error, some events may have been stored. To publish them
	// again is safe.
	//
	// A Publisher of a caller's transaction answers Deferred instead of deliveries.
	// The deliveries are made soon after the commit, for the webhooks that are active
	// and subscribed then, and nothing of the event is seen before. While the
	// transaction is open, every webhook can still be claimed, finished and updated
	// by others, unless the database has a single writer. Such a Publisher answers
	// Duplicate and Conflict for what it can see: what was committed before, and what
	// the same transaction has published. An id that two open transactions publish is
	// decided when both have committed. The one that is taken in first counts, a
	// repetition is dropped, and a conflict is set aside and counted.
	//
	// A [Store] itself never answers Deferred.
	Publish(ctx context.Context, merchantID string, events []NewEvent) ([]Published, error)
}

// Queue hands deliveries out and takes their results in. A dispatcher calls it.
type Queue interface {
	// Claim hides due deliveries from every other caller until their lease ends, at
	// most c.Limit of them, and at most c.PerWebhook leased per webhook at any time.
	// None due is not an error.
	//
	// A delivery is due if its time has come and its webhook is active. A test is due
	// whatever the status. Of one webhook, tests go first, and of the others the
	// delivery that is due longest. Webhooks take turns: the one that has been
	// claimable for longest since its last visit goes first, and none gets more than
	// c.PerWebhook in one call. A claim may take fewer of a webhook than it could, to
	// share the call among those that wait; Next is then 0. A store of several parts
	// keeps these turns within each part, and visits all parts in turn.
	//
	// Of a webhook with a RateLimit, Claim takes no more than the webhook's bucket
	// has tokens for: see Rates in the comment of this package. Of one that is held it
	// takes tests only: see [Result]. Next and the turns of webhooks go by the end of a
	// hold where that is later than the due time.
	//
	// If a part of the store is out of reach, Claim returns what it took elsewhere.
	// It fails only if it has taken nothing.
	//
	// A delivery whose lease ended without a Finish is due again at once, with
	// Reclaims one higher and Attempts unchanged. Each claim of a delivery gives it a
	// higher Token than it had before.
	Claim(ctx context.Context, c ClaimRequest) (Claimed, error)

	// Finish settles leases. Results are independent of each other, and the answers
	// are in their order.
	//
	// A result whose Token is not the delivery's current one answers [FinishStale]
	// and changes nothing. One that repeats an accepted result answers
	// [FinishRepeated] and changes nothing, however often it is sent, until the
	// delivery is claimed again, cancelled or pruned; after that it is stale or gone. A
	// delivery that is not there answers [FinishGone]. Any other result is accepted, even
	// after the lease's end if nobody has claimed since, and even if the webhook was
	// disabled meanwhile.
	//
	// A store of several parts answers [FinishUnavailable] for what it could not
	// reach, so that one part that is away holds up no other. If Finish returns an
	// error, any of the results may have been stored. To send them again is safe.
	//
	// An accepted result with an outcome other than [Released] appends the attempt,
	// adds 1 to Attempts, and sets the delivery's and the webhook's counters, status
	// and streak in the same step: see [Result].
	Finish(ctx context.Context, results []Result) ([]Finished, error)

	// Watch calls wake when a delivery may have become claimable sooner than the
	// last Claim announced, and once when watching has begun. It blocks until ctx
	// ends and then returns nil. It may return an error earlier, and the caller
	// watches again after a pause. wake returns at once and is safe from any
	// goroutine. A missed call costs time and nothing else.
	Watch(ctx context.Context, wake func()) error

	// Prune removes what retention no longer keeps, at most p.Limit records, and
	// says whether more may be left to do. See [PruneRequest].
	Prune(ctx context.Context, p PruneRequest) (Pruned, error)
}

// Webhooks keeps registered endpoints.
type Webhooks interface {
	// CreateWebhook stores w under merchantID with Version 1, Epoch 1 and the status of
	// w, and returns what it stored. A webhook that comes from another store brings
	// along its CreatedAt, UpdatedAt and, if it is disabled, DisabledAt, and a previous
	// secret that is good until PreviousUntil. Where they are not given, CreatedAt and
	// UpdatedAt are the store's time, as is what lies in the future of these three.
	// Counters, the Mark and the other times in w are ignored: see [Webhook.AsNew]. It
	// fails with [ErrLimit] if the merchant has limit webhooks already (limit 0: no
	// bound), and with [ErrConflict] if the id is taken.
	CreateWebhook(ctx context.Context, merchantID string, w Webhook, limit int) (Webhook, error)

	// Webhook returns one webhook or [ErrNotFound].
	Webhook(ctx context.Context, merchantID, webhookID string) (Webhook, error)

	// ListWebhooks returns a page of the merchant's webhooks, oldest first, ties by
	// id. A merchant without any is an empty page, not an error.
	ListWebhooks(ctx context.Context, merchantID string, q WebhookQuery) (WebhookPage, error)

	// UpdateWebhook applies u in one step, adds 1 to Version and returns the result.
	// It fails with [ErrNotFound], and with [ErrVersion] if u.IfVersion is set and
	// differs.
	//
	// Turning a disabled webhook active empties DisabledReason, DisabledAt and UnwellSince,
	// sets ConsecutiveFailures to 0 and adds 1 to Epoch. Its paused deliveries are
	// claimable at once if due, for the new Epoch ends a hold. Setting the status that it already has changes none
	// of these. Another URL, too, empties UnwellSince, sets ConsecutiveFailures to 0 and adds 1 to Epoch:
	// what the endpoint before did says nothing of this one. Both at once add 1.
	UpdateWebhook(ctx context.Context, merchantID, webhookID string, u WebhookUpdate) (Webhook, error)

	// DeleteWebhook forgets the webhook with its deliveries, stats and notices. A
	// store may remove deliveries later in steps, but no method shows them any more.
	// ifVersion works as in [WebhookUpdate].
	DeleteWebhook(ctx context.Context, merchantID, webhookID string, ifVersion int64) error

	// Changes lists the last [MaxChanges] changes of a webhook, newest first: see
	// [Change]. It fails with [ErrNotFound] if there is no such webhook.
	Changes(ctx context.Context, merchantID, webhookID string) ([]Change, error)
}

// History tells what became of events and deliveries, and sends an event again or sooner.
type History interface {
	// Event returns one stored event or [ErrNotFound].
	Event(ctx context.Context, merchantID, eventID string) (Event, error)

	// Events lists stored events, oldest first unless q says otherwise, without their
	// bodies. Test events are not listed.
	Events(ctx context.Context, merchantID string, q EventQuery) (EventPage, error)

	// EventDeliveries tells what became of one stored event, or fails with
	// [ErrNotFound].
	EventDeliveries(ctx context.Context, merchantID, eventID string) (EventDeliveries, error)

	// Delivery returns one delivery with its attempts, oldest first, or
	// [ErrNotFound].
	Delivery(ctx context.Context, merchantID, webhookID, deliveryID string) (Delivery, error)

	// Deliveries lists a webhook's deliveries, newest first, without their attempts.
	// It fails with [ErrNotFound] if there is no such webhook.
	Deliveries(ctx context.Context, merchantID, webhookID string, q DeliveryQuery) (DeliveryPage, error)

	// Stats counts a webhook's kept deliveries. It fails with [ErrNotFound].
	Stats(ctx context.Context, merchantID, webhookID string) (Stats, error)

	// Enqueue makes one more pending delivery, due now, of each stored event to one
	// webhook, whatever its status and subscriptions. The nonce is not empty: the
	// same webhook, event and nonce again answer the same delivery for as long as
	// that is kept, and change nothing. If maxPending is above 0, none is made beyond so
	// many pending deliveries of the webhook: see [Enqueued]. The answers are in the
	// order of eventIDs. It fails with [ErrNotFound] if there is no such webhook.
	Enqueue(ctx context.Context, merchantID, webhookID string, eventIDs []string, nonce string, maxPending int) ([]Enqueued, error)

	// Expedite makes a pending delivery due now, if it is due later, and says whether it
	// is pending. One that is due already or leased stays as it is, and so does one that
	// has ended. It fails with [ErrNotFound].
	Expedite(ctx context.Context, merchantID, webhookID, deliveryID string) (pending bool, err error)

	// Cancel ends pending deliveries of a webhook as failed, without an attempt: one, or a
	// step of all. What it ends, no lease has any more: see [CancelRequest]. It fails with
	// [ErrNotFound] if there is no such webhook, or not the delivery that is named.
	Cancel(ctx context.Context, merchantID, webhookID string, c CancelRequest) (Cancelled, error)
}

// Notices is the durable list of messages for the owners of webhooks. The store
// itself adds the one of a webhook that failures have disabled: see [Result]. Every
// other one is the caller's.
type Notices interface {
	// AddNotice adds n for the webhook that n names, and sets that webhook's Mark
	// from oldMark to newMark, in one step. It does neither if the Mark is another
	// one, and says so. So of callers that saw the same Mark, one adds a notice, over
	// all processes, whether or not it was acknowledged meanwhile. It fails with
	// [ErrNotFound] if there is no such webhook. ID, MerchantID and At are the
	// store's.
	AddNotice(ctx context.Context, merchantID string, n Notice, oldMark, newMark string) (added bool, err error)

	// ClaimNotices hides up to limit notices from every other caller until the lease
	// ends, oldest first. None is not an error. Each claim of a notice gives it a
	// higher Token than it had before.
	ClaimNotices(ctx context.Context, limit int, lease time.Duration) ([]NoticeLease, error)

	// DeferNotice hides a notice from everybody for delay from now, even after the
	// lease's end. With a token other than the notice's current one it changes
	// nothing, for somebody else has it now. Neither that nor a notice that is not
	// there is an error.
	DeferNotice(ctx context.Context, merchantID, noticeID string, token int64, delay time.Duration) error

	// AckNotice removes a notice for good, whoever has claimed it since: what was
	// handed over need not be once more. One that is not there is not an error.
	AckNotice(ctx context.Context, merchantID, noticeID string) error
}

// Seen is a memory of what has been done. An id is held by one holder at a time,
// until it is committed, forgotten or its lease ends.
type Seen interface {
	// BeginSeen asks to process id. It answers [SeenNew] if the caller's holder now
	// holds it for b.Lease (also if that holder held it already, for as long from now),
	// [SeenInProgress] if another one does, [SeenDone] with the committed value if it was committed, and
	// [SeenConflict] if it is held, kept or committed with another fingerprint.
	BeginSeen(ctx context.Context, scope, id string, b SeenBegin) (SeenAnswer, error)

	// CommitSeen marks id as done for ttl and keeps value for later answers. It fails
	// with [ErrStale] if holder does not hold id any more. Committing twice is not an
	// error.
	CommitSeen(ctx context.Context, scope, id, holder string, value []byte, ttl time.Duration) error

	// ForgetSeen gives id up, so that it can begin again. Only its holder can; for
	// any other it does nothing.
	ForgetSeen(ctx context.Context, scope, id, holder string) error
}

// Jobs is the durable list of what dispatchers do in steps: see [Job].
type Jobs interface {
	// AddJob adds j, which is claimable at once, and returns it with what is the
	// store's: Version, CreatedAt and UpdatedAt. If the merchant has a job with this id,
	// ended or not, AddJob changes nothing and returns that one as it is. Otherwise, if
	// a job of the same scope has not ended, it changes nothing and returns that one.
	// So the caller compares the id, and to add a job again is safe.
	AddJob(ctx context.Context, merchantID string, j Job) (Job, error)

	// Job returns one job or [ErrNotFound].
	Job(ctx context.Context, merchantID, jobID string) (Job, error)

	// ListJobs lists a merchant's jobs, the one that was added last first. A merchant
	// without any is an empty page, not an error.
	ListJobs(ctx context.Context, merchantID string, q JobQuery) (JobPage, error)

	// UpdateJob applies u in one step, adds 1 to Version, sets UpdatedAt and returns
	// the result. It fails with [ErrNotFound], and with [ErrVersion] if u.IfVersion is
	// set and differs. So of two callers that saw the same job, one changes it.
	//
	// Of the jobs of a merchant that have ended, [MaxEndedJobs] are kept. When one more
	// ends, the one that ended first is forgotten.
	UpdateJob(ctx context.Context, merchantID, jobID string, u JobUpdate) (Job, error)

	// ClaimJobs hides up to limit jobs of these kinds from every other caller until the
	// lease ends, those that have been claimable for longest first. Jobs of other kinds
	// stay as they are. None is not an error. A claim changes nothing that a job shows. A job whose lease ended without an UpdateJob is
	// claimable again at once. A store of several parts keeps this order within each
	// part, and visits all parts in turn.
	ClaimJobs(ctx context.Context, kinds []string, limit int, lease time.Duration) ([]Job, error)
}

// Directory is what an operator asks over all merchants.
type Directory interface {
	// Merchants lists the ids of the merchants that have webhooks, each once, in an
	// order of the store's.
	Merchants(ctx context.Context, q MerchantQuery) (MerchantPage, error)

	// Troubled lists the webhooks of all merchants that are disabled or have an
	// UnwellSince, each once, in an order of the store's. Its cost does not grow with the
	// number of those that are well.
	Troubled(ctx context.Context, q TroubledQuery) (WebhookPage, error)
}
