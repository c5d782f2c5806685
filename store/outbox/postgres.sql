-- Events that wait for a relay, were set aside, or were relayed a while ago. Times are Unix
-- milliseconds.
create table @outbox (
	id bigint generated always as identity primary key,
	merchant text collate "C" not null,
	eid text collate "C" not null,
	type text not null,
	raw smallint not null default 0, -- 1: body is the event's data, which nobody has checked
	body bytea not null,
	fp text not null default '',
	trace text not null default '',
	test text not null default '',
	forged smallint not null default 0,
	most integer not null default 0,
	at bigint not null, -- when it was written
	state smallint not null default 0, -- 0 waits, 1 set aside, 2 relayed
	due bigint not null, -- when a relay may take it, or when it was set aside or relayed
	tries integer not null default 0, -- that failed although others went through
	why text not null default '' -- the last failure
) with (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);

-- step

create index outbox_due on @outbox (state, due);

-- step

create index outbox_state on @outbox (state, id);

-- step

-- Not unique: a transaction that publishes an id must not wait for another one.
create index outbox_event on @outbox (merchant, eid);

-- step

-- What a host's transaction or an idle relay asks. A plan that was made while the table was small
-- would scan all of it later on.
create function @outbox_known_1(p_merchant text, p_ids json) returns table (o_id bigint, o_eid text, o_fp text)
language sql stable set enable_seqscan = off as $$
	select f.* from json_array_elements_text(p_ids) i(eid) cross join lateral (
		select o.id, o.eid, o.fp from @outbox o where o.merchant = p_merchant and o.eid = i.eid and o.state <> 1 and o.raw = 0 offset 0) f
$$;

-- step

create function @outbox_due_1(p_floor bigint, p_now bigint) returns boolean
language sql stable set enable_seqscan = off as $$
	select exists (select 1 from @outbox where state = 0 and due >= p_floor and due <= p_now)
$$;

-- step

-- publish writes an event in the caller's transaction, for whoever speaks SQL: a trigger, psql, a
-- service in another language. It answers the event's id. The relay checks the event and
-- publishes it after the commit, or sets it aside.
--
-- It runs with the rights of its owner, so that a role needs no more than
--   grant usage on schema @schema to ROLE; grant execute on function @schema.publish to ROLE;
create function @schema.publish(merchant text, type text, data jsonb, id text default null) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
	v_id text := coalesce(id, 'evt_' || replace(gen_random_uuid()::text, '-', ''));
	v_now bigint := extract(epoch from clock_timestamp()) * 1000;
	v_body bytea := convert_to(data::text, 'UTF8');
begin
	if merchant is null or type is null or data is null then
		raise exception 'publish: merchant, type and data must not be null' using errcode = 'null_value_not_allowed';
	end if;
	if octet_length(merchant) > 255 or octet_length(type) > 255 or octet_length(v_id) > 255 or octet_length(v_body) > 1048576 then
		raise exception 'publish: merchant, type and id have at most 255 bytes, data 1 MiB' using errcode = 'program_limit_exceeded';
	end if;
	insert into @outbox (merchant, eid, type, raw, body, at, due) values (merchant, v_id, type, 1, v_body, v_now, v_now);
	return v_id;
end $$;

-- step

revoke execute on function @schema.publish from public;
