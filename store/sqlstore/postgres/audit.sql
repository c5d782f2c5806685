-- name: audit
-- Answers a line for each sentence about the tables that is not true. Nobody may use the store
-- meanwhile.
with counted as (
	select r.wh,
		count(q.id) pending, count(q.lease) leased, min(q.lease) lease,
		min(q.due) filter (where q.lease is null and not q.test) floor, min(q.due) filter (where q.lease is null and q.test) tfloor,
		min(q.due) filter (where q.lease is not null and not q.test) lfloor, coalesce(sum(q.attempts), 0) attempts
	from @.ready r left join @.queue q on q.wh = r.wh group by r.wh
), ended as (
	select r.wh, count(d.id) filter (where d.ok) ok, count(d.id) filter (where not d.ok) failed, coalesce(sum(d.attempts), 0) attempts
	from @.ready r left join @.delivery d on d.wh = r.wh group by r.wh
), poked as (
	select p.wh, sum(p.n) n, min(p.due) filter (where not p.test) due, min(p.due) filter (where p.test) tdue from @.poke p group by p.wh
), line as (
	select r.*, @.claimable_1(r.active, r.floor, r.tfloor, r.held, r.rate, r.level, r.taken) claimable from @.ready r
), wrong as (
	select r.wh, 'has ' || r.n_pending || ' pending and ' || coalesce(p.n, 0) || ' in pokes, and not ' || c.pending what
	from @.ready r join counted c on c.wh = r.wh left join poked p on p.wh = r.wh where r.n_pending + coalesce(p.n, 0) <> c.pending
	union all
	select r.wh, 'has ' || r.inflight || ' leases, and not ' || c.leased from @.ready r join counted c on c.wh = r.wh where r.inflight <> c.leased
	union all
	select r.wh, 'has counted what ended or attempts wrong' from @.ready r join counted c on c.wh = r.wh join ended e on e.wh = r.wh
	where (r.n_ok, r.n_failed, r.n_attempts) <> (e.ok, e.failed, c.attempts + e.attempts)
	union all
	select r.wh, 'has a floor above what waits' from @.ready r join counted c on c.wh = r.wh left join poked p on p.wh = r.wh
	where not coalesce(least(r.floor, p.due) <= c.floor, c.floor is null) or not coalesce(least(r.tfloor, p.tdue) <= c.tfloor, c.tfloor is null)
	union all
	select r.wh, 'looks for leases too late' from @.ready r join counted c on c.wh = r.wh
	where c.leased > 0 and not coalesce(r.lease_next <= c.lease and coalesce(r.lfloor <= c.lfloor, c.lfloor is null), false)
	union all
	select l.wh, 'is not in line' from line l where l.next_at is null and (l.lease_next is not null or l.claimable is not null and not l.capped)
	union all
	select l.wh, 'is in line too late' from line l
	where l.next_at > l.lease_next or not l.capped and l.claimable is not null and l.next_at > greatest(l.claimable, @.clock_1($1))
	union all
	select coalesce(w.wh, r.wh), 'is in one of webhook and ready, or active in one'
	from @.webhook w full join @.ready r on r.wh = w.wh where w.wh is null or r.wh is null or w.active <> r.active
	union all
	select r.wh, 'has a streak of failures and is not unwell' from @.ready r where r.streak > 0 and r.unwell = 0
	union all
	select c.wh, 'keeps ' || count(*) || ' changes' from @.change c group by c.wh having count(*) > 100
	union all
	select w.wh, 'keeps no change' from @.webhook w where not exists (select from @.change c where c.wh = w.wh)
	union all
	select c.wh, 'keeps changes that it has not had' from @.change c left join @.webhook w on w.wh = c.wh
	group by c.wh having max(c.version) > coalesce(max(w.version), 0)
	union all
	select w.wh, 'is disabled, and no change says so' from @.webhook w
	where w.active <> (select c.active from @.change c where c.wh = w.wh order by c.version desc limit 1)
	union all
	select d.wh, 'was found damaged: ' || d.what || ' ' || d.how from @.damage d
	union all
	select q.wh, 'waits for an event that is not there' from @.queue q where not exists (select from @.event e where e.id = q.event)
	union all
	select q.wh, 'has a delivery that waits and has ended' from @.queue q join @.delivery d on d.wh = q.wh and d.id = q.id
	union all
	select q.wh, 'has a delivery with ' || q.attempts || ' attempts and not ' || count(a.id)
	from @.queue q left join @.attempt a on a.wh = q.wh and a.id = q.id group by q.wh, q.id, q.attempts having count(a.id) <> q.attempts
	union all
	select d.wh, 'has ended after ' || d.attempts || ' attempts and not ' || count(a.id) + (d.at is not null)::integer
	from @.delivery d left join @.attempt a on a.wh = d.wh and a.id = d.id
	group by d.wh, d.id, d.attempts, d.at having count(a.id) + (d.at is not null)::integer <> d.attempts
	union all
	select a.wh, 'has attempts of no delivery' from @.attempt a where not exists (select from @.queue q where q.wh = a.wh and q.id = a.id)
		and not exists (select from @.delivery d where d.wh = a.wh and d.id = a.id)
		and not exists (select from @.gone g where g.wh = a.wh)
	union all
	select a.wh, 'remembers a nonce of no delivery' from @.again a where not exists (select from @.queue q where q.wh = a.wh and q.id = a.id)
		and not exists (select from @.delivery d where d.wh = a.wh and d.id = a.id)
		and not exists (select from @.gone g where g.wh = a.wh)
	union all
	select x.wh, 'was deleted, and nothing says so' from (select wh from @.queue union select wh from @.delivery) x
	where not exists (select from @.webhook w where w.wh = x.wh) and not exists (select from @.gone g where g.wh = x.wh)
		and not exists (select from @.poke p where p.wh = x.wh)
)
select coalesce('webhook ' || v.wid || ' of merchant ' || v.merchant, 'deleted webhook ' || w.wh) || ' ' || w.what
from wrong w left join @.webhook v on v.wh = w.wh order by 1 limit 20
