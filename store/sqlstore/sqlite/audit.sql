-- name: audit
-- Answers a line for each sentence about the tables that is not true. Nobody may write meanwhile.
with wrong (wh, what) as (
	select r.wh, 'has ' || r.n_pending || ' pending or ' || r.inflight || ' leases, and not as many' from @.ready r
	where r.n_pending <> (select count(*) from @.queue q where q.wh = r.wh)
		or r.inflight <> (select count(q.lease) from @.queue q where q.wh = r.wh)
	union all
	select r.wh, 'has counted what ended or attempts wrong' from @.ready r
	where r.n_ok <> (select count(*) from @.delivery d where d.wh = r.wh and d.ok)
		or r.n_failed <> (select count(*) from @.delivery d where d.wh = r.wh and not d.ok)
		or r.n_attempts <> (select coalesce(sum(q.attempts), 0) from @.queue q where q.wh = r.wh) + (select coalesce(sum(d.attempts), 0) from @.delivery d where d.wh = r.wh)
	union all
	select r.wh, 'looks for leases too late' from @.ready r
	where r.inflight > 0 and coalesce(r.lease_next > (select min(q.lease) from @.queue q where q.wh = r.wh), 1)
	union all
	select r.wh, 'is not in line' from @.ready r where r.turn is null and r.capped = 0
		and exists (select 1 from @.queue q where q.wh = r.wh and q.lease is null and (q.test or r.active))
	union all
	select coalesce(w.wh, r.wh), 'is in one of webhook and ready, or active in one'
	from @.webhook w full join @.ready r on r.wh = w.wh where w.wh is null or r.wh is null or w.active <> r.active
	union all
	select k.wh, 'is subscribed, and not active' from @.kind k where not exists (select 1 from @.ready r where r.wh = k.wh and r.active)
	union all
	select r.wh, 'has a streak of failures and is not unwell' from @.ready r where r.streak > 0 and r.unwell = 0
	union all
	select c.wh, 'keeps ' || count(*) || ' changes' from @.change c group by c.wh having count(*) > 100
	union all
	select w.wh, 'keeps no change' from @.webhook w where not exists (select 1 from @.change c where c.wh = w.wh)
	union all
	select c.wh, 'keeps changes that it has not had' from @.change c left join @.webhook w on w.wh = c.wh
	group by c.wh having max(c.version) > coalesce(max(w.version), 0)
	union all
	select w.wh, 'is disabled, and no change says so' from @.webhook w
	where w.active <> (select c.active from @.change c where c.wh = w.wh order by c.version desc limit 1)
	union all
	select d.wh, 'was found damaged: ' || d.what || ' ' || d.how from @.damage d
	union all
	select q.wh, 'waits for an event that is not there' from @.queue q where not exists (select 1 from @.event e where e.id = q.event)
	union all
	select q.wh, 'has a delivery that waits and has ended' from @.queue q join @.delivery d on d.wh = q.wh and d.id = q.id
	union all
	select q.wh, 'has a delivery with ' || q.attempts || ' attempts and not as many' from @.queue q
	where q.attempts <> (select count(*) from @.attempt a where a.wh = q.wh and a.id = q.id)
	union all
	select d.wh, 'has ended after ' || d.attempts || ' attempts and not as many' from @.delivery d
	where d.attempts <> (select count(*) from @.attempt a where a.wh = d.wh and a.id = d.id) + (d.at is not null)
	union all
	select x.wh, 'has attempts or nonces of no delivery' from (select wh, id from @.attempt union select wh, id from @.again) x
	where not exists (select 1 from @.queue q where q.wh = x.wh and q.id = x.id)
		and not exists (select 1 from @.delivery d where d.wh = x.wh and d.id = x.id)
		and not exists (select 1 from @.gone g where g.wh = x.wh)
	union all
	select x.wh, 'was deleted, and nothing says so' from (select wh from @.queue union select wh from @.delivery) x
	where not exists (select 1 from @.webhook w where w.wh = x.wh) and not exists (select 1 from @.gone g where g.wh = x.wh)
)
select coalesce('webhook ' || v.wid || ' of merchant ' || v.merchant, 'deleted webhook ' || w.wh) || ' ' || w.what
from wrong w left join @.webhook v on v.wh = w.wh order by 1 limit 20
