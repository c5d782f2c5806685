-- claim_1 leases what is due: at most p_limit deliveries, p_per of each webhook with those that
-- are leased already, and p_bytes of bodies. It looks at some p_width webhooks besides those that
-- pokes are about. p_key, if not empty, names the claim, so that it can be asked for again.
--
-- Answers a row for each lease, in order, and a last one whose o_head is JSON: {now, next, notices,
-- jobs, again, full, intake}. next is the moment of the next change, and null if there is none.
--
-- Locks: rows of ready in order of wh, without waiting; then what belongs to them.
create function claim_1(p_now bigint, p_limit integer, p_lease bigint, p_per integer, p_bytes bigint, p_key text, p_width integer)
returns table (
	o_head text, o_merchant text, o_wid text, o_wh bigint, o_id bigint, o_eid text, o_type text, o_test boolean, o_forged boolean,
	o_body bytea, o_trace text, o_token bigint, o_attempts integer, o_reclaims integer,
	o_url text, o_encoding text, o_secret text, o_previous text, o_headers text
) language plpgsql @settings as $$
declare
	v_now bigint := clock_1(p_now);
	v_again boolean := false;
	v_full boolean := false; -- some pokes were left
	v_pokes bigint[];
	v_whs bigint[];
	v_ready bigint[];
	v_locked bigint[];
	v_got bigint[]; -- webhooks of the leases
	v_ids bigint[];
	v_n integer;
begin
	if p_key <> '' then
		select c.whs, c.ids into v_got, v_ids from claimed c where c.key = p_key;
		if found then
			select array_agg(q.wh order by g.o), array_agg(q.id order by g.o) into v_got, v_ids
			from unnest(v_got, v_ids) with ordinality g (wh, id, o) join queue q on q.wh = g.wh and q.id = g.id
			where q.key = p_key and q.lease > v_now and q.token > q.settled;
			v_again := v_got is not null;
		end if;
	end if;

	if not v_again then
		select array_agg(p.id), array_agg(distinct p.wh), count(*) = 500 into v_pokes, v_whs, v_full
		from (select id, wh from poke order by id limit 500) p;
		select array_agg(r.wh) into v_ready
		from (select wh from ready where next_at <= v_now order by next_at limit 2 * p_width) r;
		select array_agg(l.wh) into v_locked from (
			select r.wh from (select distinct u.wh from unnest(v_whs || v_ready) u(wh)) c
			cross join lateral (select x.ver from ready x where x.wh = c.wh order by x.ver desc limit 1) v
			join ready r on r.wh = c.wh and r.ver >= v.ver
			order by r.wh for no key update of r skip locked) l;
		v_now := clock_1(p_now);
		if v_full or v_locked is null and v_whs is not null then -- Some of these webhooks may have lost their place in line.
			perform mend_lines_1(v_now, v_whs);
		end if;
		perform expire_1(r.wh, v_now) from unnest(v_locked) c(wh)
		cross join lateral (select x.wh, x.lease_next from ready x where x.wh = c.wh order by x.ver desc limit 1) r
		where r.lease_next <= v_now;
		select g.whs, g.ids into v_got, v_ids from lease_1(v_now, v_locked, v_pokes, p_limit, p_lease, p_per, p_bytes, p_key) g;
		with lost as (
			delete from poke p where p.id = any(v_pokes) and not exists (select from webhook w where w.wh = p.wh) returning p.wh
		) insert into gone select distinct wh from lost on conflict do nothing;
	end if;

	return query
	select null::text, w.merchant, w.wid, w.wh, q.id, e.eid, e.type, e.test, e.forged, e.body, e.trace, q.token, q.attempts, q.reclaims,
		w.url, w.encoding, w.secret, case when w.previous_until > v_now then w.previous else '' end, w.headers
	from unnest(v_got, v_ids) with ordinality g (wh, id, o)
	join webhook w on w.wh = g.wh join queue q on q.wh = g.wh and q.id = g.id join event e on e.id = q.event
	order by g.o;
	get diagnostics v_n = row_count;
	if not v_again and v_n < cardinality(v_ids) then
		perform set_aside_lost_1(v_now, v_got, v_ids);
	end if;

	o_head := json_build_object(
		'now', v_now, 'again', v_again, 'full', v_full,
		'next', least((select min(next_at) from ready where next_at is not null), (select v_now from poke limit 1)),
		'jobs', exists (select from job where ended is null and visible <= v_now),
		'notices', exists (select from notice where visible <= v_now),
		'intake', exists (select from intake));
	return next;
end $$;

-- expire_1 takes back the leases of a webhook that have ended. The caller has locked its row of
-- ready, and puts it in line.
create function expire_1(p_wh bigint, p_now bigint) returns void language plpgsql as $$
begin
	with r as (
		select x.ver, x.lfloor, x.inflight from ready x where x.wh = p_wh order by x.ver desc limit 1
	), leased as materialized (
		(select q.id, q.due, q.lease, q.test from queue q, r
		where q.wh = p_wh and not q.test and q.lease is not null and q.due >= r.lfloor
		order by q.due, q.id limit (select inflight from r))
		union all
		(select q.id, q.due, q.lease, q.test from queue q where q.wh = p_wh and q.test and q.lease is not null)
	), ended as (
		update queue q set lease = null, key = null from leased l where q.wh = p_wh and q.id = l.id and l.lease <= p_now
	)
	update ready x set ver = x.ver + 1, inflight = s.n, lease_next = s.lease_next, lfloor = s.lfloor,
		since = case when x.capped then greatest(x.since, x.lease_next) else x.since end, capped = false,
		floor = least(x.floor, s.floor), tfloor = least(x.tfloor, s.tfloor)
	from r, (select
		count(*) filter (where l.lease > p_now) n,
		min(l.lease) filter (where l.lease > p_now) lease_next,
		min(l.due) filter (where l.lease > p_now and not l.test) lfloor,
		min(l.due) filter (where l.lease <= p_now and not l.test) floor,
		min(l.due) filter (where l.lease <= p_now and l.test) tfloor
		from leased l) s
	where x.wh = p_wh and x.ver = r.ver;
end $$;

-- lease_1 shares a call out among webhooks whose rows of ready the caller has locked: it folds
-- their pokes, leases, and puts them in line. A webhook that has something to take but gets
-- nothing keeps its turn.
create function lease_1(p_now bigint, p_locked bigint[], p_pokes bigint[], p_limit integer, p_lease bigint, p_per integer, p_bytes bigint, p_key text,
	out whs bigint[], out ids bigint[]) language plpgsql as $$
begin
	with poked as (
		delete from poke p where p.id = any(p_pokes) and p.wh = any(p_locked) returning p.wh, p.due, p.test, p.n
	), folded as (
		select p.wh, min(p.due) filter (where not p.test) due, min(p.due) filter (where p.test) tdue, min(p.due) first, sum(p.n) n
		from poked p group by p.wh
	), r as materialized (
		select x.wh, x.ver, x.active, x.rate, x.taken, x.level, x.inflight, x.lease_next, x.lfloor, x.held,
			coalesce(f.n, 0) n, least(x.floor, f.due) floor, least(x.tfloor, f.tdue) tfloor,
			least(p_now, greatest(
				coalesce(greatest(least(x.next_at, f.first), case when x.next_at is not null or f.wh is not null then x.since end), p_now),
				case when coalesce(least(x.tfloor, f.tdue) > p_now, true) then x.held end,
				case when x.rate > 0 and x.level < 1000 then x.taken + (1000 - x.level + x.rate - 1) / x.rate end)) since,
			case when x.rate > 0 then least(1000 * x.rate::bigint, x.level + x.rate * least(greatest(p_now - x.taken, 0), 1000)) end tokens
		from unnest(p_locked) c(wh)
		cross join lateral (select * from ready y where y.wh = c.wh order by y.ver desc limit 1) x
		left join folded f on f.wh = c.wh
	), room as materialized (
		select r.*, greatest(least(p_per - r.inflight, p_limit / cardinality(p_locked) + 1, r.tokens / 1000), 0) allow from r
	), peeked as materialized (
		select r.wh, r.since, r.allow, q.id, q.due, q.size, q.test from room r cross join lateral (
			(select q.id, q.due, q.size, q.test from queue q
			where r.tfloor is not null and q.wh = r.wh and q.test and q.lease is null
			order by q.due, q.id limit r.allow + 1)
			union all
			(select q.id, q.due, q.size, q.test from queue q
			where r.active and r.held <= p_now and q.wh = r.wh and not q.test and q.lease is null and q.due >= r.floor
			order by q.due, q.id limit r.allow + 1)
		) q
	), ranked as (
		select p.*, row_number() over (partition by p.wh order by p.test desc, p.due, p.id) k from peeked p where p.due <= p_now
	), fitting as (
		select x.*, row_number() over line n, sum(x.size) over line bytes from ranked x where x.k <= x.allow
		window line as (order by x.since, x.wh, x.k rows unbounded preceding)
	), taken as materialized (
		select f.wh, f.id, f.due, f.test, f.n from fitting f where f.n <= p_limit and (f.n = 1 or p_bytes <= 0 or f.bytes <= p_bytes)
	), leased as (
		update queue q set token = q.token + 1, lease = p_now + p_lease, key = nullif(p_key, ''),
			epoch = (select x.epoch from ready x where x.wh = q.wh order by x.ver desc limit 1),
			reclaims = q.reclaims + (q.token > q.settled)::integer
		from taken t where q.wh = t.wh and q.id = t.id
	), served as (
		select p.wh, count(t.id) took, count(*) filter (where p.due <= p_now) due,
			min(p.due) filter (where t.id is null and not p.test) floor, min(p.due) filter (where t.id is null and p.test) tfloor,
			min(t.due) filter (where not t.test) lfloor
		from peeked p left join taken t on t.wh = p.wh and t.id = p.id group by p.wh
	), after as (
		select r.*, coalesce(s.took, 0) took, coalesce(s.due, 0) due, r.inflight + coalesce(s.took, 0) leases,
			case when r.active and r.held <= p_now then s.floor else r.floor end floor_after, s.tfloor tfloor_after,
			least(r.lfloor, s.lfloor) lfloor_after,
			case when s.took > 0 then least(r.lease_next, p_now + p_lease) else r.lease_next end lease_after,
			case when r.rate > 0 and s.took > 0 then r.tokens - 1000 * s.took else r.level end level_after,
			case when s.took > 0 then p_now else r.taken end taken_after
		from room r left join served s on s.wh = r.wh
	), placed as (
		select a.*, case when a.leases < p_per then
			claimable_1(a.active, a.floor_after, a.tfloor_after, a.held, a.rate, a.level_after, a.taken_after) end claimable
		from after a
	), lined as (
		update ready x set ver = x.ver + 1, n_pending = x.n_pending + p.n, inflight = p.leases,
			floor = p.floor_after, tfloor = p.tfloor_after, lfloor = p.lfloor_after, lease_next = p.lease_after,
			level = p.level_after, taken = p.taken_after, capped = p.leases >= p_per,
			next_at = case when p.took = 0 and p.claimable <= p_now then least(p.since, p.lease_after)
				else turn_1(p.claimable, p_now, p.lease_after) end
		from placed p where x.wh = p.wh and x.ver = p.ver
	), kept as (
		insert into claimed as c select p_key, p_now + p_lease, array_agg(t.wh order by t.n), array_agg(t.id order by t.n) from taken t
		where p_key <> '' having count(*) > 0
		on conflict (key) do update set until = excluded.until, whs = excluded.whs, ids = excluded.ids
	)
	select array_agg(t.wh order by t.n), array_agg(t.id order by t.n) into whs, ids from taken t;
end $$;
