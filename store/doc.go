// Package store is the contract between the webhook service and the place
// where its state lives. It holds records, roles and sentinels, and imports
// nothing but the standard library.
//
// A store is dumb on purpose. It makes no ids, knows no schedule, retries
// nothing and logs nothing: what to do next is decided once, in package
// webhook, and a store only remembers it and hands it out again. What a store
// must be good at is atomicity. What a method says of one event, one delivery or
// one webhook happens whole or not at all, seen from every process that shares
// the store. A batch may be done in part where its method says so.
//
// # Roles
//
// [Webhooks] keeps the registered endpoints, [Queue] the deliveries on their
// way, [History] what became of them, [Notices] the messages for an endpoint's
// owner, [Seen] what a receiver has already processed, and [Backlogs] how much
// waits. [Store] embeds them all; a consumer asks for the role that it uses.
//
// # Tenants
//
// Every record belongs to a merchant. Every method that names a record takes
// the merchant too, and a record of another merchant is [ErrNotFound], the
// same as one that never was.
//
// # Time
//
// The store's clock decides what is due and stamps every record, so that
// processes whose clocks differ agree. Callers pass durations, and get
// durations back where they have to wait. A store keeps times to the
// millisecond.
//
// # The two-level queue
//
// Each webhook has its own pending deliveries, ordered by due time, and its
// own leased ones, ordered by the lease's end. Over them the store keeps the
// next moment at which each webhook may have something to claim. So a claim
// costs the same with a thousand pending deliveries as with a million, one
// dead endpoint delays no other, and a disabled one is simply not there.
//
// # Rates
//
// A webhook with a [Webhook.RateLimit] of R has a bucket of tokens, one second's
// worth. Every delivery that Claim takes costs a token: a first try, a retry, a
// reclaim and a test alike. So a rate holds over all callers, and to wait for it
// costs no attempt.
//
// The bucket is counted in thousandths of a token, so that all of it is whole
// numbers. It holds 1000·R of them when the rate is set, and never more. A
// delivery takes 1000, and whatever is left then grows by R with each millisecond
// of the store's clock; a clock that goes back adds nothing. While a bucket holds
// less than 1000, nothing of its webhook is claimable. If L was left, that ends
// ceil((1000 - L) / R) milliseconds after the last delivery was taken, and where
// this moment is later than the due time, Claim's Next and the turns of webhooks
// go by it.
//
// # Writing a store
//
// Package storetest holds this contract as a test suite. A store that passes
// it works under a dispatcher.
package store
