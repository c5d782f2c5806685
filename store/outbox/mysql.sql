-- Events that wait for a relay, were set aside, or were relayed a while ago. Times are Unix
-- milliseconds. Texts are bytes, so that no character set is in the way.
create table if not exists @outbox (
	id bigint auto_increment primary key,
	merchant varbinary(255) not null,
	eid varbinary(255) not null,
	type varbinary(255) not null,
	raw smallint not null default 0, -- 1: body is the event's data, which nobody has checked
	body longblob not null,
	fp varbinary(255) not null default '',
	trace varbinary(4096) not null default '',
	test varbinary(255) not null default '',
	forged smallint not null default 0,
	most integer not null default 0,
	at bigint not null, -- when it was written
	state smallint not null default 0, -- 0 waits, 1 set aside, 2 relayed
	due bigint not null, -- when a relay may take it, or when it was set aside or relayed
	tries integer not null default 0, -- that failed although others went through
	why varbinary(2048) not null default '', -- the last failure
	index @outbox_due (state, due),
	index @outbox_state (state, id),
	index @outbox_event (merchant, eid) -- not unique: no transaction waits for another one
) engine = InnoDB;
