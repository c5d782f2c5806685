-- publish_1 stores events, each with a delivery for every webhook that it goes to, and leaves
-- a poke for each of these. The body of an event is size bytes of p_bodies, from place at on.
--
-- Answers one row for each event in order: its state is 'new', 'old', 'conflict', or 'nobody'
-- for a test of no webhook; id is that of its deliveries; webhooks is JSON: [[wh, wid], …].
--
-- Locks: its own new rows only. It may wait for another publisher of the same event id, always
-- in order of (merchant, eid).
create function publish_1(p_now bigint, p_events json, p_bodies bytea)
returns table (o_place integer, o_state text, o_id bigint, o_webhooks text) language plpgsql @settings as $$
declare
	v_now bigint := clock(p_now);
	v_base bigint := ((v_now - 1577836800000) << 22) | ((nextval('ids') & 4095) << 10);
begin
	with given as materialized (
		select * from rows from (json_to_recordset(p_events) as
			(m text, e text, t text, fp text, trace text, test text, forged boolean, at integer, size integer)) with ordinality
			as g (m, e, t, fp, trace, test, forged, at, size, o)
	), fan as materialized (
		select g.o, array_agg(w.wh) whs from given g join webhook w on w.merchant = g.m
		where case when g.test = '' then w.active and w.kinds && array[g.t, '*'] else w.wid = g.test end
		group by g.o
	), made as (
		insert into event (id, merchant, eid, type, fp, trace, test, forged, fan, body)
		select v_base + g.o - 1, g.m, g.e, g.t, g.fp, g.trace, g.test <> '', g.forged, coalesce(f.whs, '{}'),
			substring(p_bodies from g.at for g.size)
		from given g left join fan f on f.o = g.o where g.test = '' or f.whs is not null
		order by g.m, g.e, g.o
		on conflict (merchant, eid) do nothing
		returning event.id, event.fan, event.test, octet_length(body) size
	), queued as (
		insert into queue (wh, id, event, due, test, size)
		select f.wh, m.id, m.id, v_now, m.test, m.size from made m cross join unnest(m.fan) f(wh)
	)
	insert into poke (wh, due, test, n)
	select f.wh, v_now, m.test, count(*) from made m cross join unnest(m.fan) f(wh) group by f.wh, m.test;

	return query
	select (g.o - 1)::integer,
		case when e.id is null then 'nobody' when e.id = v_base + g.o - 1 then 'new' when e.fp = g.fp then 'old' else 'conflict' end,
		e.id,
		case when e.fp = g.fp then
			(select json_agg(json_build_array(w.wh, w.wid))::text from unnest(e.fan) f(wh) join webhook w on w.wh = f.wh) end
	from rows from (json_to_recordset(p_events) as (m text, e text, fp text)) with ordinality as g (m, e, fp, o)
	left join event e on e.merchant = g.m and e.eid = g.e
	order by g.o;
end $$;
