-- The tables of the store. Times are Unix milliseconds, and yes and no are 1 and 0. No foreign
-- key and no trigger: see docs/stores.md for what each table is for and what is true of it at
-- rest. @. begins the name of everything. All are strict, so that no other type than its own is
-- in a column, whoever writes it.
--
-- An id is (milliseconds since 2020) << 22, or the last one and one more if that is greater. So ids
-- sort in the order of their making, and a time is a bound of the key.

create table @.meta (
	single integer primary key default 1 check (single = 1),
	cipher blob not null, -- 16 bytes, for the public ids of deliveries
	last integer not null default 0 -- the last id of an event or a delivery
) strict;

create table @.webhook (
	wh integer primary key autoincrement,
	merchant text not null,
	wid text not null,
	url text not null,
	events text not null, -- JSON, in the owner's order
	active integer not null, -- as in ready
	reason text not null default '',
	disabled integer not null default 0,
	secret text not null,
	previous text not null default '',
	previous_until integer not null default 0,
	encoding text not null,
	description text not null,
	metadata text not null, -- JSON
	headers text not null,
	version integer not null default 1,
	mark text not null default '',
	created integer not null,
	updated integer not null,
	updated_by text not null default '',
	unique (merchant, wid)
) strict;

create index @.webhook_age on @.webhook (merchant, created, wid);
create index @.webhook_off on @.webhook (wh) where not active;

-- The last changes of each webhook, at most 100.
create table @.change (
	wh integer not null,
	version integer not null, -- of the webhook, after it
	at integer not null,
	actor text not null,
	active integer not null,
	reason text not null,
	fields text not null, -- with commas between; empty for the registration
	url text, -- if it is told, as events
	events text, -- JSON
	primary key (wh, version)
) strict, without rowid;

-- Active webhooks by what they subscribe to.
create table @.kind (
	merchant text not null,
	kind text not null,
	wh integer not null,
	primary key (merchant, kind, wh)
) strict, without rowid;

create index @.kind_webhook on @.kind (wh);

-- One row for each webhook, of all that changes with its deliveries.
create table @.ready (
	wh integer primary key,
	active integer not null,
	rate integer not null,
	level integer not null, -- of the bucket, in thousandths of a token
	taken integer not null, -- when that was
	epoch integer not null default 1,
	streak integer not null default 0,
	failing integer not null default 0, -- since when; of the last streak
	unwell integer not null default 0, -- since when tries fail
	succeeded integer not null default 0, -- when one did last
	disablings integer not null default 0,
	disabler integer not null default 0, -- the delivery that disabled it last
	disabler_token integer not null default 0,
	held integer not null default 0, -- until then nothing but tests is claimable
	capped integer not null default 0, -- the last claim left it no room
	turn integer, -- since when or from when on it is claimable: its place in line
	inflight integer not null default 0, -- deliveries with a lease, ended or not
	lease_next integer, -- the end of the first lease
	pruned integer not null default 0,
	n_pending integer not null default 0,
	n_ok integer not null default 0,
	n_failed integer not null default 0,
	n_attempts integer not null default 0
) strict;

create index @.ready_turn on @.ready (turn) where turn is not null;
create index @.ready_unwell on @.ready (wh) where unwell > 0;
create index @.ready_lease on @.ready (lease_next) where lease_next is not null;

create table @.event (
	id integer primary key,
	merchant text not null,
	eid text not null,
	type text not null,
	fp text not null,
	trace text not null,
	test integer not null,
	forged integer not null,
	fan text not null check (json_valid(fan)), -- the webhooks that it was published to
	body blob not null,
	unique (merchant, eid)
) strict;

create index @.event_log on @.event (merchant, id) where not test;

-- What has not ended. A delivery that Publish made has the id of its event.
create table @.queue (
	wh integer not null,
	id integer not null,
	event integer not null,
	due integer not null,
	test integer not null,
	token integer not null default 0,
	settled integer not null default 0, -- the last token whose result was accepted
	lease integer,
	epoch integer not null default 0, -- of the webhook at the claim
	attempts integer not null default 0,
	reclaims integer not null default 0,
	primary key (wh, id)
) strict, without rowid;

create index @.queue_due on @.queue (wh, test, due, id) where lease is null;
create index @.queue_lease on @.queue (wh, lease) where lease is not null;
create index @.queue_again on @.queue (event) where event <> id;

-- What has ended. It names its event for longer than that is kept.
create table @.delivery (
	wh integer not null,
	id integer not null,
	event integer not null,
	eid text not null,
	type text not null,
	test integer not null,
	ok integer not null,
	ended integer not null,
	code text, -- why it ended without an attempt
	token integer not null,
	attempts integer not null,
	reclaims integer not null,
	at integer, -- of the last attempt, as all that follows
	dur integer,
	status integer,
	err text,
	answer text,
	exchange blob,
	primary key (wh, id)
) strict, without rowid;

create index @.delivery_ended on @.delivery (ended);

-- Attempts before the last one of what has ended, and all of what has not.
create table @.attempt (
	wh integer not null,
	id integer not null,
	number integer not null,
	at integer not null,
	dur integer not null,
	status integer not null,
	err text not null,
	answer text not null,
	exchange blob, -- if it is kept
	primary key (wh, id, number)
) strict, without rowid;

-- Deliveries that Enqueue made, by its nonce, for as long as they are kept.
create table @.again (
	wh integer not null,
	event integer not null,
	nonce text not null,
	id integer not null,
	primary key (wh, event, nonce)
) strict, without rowid;

-- Claims that were given a key, until their leases end.
create table @.claimed (
	key text primary key,
	until integer not null,
	leases text not null check (json_valid(leases)) -- [[wh, id, token], …], in order
) strict, without rowid;

-- Deleted webhooks, whose deliveries go in steps.
create table @.gone (wh integer primary key) strict;

create table @.notice (
	id integer primary key autoincrement,
	merchant text not null,
	wid text not null,
	kind text not null,
	url text not null,
	reason text not null,
	failures integer not null,
	disable_after integer not null,
	since integer not null,
	at integer not null,
	visible integer not null default 0, -- when it can be claimed
	token integer not null default 0
) strict;

create index @.notice_visible on @.notice (visible);
create index @.notice_webhook on @.notice (merchant, wid);

create table @.seen (
	scope text not null,
	id text not null,
	holder text not null,
	fp text not null,
	first text not null,
	done integer not null default 0,
	until integer not null,
	kept integer not null, -- when it is forgotten, if that is later
	value blob,
	primary key (scope, id)
) strict;

create index @.seen_over on @.seen (max(until, kept));

-- Work in steps.
create table @.job (
	seq integer primary key autoincrement,
	merchant text not null,
	id text not null,
	scope text not null,
	kind text not null,
	state blob not null,
	version integer not null default 1,
	created integer not null,
	updated integer not null,
	ended integer,
	nth integer, -- of the merchant's, in the order of their ends
	visible integer not null, -- when it can be claimed
	unique (merchant, id)
) strict;

create unique index @.job_scope on @.job (merchant, scope) where ended is null;
create index @.job_visible on @.job (visible, seq) where ended is null;
create index @.job_log on @.job (merchant, seq);
create index @.job_nth on @.job (merchant, nth) where nth is not null;
create index @.job_ended on @.job (ended) where ended is not null;

-- What was found damaged or gone, until somebody deletes the rows.
create table @.damage (
	n integer primary key autoincrement,
	at integer not null,
	merchant text not null,
	wid text not null,
	wh integer, -- of a delivery, with its id
	id integer,
	eid text not null,
	what text not null,
	how text not null,
	told integer not null default 0
) strict;

create unique index @.damage_once on @.damage (merchant, wid, coalesce(wh, 0), coalesce(id, 0), what);
