-- What retention no longer keeps goes in steps of at most p_limit records. Each function answers
-- how many it has removed or ended.

-- lock_ready_1 locks webhooks in order of wh, waiting, as finish_1 does.
create function lock_ready_1(p_whs bigint[]) returns void language plpgsql as $$
begin
	perform r.wh from (select distinct u.wh from unnest(p_whs) u(wh)) c
	cross join lateral (select x.ver from ready x where x.wh = c.wh order by x.ver desc limit 1) v
	join ready r on r.wh = c.wh and r.ver >= v.ver
	order by r.wh for no key update of r;
end $$;

-- give_up_1 ends deliveries, as failed with p_code and without an attempt, and answers how many. The
-- caller has locked the webhooks. No result of a lease of theirs is accepted any more, and with p_forget
-- none is known as a repetition.
create function give_up_1(p_whs bigint[], p_ids bigint[], p_code text, p_now bigint, p_forget boolean) returns integer language plpgsql as $$
declare
	v_n integer;
begin
	with ended as (
		delete from queue q using unnest(p_whs, p_ids) u(wh, id) where q.wh = u.wh and q.id = u.id returning q.*
	), last as (
		delete from attempt a using ended e where a.wh = e.wh and a.id = e.id and a.number = e.attempts returning a.*
	), logged as (
		insert into delivery (wh, id, event, eid, type, test, ok, ended, code, token, attempts, reclaims, at, dur, status, err, answer, exchange)
		select e.wh, e.id, e.event, coalesce(v.eid, ''), coalesce(v.type, ''), e.test, false, p_now, p_code,
			case when p_forget then -1 else e.token + (e.token > e.settled)::integer end, e.attempts, e.reclaims,
			l.at, l.dur, l.status, l.err, l.answer, l.exchange
		from ended e left join event v on v.id = e.event left join last l on l.wh = e.wh and l.id = e.id
	), changed as (
		select e.wh, count(*) n, count(e.lease) back from ended e group by e.wh
	), counted as (
		update ready r set ver = r.ver + 1, n_pending = r.n_pending - c.n, n_failed = r.n_failed + c.n, inflight = r.inflight - c.back,
			lease_next = case when r.inflight > c.back then r.lease_next end, lfloor = case when r.inflight > c.back then r.lfloor end,
			since = case when r.capped and c.back > 0 then greatest(r.since, least(p_now, r.lease_next)) else r.since end, capped = r.capped and c.back = 0
		from changed c where r.wh = c.wh and r.ver = (select x.ver from ready x where x.wh = c.wh order by x.ver desc limit 1)
		returning c.n
	) select coalesce(sum(n), 0) into v_n from counted;
	perform refloor_1(u.wh), line_up_1(u.wh, p_now) from (select distinct u.wh from unnest(p_whs) u(wh)) u;
	return v_n;
end $$;

-- prune_paused_1 ends, as failed with p_code, deliveries of disabled webhooks that were made
-- before p_before, no tests and none with a lease.
create function prune_paused_1(p_now bigint, p_before bigint, p_code text, p_limit integer) returns integer language plpgsql @settings as $$
declare
	v_now bigint;
	v_id bigint := (p_before - 1577836800000) << 22;
	v_whs bigint[];
	v_ids bigint[];
begin
	select array_agg(p.wh) into v_whs from (
		select w.wh from webhook w where not w.active and exists (
			select from queue q where q.wh = w.wh and q.id < v_id and not q.test and (q.lease is null or q.lease <= clock_1(p_now)))
		limit p_limit) p;
	perform lock_ready_1(v_whs);
	v_now := clock_1(p_now);
	select array_agg(p.wh), array_agg(p.id) into v_whs, v_ids from (
		select q.wh, q.id from webhook w cross join lateral (
			select q.wh, q.id from queue q where q.wh = w.wh and q.id < v_id and not q.test and (q.lease is null or q.lease <= v_now)
			order by q.id limit p_limit) q
		where w.wh = any(v_whs) and not w.active limit p_limit) p;
	return give_up_1(v_whs, v_ids, p_code, v_now, false);
end $$;

-- cancel_1 ends pending deliveries of a webhook as failed with p_code: the one with p_id, or up to
-- p_limit that are no tests, after the id p_after and up to p_through, or if that is null up to the
-- last one that is there.
--
-- Answers how many it has ended, the id of the last one that is meant, and that of the last one that
-- it has looked at, null if there is no more.
--
-- Locks: the webhook's row of ready.
create function cancel_1(p_now bigint, p_wh bigint, p_id bigint, p_code text, p_limit integer, p_after bigint, p_through bigint)
returns table (o_n integer, o_through bigint, o_last bigint) language plpgsql @settings as $$
declare
	v_now bigint;
	v_ids bigint[];
begin
	perform lock_ready_1(array[p_wh]);
	v_now := clock_1(p_now);
	o_through := coalesce(p_through, (select max(q.id) from queue q where q.wh = p_wh), 0);
	if p_id is not null then
		v_ids := array(select q.id from queue q where q.wh = p_wh and q.id = p_id);
	else
		v_ids := array(select q.id from queue q where q.wh = p_wh and not q.test and q.id > p_after and q.id <= o_through order by q.id limit p_limit);
		if cardinality(v_ids) = p_limit then
			o_last := v_ids[p_limit];
		end if;
	end if;
	o_n := give_up_1(array_fill(p_wh, array[cardinality(v_ids)]), v_ids, p_code, v_now, true);
	return next;
end $$;

-- expedite_1 makes a pending delivery due now, and answers whether it is pending.
--
-- Locks: the webhook's row of ready.
create function expedite_1(p_now bigint, p_wh bigint, p_id bigint) returns boolean language plpgsql @settings as $$
declare
	v_now bigint;
	v_test boolean;
begin
	perform lock_ready_1(array[p_wh]);
	v_now := clock_1(p_now);
	update queue q set due = v_now where q.wh = p_wh and q.id = p_id and q.due > v_now and q.lease is null returning q.test into v_test;
	if not found then
		return exists (select from queue q where q.wh = p_wh and q.id = p_id);
	end if;
	update ready r set ver = r.ver + 1,
		floor = case when v_test then r.floor else least(r.floor, v_now) end, tfloor = case when v_test then least(r.tfloor, v_now) else r.tfloor end
	where r.wh = p_wh and r.ver = (select x.ver from ready x where x.wh = p_wh order by x.ver desc limit 1);
	perform line_up_1(p_wh, v_now);
	return true;
end $$;

-- prune_ended_1 removes deliveries that ended before p_before, or if that is null those beyond the
-- p_keep that were made last of each webhook.
create function prune_ended_1(p_before bigint, p_keep integer, p_limit integer) returns integer language plpgsql @settings as $$
declare
	v_whs bigint[];
	v_ids bigint[];
	v_n integer;
begin
	if p_before is not null then
		select array_agg(p.wh), array_agg(p.id) into v_whs, v_ids
		from (select d.wh, d.id from delivery d where d.ended < p_before
			and exists (select from webhook w where w.wh = d.wh) order by d.ended limit p_limit) p;
	else
		select array_agg(p.wh), array_agg(p.id) into v_whs, v_ids from (
			select d.wh, d.id from ready r cross join lateral (
				select d.wh, d.id from delivery d where d.wh = r.wh order by d.id limit least(r.n_ok + r.n_failed - p_keep, p_limit)) d
			where r.n_ok + r.n_failed > p_keep limit p_limit) p;
	end if;
	if v_whs is null then
		return 0;
	end if;
	perform lock_ready_1(v_whs);
	with removed as (
		delete from delivery d using unnest(v_whs, v_ids) u(wh, id) where d.wh = u.wh and d.id = u.id returning d.*
	), tried as (
		delete from attempt a using removed r where a.wh = r.wh and a.id = r.id
	), forgotten as (
		delete from again a using removed r where r.id <> r.event and a.wh = r.wh and a.event = r.event and a.id = r.id
	), changed as (
		select r.wh, count(*) n, count(*) filter (where r.ok) ok, sum(r.attempts) attempts, max(r.id) filter (where not r.test) youngest
		from removed r group by r.wh
	), counted as (
		update ready r set ver = r.ver + 1, n_ok = r.n_ok - c.ok, n_failed = r.n_failed - (c.n - c.ok), n_attempts = r.n_attempts - c.attempts,
			pruned = greatest(r.pruned, (c.youngest >> 22) + 1577836800000)
		from changed c where r.wh = c.wh and r.ver = (select x.ver from ready x where x.wh = c.wh order by x.ver desc limit 1)
		returning c.n
	) select coalesce(sum(n), 0) into v_n from counted;
	return v_n;
end $$;

-- prune_events_1 removes events from before p_before that nothing has to carry any more.
create function prune_events_1(p_before bigint, p_limit integer) returns integer language plpgsql @settings as $$
declare
	v_ids bigint[];
	v_n integer;
begin
	select array_agg(p.id) into v_ids from (
		select e.id from event e where e.id < (p_before - 1577836800000) << 22
			and not exists (select from queue q join unnest(e.fan) f(wh) on q.wh = f.wh where q.id = e.id)
			and not exists (select from queue q where q.event = e.id and q.event <> q.id)
		order by e.id limit p_limit for update skip locked) p;
	-- Another delivery may have been made before the lock was there.
	delete from event e where e.id = any(v_ids)
		and not exists (select from queue q where q.event = e.id and q.event <> q.id);
	get diagnostics v_n = row_count;
	return v_n;
end $$;

-- prune_rest_1 removes what nobody can ask for: ids that are no longer remembered, claims that
-- have ended, and what belongs to deleted webhooks. It answers whether more is left to do.
create function prune_rest_1(p_now bigint, p_limit integer) returns boolean language plpgsql @settings as $$
declare
	v_now bigint := clock_1(p_now);
	v_wh bigint;
	v_n integer;
begin
	delete from claimed where until <= v_now;
	delete from mishap where at < v_now - 30 * 86400000::bigint;
	with o as materialized (select scope, id from seen where greatest(until, kept) <= v_now limit p_limit for update skip locked)
	delete from seen s using o where s.scope = o.scope and s.id = o.id;
	get diagnostics v_n = row_count;
	if v_n = p_limit then
		return true;
	end if;
	for v_wh in select g.wh from gone g order by g.wh limit 100 for update skip locked loop
		delete from poke p where p.wh = v_wh;
		if purge_1(v_wh, p_limit) then
			return true;
		end if;
		delete from gone where wh = v_wh;
	end loop;
	return false;
end $$;

-- purge_1 removes at most p_limit records of each kind of a deleted webhook, and says whether it
-- has removed so many of one. A publisher that was under way brings the webhook back to gone.
create function purge_1(p_wh bigint, p_limit integer) returns boolean language plpgsql as $$
declare
	v_n integer;
	v_more boolean;
begin
	delete from queue q using (select x.id from queue x where x.wh = p_wh order by x.id limit p_limit) o where q.wh = p_wh and q.id = o.id;
	get diagnostics v_n = row_count;
	v_more := v_n = p_limit;
	delete from delivery d using (select x.id from delivery x where x.wh = p_wh order by x.id limit p_limit) o where d.wh = p_wh and d.id = o.id;
	get diagnostics v_n = row_count;
	v_more := v_more or v_n = p_limit;
	delete from attempt a using (select x.id, x.number from attempt x where x.wh = p_wh order by x.id limit p_limit) o
	where a.wh = p_wh and a.id = o.id and a.number = o.number;
	get diagnostics v_n = row_count;
	v_more := v_more or v_n = p_limit;
	delete from again a using (select x.event, x.nonce from again x where x.wh = p_wh limit p_limit) o
	where a.wh = p_wh and a.event = o.event and a.nonce = o.nonce;
	get diagnostics v_n = row_count;
	return v_more or v_n = p_limit;
end $$;
