-- intake_1 takes events in for publishing after the commit of the caller's transaction. It waits
-- for nobody, and no answer of its own ends that transaction.
--
-- Answers one row for each event in order: 'new', 'old', 'conflict', or 'nobody' for a test of
-- no webhook. It sees what was committed before, and what the same transaction has published. In a
-- serializable transaction it sees its own call only, for a look would make it fail later.
--
-- Locks: its own new rows only.
create function intake_1(p_events json, p_bodies bytea) returns table (o_state text) language plpgsql @settings as $$
declare
	v_look boolean := current_setting('transaction_isolation') <> 'serializable';
begin
	return query
	with given as materialized (
		select g.*, row_number() over (partition by g.m, g.e order by g.o) nth, first_value(g.fp) over (partition by g.m, g.e order by g.o) first
		from rows from (json_to_recordset(p_events) as
			(m text, e text, t text, fp text, trace text, test text, forged boolean, most integer, at integer, size integer)) with ordinality
			as g (m, e, t, fp, trace, test, forged, most, at, size, o)
	), known as materialized (
		select g.*, coalesce(
			(select e.fp from event e where v_look and e.merchant = g.m and e.eid = g.e),
			(select i.fp from intake i where v_look and i.merchant = g.m and i.eid = g.e order by i.id limit 1),
			case when g.nth > 1 then g.first end) known
		from given g
	), judged as materialized (
		select k.*, case
			when k.known is null and k.test <> '' and not exists (
				select from webhook w where v_look and w.merchant = k.m and w.wid = k.test) and v_look then 'nobody'
			when k.known is null then 'new' when k.known = k.fp then 'old' else 'conflict' end state
		from known k
	), taken as (
		insert into intake (merchant, eid, type, fp, trace, test, forged, most, body)
		select j.m, j.e, j.t, j.fp, j.trace, j.test, j.forged, j.most, substring(p_bodies from j.at for j.size)
		from judged j where j.state = 'new' order by j.o
	)
	select j.state from judged j order by j.o;
end $$;

-- relay_1 publishes up to p_limit events that were taken in, and notes those whose id stands for
-- something else by now. It answers how many it has taken.
--
-- Locks: the rows that it takes, those of others skipped; then as publish_1.
create function relay_1(p_now bigint, p_limit integer) returns integer language plpgsql @settings as $$
declare
	v_events json;
	v_bodies bytea;
	v_n integer;
begin
	with taken as (
		delete from intake i using (select x.id from intake x order by x.id limit p_limit for update skip locked) o
		where i.id = o.id returning i.*
	), placed as (
		select t.*, sum(octet_length(t.body)) over (order by t.id) - octet_length(t.body) + 1 as start from taken t
	)
	select count(*), string_agg(p.body, ''::bytea order by p.id), json_agg(json_build_object(
		'm', p.merchant, 'e', p.eid, 't', p.type, 'fp', p.fp, 'trace', p.trace, 'test', p.test, 'forged', p.forged, 'most', p.most,
		'at', p.start, 'size', octet_length(p.body)) order by p.id)
	into v_n, v_bodies, v_events from placed p;
	if v_n > 0 then
		insert into mishap (at, merchant, eid, why)
		select clock(p_now), v_events -> r.o_place ->> 'm', v_events -> r.o_place ->> 'e', r.o_state
		from publish_1(p_now, v_events, v_bodies) r where r.o_state in ('conflict', 'nobody');
	end if;
	return v_n;
end $$;
