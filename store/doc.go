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
// owner, and [Seen] what a receiver has already processed. [Store] embeds them
// all; a consumer asks for the role that it uses.
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
// # Writing a store
//
// Package storetest holds this contract as a test suite. A store that passes
// it works under a dispatcher.
package store
