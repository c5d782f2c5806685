-- What was damaged is noted once for each thing, up to a hundred, and told by the next Prune. The
-- notes stay until somebody deletes them.
create function note_damage_1(p_now bigint, p_merchant text, p_wid text, p_wh bigint, p_id bigint, p_eid text, p_what text, p_how text)
returns void language sql as $$
	insert into damage (at, merchant, wid, wh, id, eid, what, how)
	select p_now, coalesce(p_merchant, ''), coalesce(p_wid, ''), p_wh, p_id, coalesce(p_eid, ''), p_what, p_how
	where (select count(*) from damage) < 100
	on conflict do nothing
$$;

-- set_aside_lost_1 takes care of what a claim has leased and cannot hand out: a delivery whose event is
-- gone ends, and a webhook whose row is gone is one that was deleted. The caller has locked the
-- webhooks.
create function set_aside_lost_1(p_now bigint, p_whs bigint[], p_ids bigint[]) returns void language plpgsql as $$
declare
	v_whs bigint[];
	v_ids bigint[];
begin
	perform bury_1(p_now, u.wh) from (select distinct u.wh from unnest(p_whs) u(wh)) u where not exists (select from webhook w where w.wh = u.wh);
	select array_agg(q.wh), array_agg(q.id) into v_whs, v_ids
	from unnest(p_whs, p_ids) u(wh, id) join queue q on q.wh = u.wh and q.id = u.id
	where exists (select from webhook w where w.wh = u.wh) and not exists (select from event e where e.id = q.event);
	perform note_damage_1(p_now, w.merchant, w.wid, u.wh, u.id, null, 'delivery', 'has no event any more')
	from unnest(v_whs, v_ids) u(wh, id) join webhook w on w.wh = u.wh;
	if v_whs is not null then
		perform give_up_1(v_whs, v_ids, 'damaged', p_now, true);
	end if;
end $$;

-- bury_1 leaves what belongs to a webhook without a row to Prune. The caller has locked its row of
-- ready.
create function bury_1(p_now bigint, p_wh bigint) returns void language plpgsql as $$
declare
	v_merchant text := (select e.merchant from queue q join event e on e.id = q.event where q.wh = p_wh limit 1);
begin
	perform note_damage_1(p_now, v_merchant, null, p_wh, null, null, 'webhook', 'has no row any more, so it counts as deleted');
	insert into gone values (p_wh) on conflict do nothing;
	delete from change where wh = p_wh;
	delete from ready where wh = p_wh;
end $$;

-- mend_ready_1 makes the row of ready anew that a webhook has lost, without its rate and its streak.
create function mend_ready_1(p_now bigint, p_wh bigint) returns void language plpgsql as $$
begin
	perform from webhook w where w.wh = p_wh for update skip locked;
	if not found or exists (select from ready r where r.wh = p_wh) then
		return;
	end if;
	insert into ready (wh, active, rate, level, taken, epoch, since, inflight, lease_next, n_ok, n_failed, n_attempts)
	select w.wh, w.active, 0, 0, p_now, greatest(q.epoch, 1), p_now, q.leased, q.lease, d.ok, d.failed, d.attempts
	from webhook w,
		(select max(x.epoch) epoch, count(x.lease) leased, min(x.lease) lease from queue x where x.wh = p_wh) q,
		(select count(*) filter (where x.ok) ok, count(*) filter (where not x.ok) failed, coalesce(sum(x.attempts), 0) attempts from delivery x where x.wh = p_wh) d
	where w.wh = p_wh;
	update ready r set n_attempts = r.n_attempts + (select coalesce(sum(x.attempts), 0) from queue x where x.wh = p_wh) where r.wh = p_wh;
	perform recount_1(p_now, p_wh);
	perform note_damage_1(p_now, w.merchant, w.wid, p_wh, null, null, 'webhook', 'had no row in ready; it was made anew without rate limit and streak')
	from webhook w where w.wh = p_wh;
end $$;

-- recount_1 counts anew what waits for a webhook, whose row of ready the caller has locked or made,
-- and puts it in line.
create function recount_1(p_now bigint, p_wh bigint) returns void language plpgsql as $$
begin
	update ready r set ver = r.ver + 1,
		n_pending = (select count(*) from queue q where q.wh = p_wh) - coalesce((select sum(p.n) from poke p where p.wh = p_wh), 0),
		inflight = (select count(*) from queue q where q.wh = p_wh and q.lease is not null),
		lease_next = (select min(q.lease) from queue q where q.wh = p_wh),
		lfloor = (select min(q.due) from queue q where q.wh = p_wh and q.lease is not null and not q.test), capped = false
	where r.wh = p_wh and r.ver = (select x.ver from ready x where x.wh = p_wh order by x.ver desc limit 1);
	perform refloor_1(p_wh), line_up_1(p_wh, p_now);
end $$;

-- mend_lines_1 makes the rows of ready that webhooks have lost about which pokes wait.
create function mend_lines_1(p_now bigint, p_whs bigint[]) returns void language sql as $$
	select mend_ready_1(p_now, u.wh) from unnest(p_whs) u(wh) where not exists (select from ready r where r.wh = u.wh)
$$;

-- sweep_1 looks at up to p_limit webhooks after p_after for what nobody would come across: one that
-- has lost its row of ready or its own, deliveries that are not in line, and counts of deliveries
-- that are not there. It answers the last one that it has looked at, 0 at the end.
--
-- Locks: rows of ready in order of wh, waiting; then what belongs to them.
create function sweep_1(p_now bigint, p_after bigint, p_limit integer) returns bigint language plpgsql @settings as $$
declare
	v_now bigint := clock_1(p_now);
	v_old bigint := v_now - 60000;
	v_last bigint := 0;
	v_n integer := 0;
	rec record;
begin
	for rec in
		select u.wh, w.wh is null buried, r.wh is null lost,
			exists (select from queue q where q.wh = u.wh and not q.test and q.lease is null and q.due < least(coalesce(r.floor, v_old), v_old))
			or exists (select from queue q where q.wh = u.wh and q.test and q.lease is null and q.due < least(coalesce(r.tfloor, v_old), v_old))
			or r.n_pending <> 0 and not exists (select from queue q where q.wh = u.wh) unlike
		from (
			(select x.wh from webhook x where x.wh > p_after order by x.wh limit p_limit)
			union
			(select x.wh from ready x where x.wh > p_after order by x.wh limit p_limit)
			order by 1 limit p_limit) u
		left join webhook w on w.wh = u.wh
		left join lateral (select * from ready y where y.wh = u.wh order by y.ver desc limit 1) r on true
		order by u.wh
	loop
		v_n := v_n + 1;
		v_last := rec.wh;
		if rec.buried then
			perform lock_ready_1(array[rec.wh]);
			if not exists (select from webhook w where w.wh = rec.wh) then
				perform bury_1(v_now, rec.wh);
			end if;
		elsif rec.lost then
			perform mend_ready_1(v_now, rec.wh);
		elsif rec.unlike then
			perform sweep_line_1(v_now, rec.wh, v_old);
		end if;
	end loop;
	return case when v_n = p_limit then v_last else 0 end;
end $$;

-- sweep_line_1 looks once more at a webhook that it has locked, and mends its line. What publishers
-- have left in poke for less than a minute is on its way.
create function sweep_line_1(p_now bigint, p_wh bigint, p_old bigint) returns void language plpgsql as $$
declare
	v_ready ready;
begin
	perform lock_ready_1(array[p_wh]);
	select * into v_ready from ready x where x.wh = p_wh order by x.ver desc limit 1;
	if not found or exists (select from poke p where p.wh = p_wh) or not (
		exists (select from queue q where q.wh = p_wh and not q.test and q.lease is null and q.due < least(coalesce(v_ready.floor, p_old), p_old))
		or exists (select from queue q where q.wh = p_wh and q.test and q.lease is null and q.due < least(coalesce(v_ready.tfloor, p_old), p_old))
		or v_ready.n_pending <> 0 and not exists (select from queue q where q.wh = p_wh)) then
		return;
	end if;
	perform recount_1(p_now, p_wh);
	perform note_damage_1(p_now, w.merchant, w.wid, p_wh, null, null, 'line', 'did not fit the deliveries that wait; it was made anew')
	from webhook w where w.wh = p_wh;
end $$;
