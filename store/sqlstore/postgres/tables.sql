-- The tables of the store. Times are Unix milliseconds. No foreign key, trigger or enum:
-- see docs/stores.md for what each table is for and what is true of it at rest.
--
-- An id is (milliseconds since 2020) << 22 | place of the call << 10 | place in the call,
-- so ids sort by the time of their making, and a time is a bound of the key.

create table meta (
	single boolean primary key default true check (single),
	cipher bytea not null -- 16 bytes, for the public ids of deliveries
);

create sequence ids increment by 1;

create table webhook (
	wh bigint generated always as identity primary key,
	merchant text collate "C" not null,
	wid text collate "C" not null,
	url text not null,
	events text not null, -- JSON, in the owner's order
	kinds text[] not null, -- the same, to match
	active boolean not null, -- as in ready, for publishers
	reason text not null default '',
	disabled bigint not null default 0,
	secret text not null,
	previous text not null default '',
	previous_until bigint not null default 0,
	encoding text not null,
	description text not null,
	metadata text not null, -- JSON
	headers text not null,
	version bigint not null default 1,
	mark text not null default '',
	created bigint not null,
	updated bigint not null,
	updated_by text not null default '',
	unique (merchant, wid)
) with (fillfactor = 80);

create index webhook_age on webhook (merchant, created, wid);
create index webhook_off on webhook (wh) where not active;

-- The last changes of each webhook, at most 100.
create table change (
	wh bigint not null,
	version bigint not null, -- of the webhook, after it
	at bigint not null,
	actor text not null,
	active boolean not null,
	reason text not null,
	fields text not null, -- with commas between; empty for the registration
	url text, -- if it is told, as events
	events text, -- JSON
	primary key (wh, version)
);

-- One row for each webhook, and the lock of all that moves its pending deliveries. ver rises
-- with every change, so that the newest version comes first in the key and dead ones cost
-- nothing. The key is not unique, for an update of a unique key needs a stronger lock.
create table ready (
	wh bigint not null,
	ver bigint not null default 0,
	active boolean not null,
	rate integer not null,
	level bigint not null, -- of the bucket, in thousandths of a token
	taken bigint not null, -- when that was
	epoch bigint not null default 1,
	streak integer not null default 0,
	failing bigint not null default 0, -- since when; of the last streak
	unwell bigint not null default 0, -- since when tries fail
	succeeded bigint not null default 0, -- when one did last
	disablings bigint not null default 0,
	disabler bigint not null default 0, -- the delivery that disabled it last
	disabler_token bigint not null default 0,
	held bigint not null default 0, -- until then nothing but tests is claimable
	capped boolean not null default false, -- the last claim that saw it left it no room
	since bigint not null, -- when it got room or was enabled: no turn is from before
	next_at bigint, -- since when it is claimable, or when to look at it
	floor bigint, -- not after the due of any delivery that waits and is no test
	tfloor bigint, -- the same of tests
	inflight integer not null default 0, -- deliveries with a lease, ended or not
	lease_next bigint, -- not after the end of any lease
	lfloor bigint, -- not after the due of any leased delivery that is no test
	pruned bigint not null default 0,
	n_pending bigint not null default 0, -- with sum(n) of poke
	n_ok bigint not null default 0,
	n_failed bigint not null default 0,
	n_attempts bigint not null default 0
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);

create index ready_wh on ready (wh, ver);
create index ready_next on ready (next_at) where next_at is not null;
create index ready_unwell on ready (wh) where unwell > 0;

create table event (
	id bigint primary key,
	merchant text collate "C" not null,
	eid text collate "C" not null,
	type text collate "C" not null,
	fp text not null,
	trace text not null,
	test boolean not null,
	forged boolean not null,
	fan bigint[] not null, -- the webhooks that it was published to
	body bytea not null,
	unique (merchant, eid)
);

create index event_log on event (merchant, id) where not test;

-- What has not ended. A delivery that Publish made has the id of its event.
create table queue (
	wh bigint not null,
	id bigint not null,
	event bigint not null,
	due bigint not null,
	test boolean not null,
	size integer not null, -- of the body
	token bigint not null default 0,
	settled bigint not null default 0, -- the last token whose result was accepted
	lease bigint,
	epoch bigint not null default 0, -- of the webhook at the claim
	key text collate "C", -- of the claim
	attempts integer not null default 0,
	reclaims integer not null default 0,
	primary key (wh, id)
) with (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

create index queue_due on queue (wh, due, id) where not test;
create index queue_test on queue (wh, due, id) where test;
create index queue_again on queue (event) where event <> id;

-- What publishers leave for whoever claims next: they lock nothing that others need.
create table poke (
	id bigint generated always as identity primary key,
	wh bigint not null,
	due bigint not null,
	test boolean not null,
	n integer not null
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

create index poke_webhook on poke (wh);

-- What has ended. It names its event for longer than that is kept.
create table delivery (
	wh bigint not null,
	id bigint not null,
	event bigint not null,
	eid text collate "C" not null,
	type text collate "C" not null,
	test boolean not null,
	ok boolean not null,
	ended bigint not null,
	code text, -- why it ended without an attempt
	token bigint not null,
	attempts integer not null,
	reclaims integer not null,
	at bigint, -- of the last attempt, as all that follows
	dur bigint,
	status integer,
	err text,
	answer text,
	exchange bytea,
	primary key (wh, id)
);

create index delivery_ended on delivery (ended);

-- Attempts before the last one of what has ended, and all of what has not.
create table attempt (
	wh bigint not null,
	id bigint not null,
	number integer not null,
	at bigint not null,
	dur bigint not null,
	status integer not null,
	err text not null,
	answer text not null,
	exchange bytea, -- if it is kept
	primary key (wh, id, number)
);

-- Deliveries that Enqueue made, by its nonce, for as long as they are kept.
create table again (
	wh bigint not null,
	event bigint not null,
	nonce text collate "C" not null,
	id bigint not null,
	primary key (wh, event, nonce)
);

create table claimed (
	key text collate "C" primary key,
	until bigint not null,
	whs bigint[] not null,
	ids bigint[] not null
);

-- Deleted webhooks, whose deliveries go in steps.
create table gone (wh bigint primary key);

create table notice (
	id bigint generated always as identity primary key,
	merchant text collate "C" not null,
	wid text collate "C" not null,
	kind text not null,
	url text not null,
	reason text not null,
	failures integer not null,
	disable_after integer not null,
	since bigint not null,
	at bigint not null,
	visible bigint not null default 0, -- when it can be claimed
	token bigint not null default 0
);

create index notice_visible on notice (visible);
create index notice_webhook on notice (merchant, wid);

create table seen (
	scope text collate "C" not null,
	id text collate "C" not null,
	holder text not null,
	fp text not null,
	first text not null,
	done boolean not null default false,
	until bigint not null,
	kept bigint not null, -- when it is forgotten, if that is later
	value bytea,
	primary key (scope, id)
);

create index seen_over on seen (greatest(until, kept));

-- Work in steps.
create table job (
	seq bigint generated always as identity,
	merchant text collate "C" not null,
	id text collate "C" not null,
	scope text collate "C" not null,
	kind text not null,
	state bytea not null,
	version bigint not null default 1,
	created bigint not null,
	updated bigint not null,
	ended bigint,
	nth bigint, -- of the merchant's, in the order of their ends
	visible bigint not null, -- when it can be claimed
	primary key (merchant, id)
);

create unique index job_scope on job (merchant, scope) where ended is null;
create index job_visible on job (visible, seq) where ended is null;
create index job_log on job (merchant, seq);
create index job_nth on job (merchant, nth) where nth is not null;
create index job_ended on job (ended) where ended is not null;

-- Events of callers' transactions, on their way. Not unique, for a unique key would make
-- one transaction wait for another one's commit.
create table intake (
	id bigint generated always as identity primary key,
	merchant text collate "C" not null,
	eid text collate "C" not null,
	type text not null,
	patterns text[] not null, -- that take in the type
	fp text not null,
	trace text not null,
	test text not null,
	forged boolean not null,
	most integer not null, -- how many deliveries of a webhook may be pending; 0 for any number
	body bytea not null
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

create index intake_eid on intake (merchant, eid);

-- What was found damaged or gone, until somebody deletes the rows.
create table damage (
	n bigint generated always as identity primary key,
	at bigint not null,
	merchant text collate "C" not null,
	wid text collate "C" not null,
	wh bigint, -- of a delivery, with its id
	id bigint,
	eid text not null,
	what text not null,
	how text not null,
	told boolean not null default false
);

create unique index damage_once on damage (merchant, wid, coalesce(wh, 0), coalesce(id, 0), what);

-- Events of callers' transactions whose id stood for something else by the time of the commit.
create table mishap ( -- for 30 days
	id bigint generated always as identity primary key,
	at bigint not null,
	merchant text collate "C" not null,
	eid text collate "C" not null,
	why text not null
);
