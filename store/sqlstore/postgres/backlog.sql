-- backlog_1 tells how much waits, and since when Claim has had something to take: the moment, or
-- null. And how much was found damaged.
create function backlog_1(p_now bigint, out o_now bigint, out o_pending bigint, out o_since bigint, out o_damaged bigint) language plpgsql @settings stable as $$
begin
	o_now := clock_1(p_now);
	o_damaged := (select count(*) from damage);
	o_pending := (select coalesce(sum(r.n_pending), 0) from ready r) + (select coalesce(sum(p.n), 0) from poke p);
	o_since := least(
		(select min(claimable_1(r.active, r.floor, r.tfloor, r.held, r.rate, r.level, r.taken)) from ready r
		where r.next_at <= o_now and not r.capped),
		(select min(r.lease_next) from ready r where r.next_at <= o_now and r.lease_next <= o_now),
		(select min(claimable_1(r.active, case when not p.test then p.due end, case when p.test then p.due end, r.held, r.rate, r.level, r.taken))
		from (select x.wh, x.due, x.test from poke x order by x.id limit 500) p
		cross join lateral (select * from ready y where y.wh = p.wh order by y.ver desc limit 1) r
		where not r.capped and (case when p.test then exists (select from queue q where q.wh = p.wh and q.test and q.due = p.due)
			else exists (select from queue q where q.wh = p.wh and not q.test and q.due = p.due) end)));
	if o_since > o_now then
		o_since := null;
	end if;
end $$;

-- watch_1 answers what changes when something may be claimable sooner.
create function watch_1(out o_mark text) language plpgsql @settings stable as $$
begin
	o_mark := concat_ws(' ',
		(select max(p.id) from poke p), (select max(i.id) from intake i), (select min(r.next_at) from ready r where r.next_at is not null),
		(select max(n.id) from notice n), (select max(j.seq) from job j), (select min(j.visible) from job j where j.ended is null));
end $$;
