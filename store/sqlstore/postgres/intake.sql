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
			(m text, e text, t text, p text[], fp text, trace text, test text, forged boolean, most integer, at integer, size integer)) with ordinality
			as g (m, e, t, p, fp, trace, test, forged, most, at, size, o)
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
		insert into intake (merchant, eid, type, patterns, fp, trace, test, forged, most, body)
		select j.m, j.e, j.t, j.p, j.fp, j.trace, j.test, j.forged, j.most, substring(p_bodies from j.at for j.size)
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
	with o as materialized (
		select x.id from intake x order by x.id limit p_limit for update skip locked
	), taken as (
		delete from intake i using o where i.id = o.id returning i.*
	), placed as (
		select t.*, sum(octet_length(t.body)) over (order by t.id) - octet_length(t.body) + 1 as start from taken t
	)
	select count(*), string_agg(p.body, ''::bytea order by p.id), json_agg(json_build_object(
		'm', p.merchant, 'e', p.eid, 't', p.type, 'p', p.patterns, 'fp', p.fp, 'trace', p.trace, 'test', p.test, 'forged', p.forged, 'most', p.most,
		'at', p.start, 'size', octet_length(p.body)) order by p.id)
	into v_n, v_bodies, v_events from placed p;
	if v_n > 0 then
		insert into mishap (at, merchant, eid, why)
		select clock_1(p_now), v_events -> r.o_place ->> 'm', v_events -> r.o_place ->> 'e', r.o_state
		from publish_1(p_now, v_events, v_bodies) r where r.o_state in ('conflict', 'nobody');
	end if;
	return v_n;
end $$;

-- set_aside_1 notes the first event that was taken in, which cannot be published, and removes it.
create function set_aside_1(p_now bigint, p_why text) returns integer language plpgsql @settings as $$
begin
	with o as materialized (
		select x.id from intake x order by x.id limit 1 for update skip locked
	), taken as (
		delete from intake i using o where i.id = o.id returning i.*
	)
	insert into mishap (at, merchant, eid, why) select clock_1(p_now), t.merchant, t.eid, p_why from taken t;
	return 1;
end $$;

-- fold_1 counts up to p_limit pokes that are older than five seconds, which nobody who claims has
-- folded. It answers how many it has looked at.
--
-- Locks: rows of ready in order of wh, those of others skipped.
create function fold_1(p_now bigint, p_limit integer) returns integer language plpgsql @settings as $$
declare
	v_now bigint := clock_1(p_now);
	v_pokes bigint[];
	v_whs bigint[];
begin
	select array_agg(p.id), array_agg(distinct p.wh) into v_pokes, v_whs
	from (select x.id, x.wh from poke x where x.due < v_now - 5000 order by x.id limit p_limit) p;
	select array_agg(l.wh) into v_whs from (
		select r.wh from unnest(v_whs) c(wh)
		cross join lateral (select x.ver from ready x where x.wh = c.wh order by x.ver desc limit 1) v
		join ready r on r.wh = c.wh and r.ver >= v.ver
		order by r.wh for no key update of r skip locked) l;
	with poked as (
		delete from poke p where p.id = any(v_pokes) and p.wh = any(v_whs) returning p.wh, p.due, p.test, p.n
	), folded as (
		select p.wh, min(p.due) filter (where not p.test) due, min(p.due) filter (where p.test) tdue, sum(p.n) n from poked p group by p.wh
	)
	update ready r set ver = r.ver + 1, n_pending = r.n_pending + f.n, floor = least(r.floor, f.due), tfloor = least(r.tfloor, f.tdue)
	from folded f where r.wh = f.wh and r.ver = (select x.ver from ready x where x.wh = f.wh order by x.ver desc limit 1);
	perform line_up_1(u.wh, v_now) from unnest(v_whs) u(wh);
	return coalesce(cardinality(v_pokes), 0);
end $$;
