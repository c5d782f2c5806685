-- publish_1 stores events, and makes for each a delivery to every webhook that it goes to and that
-- has fewer than its most pending, with a poke for each of these. The body of an event is size bytes
-- of p_bodies, from place at on.
--
-- Answers one row for each event in order: its state is 'new', 'old', 'conflict', or 'nobody'
-- for a test of no webhook; id is that of its deliveries; webhooks is JSON: [[wh, wid], …], missed of
-- a new one too: [wid, …].
--
-- Locks: its own new rows only. It may wait for another publisher of the same event id, always
-- in order of (merchant, eid). So two that publish at once may pass the bound by what one of them has.
create function publish_1(p_now bigint, p_events json, p_bodies bytea)
returns table (o_place integer, o_state text, o_id bigint, o_webhooks text, o_missed text) language plpgsql @settings as $$
declare
	v_now bigint := clock_1(p_now);
	v_base bigint := ((v_now - 1577836800000) << 22) | ((nextval('ids') & 4095) << 10);
	v_missed json;
	v_pruned boolean;
begin
	with given as materialized (
		select g.*, row_number() over (partition by g.m, g.e order by g.o) nth from rows from (json_to_recordset(p_events) as
			(m text, e text, t text, p text[], fp text, trace text, test text, forged boolean, most integer, at integer, size integer)) with ordinality
			as g (m, e, t, p, fp, trace, test, forged, most, at, size, o)
	), known as materialized (
		select g.o from given g where exists (select from event e where e.merchant = g.m and e.eid = g.e)
	), meant as materialized (
		select g.o, g.test, g.most, w.wh, w.wid, row_number() over (partition by w.wh order by g.o) - 1 before
		from given g join webhook w on w.merchant = g.m
		where case when g.test = '' then w.active and w.kinds && g.p else w.wid = g.test end
			and g.nth = 1 and not exists (select from known k where k.o = g.o)
	), busy as materialized (
		select b.wh, r.n_pending + coalesce((select sum(p.n) from poke p where p.wh = b.wh), 0) pending
		from (select distinct m.wh from meant m where m.most > 0) b
		cross join lateral (select x.n_pending from ready x where x.wh = b.wh order by x.ver desc limit 1) r
	), fan as materialized (
		select m.o, array_agg(m.wh) filter (where m.test <> '' or b.wh is null or b.pending + m.before < m.most) whs,
			json_agg(m.wid) filter (where m.test = '' and b.pending + m.before >= m.most) missed
		from meant m left join busy b on b.wh = m.wh and m.most > 0 group by m.o
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
	), poked as (
		insert into poke (wh, due, test, n)
		select f.wh, v_now, m.test, count(*) from made m cross join unnest(m.fan) f(wh) group by f.wh, m.test
	)
	select (select json_object_agg(f.o, f.missed) from fan f where f.missed is not null),
		exists (select from made m join known k on m.id = v_base + k.o - 1)
	into v_missed, v_pruned;
	if v_pruned then -- It was there when its webhooks were looked for, and has gone since.
		raise exception 'an event was pruned meanwhile' using errcode = '40001';
	end if;

	return query
	select (g.o - 1)::integer,
		case when e.id is null then 'nobody' when e.id = v_base + g.o - 1 then 'new' when e.fp = g.fp then 'old' else 'conflict' end,
		e.id,
		case when e.fp = g.fp then
			(select json_agg(json_build_array(w.wh, w.wid))::text from unnest(e.fan) f(wh) join webhook w on w.wh = f.wh) end,
		case when e.id = v_base + g.o - 1 then v_missed ->> g.o::text end
	from rows from (json_to_recordset(p_events) as (m text, e text, fp text)) with ordinality as g (m, e, fp, o)
	left join event e on e.merchant = g.m and e.eid = g.e
	order by g.o;
end $$;
