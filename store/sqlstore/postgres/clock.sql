-- clock_1: the given moment, or the server's time, in Unix milliseconds.
create function clock_1(p_now bigint) returns bigint language sql volatile as $$
	select coalesce(p_now, (extract(epoch from clock_timestamp()) * 1000)::bigint)
$$;

-- claimable_1: since when or from when on a webhook has something to give away, not counting
-- the room for leases; null if it has nothing.
create function claimable_1(active boolean, floor bigint, tfloor bigint, held bigint, rate integer, level bigint, taken bigint)
returns bigint language sql immutable as $$
	select case
		when tfloor is null and (floor is null or not active) then null
		when rate <= 0 or level >= 1000 then least(case when active and floor is not null then greatest(floor, held) end, tfloor)
		else greatest(least(case when active and floor is not null then greatest(floor, held) end, tfloor), taken + (1000 - level + rate - 1) / rate)
	end
$$;

-- turn_1: where a webhook belongs in line that is claimable from p_claimable on and whose first
-- lease ends at p_lease_next.
create function turn_1(p_claimable bigint, p_now bigint, p_lease_next bigint) returns bigint language sql immutable as $$
	select case when p_claimable is null then p_lease_next else least(greatest(p_claimable, p_now), p_lease_next) end
$$;

-- refloor_1 sets the floors of a webhook, whose row of ready the caller has locked, after something
-- that waited has gone.
create function refloor_1(p_wh bigint) returns void language plpgsql as $$
begin
	update ready r set ver = r.ver + 1,
		floor = (select min(q.due) from queue q where q.wh = p_wh and not q.test and q.lease is null),
		tfloor = (select min(q.due) from queue q where q.wh = p_wh and q.test and q.lease is null)
	where r.wh = p_wh and r.ver = (select x.ver from ready x where x.wh = p_wh order by x.ver desc limit 1);
end $$;

-- line_up_1 puts a webhook, whose row of ready the caller has locked, in line after a change.
-- One that is claimable before and after keeps its turn.
create function line_up_1(p_wh bigint, p_now bigint) returns void language plpgsql @settings as $$
begin
	update ready x set ver = x.ver + 1, next_at = turn_1(r.claimable, p_now, x.lease_next)
	from (
		select y.ver, y.next_at, y.lease_next, case when not y.capped then
			claimable_1(y.active, y.floor, y.tfloor, y.held, y.rate, y.level, y.taken) end claimable
		from ready y where y.wh = p_wh order by y.ver desc limit 1
	) r
	where x.wh = p_wh and x.ver = r.ver
		and not coalesce(r.next_at <= p_now and least(r.claimable, r.lease_next) <= p_now, false);
end $$;
