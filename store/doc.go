// Package store is the contract between the webhook service and the place
// where its state lives. It holds records, roles and sentinels, and imports
// nothing but the standard library.
//
// A store is dumb on purpose. It knows no schedule and no policy, retries nothing and
// logs nothing: package webhook decides what to do next, once for all stores, and a
// store remembers it and hands it out again. What a store must be good at is
// atomicity. What a method says of one event, one delivery or one webhook happens
// whole or not at all, seen from every process that shares the store. A batch may be
// done in part where its method says so.
//
// # Roles
//
// Roles are cut by who calls them. [Publisher] takes events in, also in somebody's
// transaction. [Queue] is the dispatcher's: deliveries out, results in. [Webhooks]
// keeps the registered endpoints. [History] tells what became of events and
// deliveries, and sends one again. [Notices] are messages for an endpoint's owner,
// [Seen] is a memory of what was done, [Jobs] is work that dispatchers do in steps,
// [Backlogs] tells how much waits, and [Directory] is an operator's view over all
// merchants. [Store] embeds them all. A consumer demands the roles that it calls, and
// nothing else.
//
// A store whose records end with the process says so by [Volatile].
//
// # Tenants
//
// Every record belongs to a merchant. Every method that names a record takes the
// merchant too. A record of another merchant is [ErrNotFound], the same as one that
// never was.
//
// # Ids
//
// Ids of merchants, webhooks, events and jobs are the caller's. Ids of deliveries and
// notices are the store's, so that a store may put a record's place into its id. An
// event has one delivery per webhook because its id is published once, and further
// ones only by Enqueue.
//
// # Time
//
// The store's clock decides what is due and stamps every record, so that processes
// whose clocks differ agree. Callers pass durations, and get durations back where
// they have to wait. A store keeps times to the millisecond, and tells its time with
// each claim.
//
// # Bounds
//
// No answer grows with what a store holds. A claim is bounded in number and in bytes.
// Lists come in pages, each at the cost of a bounded number of records: a page holds
// at most Limit records, and may hold fewer, even none, and still have a Next, so
// that a filter never makes one call look through everything. Next, given as the
// Cursor of the same query, continues after the page, and is empty at the end.
// Following it shows no record twice, and leaves none out that was there from the
// first page to the last. A cursor that cannot be one of the store's is [ErrCursor].
//
// # The two-level queue
//
// Each webhook has its own pending deliveries, ordered by due time, and its own
// leased ones, ordered by the lease's end. Over them the store keeps the next moment
// at which each webhook may have something to claim. So a claim costs the same with a
// thousand pending deliveries as with a million, one dead endpoint delays no other,
// and a disabled one is simply not there.
//
// # Rates
//
// A webhook with a [Webhook.RateLimit] of R has a bucket of tokens, one second's
// worth. Every delivery that Claim takes costs a token: a first try, a retry, a
// reclaim and a test alike. So a rate holds over all callers, and to wait for it
// costs no attempt.
//
// The bucket is counted in thousandths of a token, so that all of it is whole
// numbers. It holds 1000·R of them when the rate is set, and never more. A delivery
// takes 1000, and whatever is left then grows by R with each millisecond of the
// store's clock; a clock that goes back adds nothing. While a bucket holds less than
// 1000, nothing of its webhook is claimable. If L was left, that ends
// ceil((1000 - L) / R) milliseconds after the last delivery was taken. Where this
// moment is later than the due time, Claim's Next and the turns of webhooks go by it.
//
// # Damage
//
// A disk, an operator or another program may leave a record that a store cannot read, or
// take one away that others need. It costs itself: calls about others answer as they would
// without it. A call about the record fails with [ErrDamaged], or with [ErrNotFound] if
// nothing of it is left. A list shows the others, and names it where its page says so.
//
// No delivery stays pending for want of what was damaged. One that cannot be sent ends as
// Failed with [CodeDamaged] the next time that Claim meets it; its EventID and EventType
// are empty if they are not known any more. One that cannot be read at all is dropped. A
// webhook that cannot be read is left alone, and its deliveries may wait with it.
// DeleteWebhook takes it away all the same.
//
// What a store has found it counts in [Backlog].Damaged, and names once in
// [Pruned].Damaged. A value that can be read and is not the one that was written is
// believed: checksums are the business of what is below a store.
//
// # Writing a store
//
// Package storetest holds this contract as a test suite. A store that passes it works
// under a dispatcher. Package memstore is the contract in plain maps and heaps, to be
// read beside it.
package store
