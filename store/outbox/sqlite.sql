-- Events that wait for a relay, were set aside, or were relayed a while ago. Times are Unix
-- milliseconds.
create table @outbox (
	id integer primary key autoincrement,
	merchant text not null,
	eid text not null,
	type text not null,
	raw integer not null default 0, -- 1: body is the event's data, which nobody has checked
	body blob not null,
	fp text not null default '',
	trace text not null default '',
	test text not null default '',
	forged integer not null default 0,
	most integer not null default 0,
	at integer not null, -- when it was written
	state integer not null default 0, -- 0 waits, 1 set aside, 2 relayed
	due integer not null, -- when a relay may take it, or when it was set aside or relayed
	tries integer not null default 0, -- that failed although others went through
	why text not null default '' -- the last failure
);

-- step

create index @outbox_due on @outbox (state, due);

-- step

create index @outbox_state on @outbox (state, id);

-- step

create index @outbox_event on @outbox (merchant, eid);
