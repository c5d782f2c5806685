-- finish_1 settles leases. p_results is JSON: [{wh, id, m, w, token, outcome, delay, fault, hold,
-- duration, status, code, answer, exchange, streak, after, failing, reason}, …], all numbers whole, times in
-- milliseconds, exchange in base64 if there is any.
--
-- Answers a row for each result, in order: its state, whether it disabled the webhook, and where
-- the webhook stands, if its streak was applied: o_active is null if not.
--
-- Locks: the webhooks' rows of ready in order of wh, waiting; then what belongs to them.
create function finish_1(p_now bigint, p_results json)
returns table (o_state text, o_disabled boolean, o_active boolean, o_streak integer, o_failing bigint, o_disablings bigint, o_mark text)
language plpgsql @settings as $$
declare
	v_now bigint;
	v_whs bigint[];
	v_failed bigint[] := '{}'; -- webhooks whose streak this call has changed
	v_late bigint[] := '{}'; -- webhooks of results that came when the lease was over
	rec record;
begin
	select array_agg(l.wh) into v_whs from (
		select r.wh from (select distinct g.wh from json_to_recordset(p_results) as g (wh bigint)) c
		cross join lateral (select x.ver from ready x where x.wh = c.wh order by x.ver desc limit 1) v
		join ready r on r.wh = c.wh and r.ver >= v.ver
		order by r.wh for no key update of r) l;
	v_now := clock_1(p_now);

	for rec in with given as materialized (
		select g.*
		from rows from (json_to_recordset(p_results) as
			(wh bigint, id bigint, m text, w text, token bigint, outcome text, delay bigint, fault boolean, hold bigint, duration bigint, status integer,
			code text, answer text, exchange text, streak integer, after integer, failing bigint, reason text)) with ordinality
			as g (wh, id, m, w, token, outcome, delay, fault, hold, duration, status, code, answer, exchange, streak, after, failing, reason, o)
	), matched as materialized (
		select g.*, q.event, q.test, q.lease, q.attempts, q.reclaims, q.epoch, y.epoch = q.epoch counts, y.ver, y.streak = 0 and y.disablings = 0 and w.mark = '' well,
			case
				when w.wh is null or q.id is null and d.id is null then 'gone'
				when g.token = 0 or g.token <> coalesce(q.token, d.token) then 'stale'
				when q.id is null or q.settled >= g.token or 1 < row_number() over (partition by g.wh, g.id, g.token, w.wh order by g.o) then 'repeated'
				else 'accepted'
			end state
		from given g
		left join webhook w on w.wh = g.wh and w.merchant = g.m and w.wid = g.w
		left join queue q on q.wh = g.wh and q.id = g.id
		left join delivery d on d.wh = g.wh and d.id = g.id
		left join lateral (select x.* from ready x where x.wh = g.wh order by x.ver desc limit 1) y on true
	), ended as (
		delete from queue q using matched m where q.wh = m.wh and q.id = m.id and m.state = 'accepted' and m.outcome in ('success', 'failed')
	), logged as (
		insert into delivery (wh, id, event, eid, type, test, ok, ended, token, attempts, reclaims, at, dur, status, err, answer, exchange)
		select m.wh, m.id, m.event, coalesce(e.eid, ''), coalesce(e.type, ''), m.test, m.outcome = 'success', v_now, m.token, m.attempts + 1, m.reclaims,
			v_now, m.duration, m.status, m.code, m.answer, decode(m.exchange, 'base64')
		from matched m left join event e on e.id = m.event where m.state = 'accepted' and m.outcome in ('success', 'failed')
	), later as (
		update queue q set due = v_now + m.delay, lease = null, key = null, settled = m.token,
			attempts = q.attempts + (m.outcome = 'retry')::integer, reclaims = q.reclaims + (m.outcome = 'released' and m.fault)::integer
		from matched m where q.wh = m.wh and q.id = m.id and m.state = 'accepted' and m.outcome in ('retry', 'released')
	), tried as (
		insert into attempt (wh, id, number, at, dur, status, err, answer, exchange)
		select m.wh, m.id, m.attempts + 1, v_now, m.duration, m.status, m.code, m.answer, decode(m.exchange, 'base64')
		from matched m where m.state = 'accepted' and m.outcome = 'retry'
	), changed as (
		select m.wh, m.ver, count(m.lease) back,
			count(*) filter (where m.outcome = 'success') ok, count(*) filter (where m.outcome = 'failed') failed,
			count(*) filter (where m.outcome <> 'released') attempts,
			max(v_now + m.hold) filter (where m.hold > 0 and m.counts) held,
			max(m.o) filter (where m.streak = 1 and m.counts and m.outcome <> 'released') well,
			max(m.o) filter (where m.streak > 1 and m.counts and m.outcome <> 'released') unwell,
			min(v_now + m.delay) filter (where m.outcome in ('retry', 'released') and not m.test) floor,
			min(v_now + m.delay) filter (where m.outcome in ('retry', 'released') and m.test) tfloor
		from matched m where m.state = 'accepted' group by m.wh, m.ver
	), stood as (
		select c.*, case when not x.capped or c.back > 0 then claimable_1(x.active, least(x.floor, c.floor), least(x.tfloor, c.tfloor),
			greatest(x.held, c.held), x.rate, x.level, x.taken) end claimable
		from changed c join ready x on x.wh = c.wh and x.ver = c.ver
	), lined as (
		update ready x set ver = x.ver + 1, inflight = x.inflight - c.back,
			since = case when x.capped and c.back > 0 then greatest(x.since, least(v_now, x.lease_next)) else x.since end, capped = x.capped and c.back = 0,
			lease_next = case when x.inflight > c.back then x.lease_next end, lfloor = case when x.inflight > c.back then x.lfloor end,
			n_pending = x.n_pending - c.ok - c.failed, n_ok = x.n_ok + c.ok, n_failed = x.n_failed + c.failed, n_attempts = x.n_attempts + c.attempts,
			floor = least(x.floor, c.floor), tfloor = least(x.tfloor, c.tfloor), held = greatest(x.held, c.held),
			succeeded = case when c.well is null then x.succeeded else v_now end,
			unwell = case when c.well > c.unwell or c.unwell is null and c.well is not null then 0 when c.unwell is null or c.well is null and x.unwell > 0 then x.unwell else v_now end,
			next_at = case when x.next_at <= v_now and c.claimable <= v_now then x.next_at
				else turn_1(c.claimable, v_now, case when x.inflight > c.back then x.lease_next end) end
		from stood c where x.wh = c.wh and x.ver = c.ver
	)
	select m.* from matched m order by m.o
	loop
		o_state := rec.state;
		o_disabled := rec.state = 'repeated' and (
			select x.disabler = rec.id and x.disabler_token = rec.token from ready x where x.wh = rec.wh order by x.ver desc limit 1);
		o_active := null;
		if rec.state = 'accepted' and rec.outcome <> 'released' and rec.streak in (1, 2) and rec.counts
			and not (rec.streak = 1 and rec.well and rec.wh <> all(v_failed)) then
			select s.* into o_disabled, o_active, o_streak, o_failing, o_disablings, o_mark
			from streak_1(rec.wh, rec.id, rec.token, rec.streak, rec.after, rec.failing, rec.reason, v_now) s;
			v_failed := v_failed || rec.wh;
		end if;
		if rec.state = 'accepted' and rec.lease is null then
			v_late := v_late || rec.wh;
		end if;
		return next;
	end loop;
	perform refloor_1(u.wh) from (select distinct u.wh from unnest(v_late) u(wh)) u;
	select array_agg(r.wh) into v_whs from unnest(v_whs) u(wh)
	cross join lateral (select x.wh, x.lease_next from ready x where x.wh = u.wh order by x.ver desc limit 1) r where r.lease_next <= v_now;
	perform expire_1(u.wh, v_now) from unnest(v_whs) u(wh);
	perform line_up_1(u.wh, v_now) from (select distinct u.wh from unnest(v_whs || v_late) u(wh)) u;
end $$;

-- streak_1 ends (1) or lengthens (2) the streak of a webhook, whose row of ready the caller has
-- locked, and disables it if that is the result's wish.
create function streak_1(p_wh bigint, p_id bigint, p_token bigint, p_streak integer, p_after integer, p_failing bigint, p_reason text, p_now bigint,
	out o_disabled boolean, out o_active boolean, out o_streak integer, out o_failing bigint, out o_disablings bigint, out o_mark text)
language plpgsql as $$
declare
	v_ver bigint := (select x.ver from ready x where x.wh = p_wh order by x.ver desc limit 1);
begin
	update ready x set ver = x.ver + 1, streak = case when p_streak = 1 then 0 else x.streak + 1 end,
		failing = case when p_streak = 2 and x.streak = 0 then p_now else x.failing end
	where x.wh = p_wh and x.ver = v_ver
	returning x.active, x.streak, x.failing, x.disablings into o_active, o_streak, o_failing, o_disablings;
	o_disabled := p_streak = 2 and o_active and p_after > 0 and o_streak >= p_after and p_now - o_failing >= p_failing;
	if o_disabled then
		o_active := false;
		o_disablings := o_disablings + 1;
		update ready x set ver = x.ver + 1, active = false, disablings = o_disablings, disabler = p_id, disabler_token = p_token,
			next_at = case when x.next_at <= p_now and t.claimable <= p_now then greatest(x.next_at, t.claimable) -- A test keeps its turn.
				else turn_1(t.claimable, p_now, x.lease_next) end
		from (select y.wh, case when not y.capped then claimable_1(false, null, y.tfloor, 0, y.rate, y.level, y.taken) end claimable
			from ready y where y.wh = p_wh and y.ver = v_ver + 1) t
		where x.wh = p_wh and x.ver = v_ver + 1;
		update webhook w set active = false, reason = p_reason, disabled = p_now, version = w.version + 1, updated = p_now, updated_by = '' where w.wh = p_wh;
		perform note_change_1(w.wh, w.version, p_now, '', false, p_reason, 'status', null, null) from webhook w where w.wh = p_wh;
		insert into notice (merchant, wid, kind, url, reason, failures, disable_after, since, at)
		select w.merchant, w.wid, 'disabled', w.url, p_reason, o_streak, p_after, o_failing, p_now from webhook w where w.wh = p_wh;
	end if;
	select w.mark into o_mark from webhook w where w.wh = p_wh;
end $$;

-- note_change_1 keeps a change of a webhook, whose row of ready the caller has locked or made, and
-- forgets all but the last 100.
create function note_change_1(p_wh bigint, p_version bigint, p_at bigint, p_actor text, p_active boolean, p_reason text, p_fields text, p_url text, p_events text)
returns void language plpgsql @settings as $$
begin
	insert into change values (p_wh, p_version, p_at, p_actor, p_active, p_reason, p_fields, p_url, p_events);
	delete from change c where c.wh = p_wh and c.version <= (select x.version from change x where x.wh = p_wh order by x.version desc offset 100 limit 1);
end $$;
