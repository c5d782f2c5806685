-- Statements that take one round trip and need no function. Each begins with its name. @webhook is
-- the columns of a webhook and of its row of ready.

-- name: webhook
-- One webhook, by merchant and id.
select @webhook, @.clock_1($3)
from @.webhook w cross join lateral (select * from @.ready x where x.wh = w.wh order by x.ver desc limit 1) r
where w.merchant = $1 and w.wid = $2

-- name: webhooks
-- Webhooks of a merchant after a place, oldest first.
select @webhook, @.clock_1($6)
from (
	select * from @.webhook w where w.merchant = $1 and (w.created, w.wid) > ($2, $3) and (w.active or not $4)
	order by w.created, w.wid limit $5) w
cross join lateral (select * from @.ready x where x.wh = w.wh order by x.ver desc limit 1) r
order by w.created, w.wid

-- name: webhook_lock
-- Locks a webhook against all that moves its deliveries.
select r.wh from @.webhook w join @.ready r on r.wh = w.wh
where w.merchant = $1 and w.wid = $2 and r.ver >= (select x.ver from @.ready x where x.wh = w.wh order by x.ver desc limit 1)
for no key update of r

-- name: merchant_lock
-- Lets one registration of a merchant happen at a time.
select pg_advisory_xact_lock(hashtextextended($1, 7311))

-- name: webhook_count
select count(*), count(*) filter (where w.wid = $2), @.clock_1($3) from @.webhook w where w.merchant = $1

-- name: webhook_insert
with made as (
	insert into @.webhook (merchant, wid, url, events, kinds, active, reason, disabled, secret, previous, previous_until, encoding, description, metadata, headers, created, updated, updated_by)
	values ($1, $2, $3, $4::text, array(select json_array_elements_text($4::json)), $5::boolean, $6, $14, $7, $15, $16, $8, $9, $10, $11, $17, $18, $19) returning wh
)
insert into @.ready (wh, active, rate, level, taken, since)
select wh, $5::boolean, $13::integer, 1000 * $13::bigint, $12::bigint, $12::bigint from made

-- name: webhook_update
with changed as (
	update @.webhook set url = $2, events = $3::text, kinds = array(select json_array_elements_text($3::json)), active = $4::boolean, reason = $5, disabled = $6,
		secret = $7, previous = $8, previous_until = $9, encoding = $10, description = $11, metadata = $12, headers = $13,
		version = $14, updated = $15, updated_by = $22
	where wh = $1
)
update @.ready r set ver = r.ver + 1, active = $4::boolean, rate = $16, level = $17, taken = $18, epoch = $19, streak = $20, unwell = $23, held = case when r.epoch = $19 then r.held else 0 end,
	since = case when ($21::boolean or r.held > $15 and r.epoch <> $19)
		and coalesce(least((select min(coalesce(q.lease, q.due)) from @.queue q where q.wh = $1 and q.test),
			(select min(p.due) from @.poke p where p.wh = $1 and p.test)) > $15, true) then $15 else r.since end,
	next_at = case when r.active = $4::boolean and (r.epoch = $19 or r.held <= $15) or r.tfloor <= $15 then r.next_at end -- A test may be claimable anyway.
where r.wh = $1 and r.ver = (select x.ver from @.ready x where x.wh = $1 order by x.ver desc limit 1)

-- name: line_up
select @.line_up_1($1, @.clock_1($2))

-- name: change_insert
select @.note_change_1($1, $2, $3, $4, $5, $6, $7, $8, $9)

-- name: changes
select version, at, actor, active, reason, fields, url, events from @.change where wh = $1 order by version desc

-- name: webhook_delete
with lost as (delete from @.webhook where wh = $1 returning merchant, wid),
told as (delete from @.notice n using lost l where n.merchant = l.merchant and n.wid = l.wid),
noted as (insert into @.gone values ($1) on conflict do nothing),
forgotten as (delete from @.change where wh = $1)
delete from @.ready where wh = $1

-- name: troubled
-- Webhooks of all merchants after a place that are disabled or unwell.
select @webhook, @.clock_1($3)
from (
	(select x.wh from @.webhook x where not x.active and x.wh > $1 and exists (select from @.ready y where y.wh = x.wh) order by x.wh limit $2)
	union
	(select x.wh from @.ready x where x.unwell > 0 and x.wh > $1 and exists (select from @.webhook y where y.wh = x.wh) order by x.wh limit $2)
	order by 1 limit $2) t
join @.webhook w on w.wh = t.wh cross join lateral (select * from @.ready x where x.wh = w.wh order by x.ver desc limit 1) r
order by w.wh

-- name: merchants
-- Merchants after one, by id.
with recursive m(id) as (
	(select w.merchant from @.webhook w where w.merchant > $1 order by w.merchant limit 1)
	union all
	select (select w.merchant from @.webhook w where w.merchant > m.id order by w.merchant limit 1) from m where m.id is not null
)
select id from m where id is not null limit $2

-- name: event
select e.id, e.eid, e.type, e.test, e.body from @.event e where e.merchant = $1 and e.eid = $2

-- name: events
-- Looks at $4 events of a merchant from one id on and before another, the newest first if $8, and
-- shows up to $5 of a type with the status of the youngest delivery to a webhook. Each row begins with
-- how many it has looked at, and the last one's id.
with w as (select wh from @.webhook where merchant = $1 and wid = $6),
looked as materialized (
	(select e.id, e.eid, e.type, e.fan from @.event e
	where not $8::boolean and e.merchant = $1 and not e.test and e.id >= $2 and e.id < $3 order by e.id limit $4)
	union all
	(select e.id, e.eid, e.type, e.fan from @.event e
	where $8::boolean and e.merchant = $1 and not e.test and e.id >= $2 and e.id < $3 order by e.id desc limit $4)
), extent as (
	select count(*) n, coalesce(case when $8::boolean then min(id) else max(id) end, 0) last from looked
), shown as materialized (
	select * from looked l where $7 = '' or l.type = $7 order by case when $8::boolean then -l.id else l.id end limit $5
)
select x.n, x.last, e.id, e.eid, e.type, case
	when d.id is null then ''
	when exists (select from @.queue q, w where q.wh = w.wh and q.id = d.id) then 'pending'
	else coalesce((select case when y.ok then 'success' else 'failed' end from @.delivery y, w where y.wh = w.wh and y.id = d.id), '') end
from extent x left join shown e on true left join lateral (
	select coalesce(
		(select max(a.id) from @.again a, w where a.wh = w.wh and a.event = e.id),
		(select e.id from w where w.wh = any(e.fan))) id) d on true
order by case when $8::boolean then -e.id else e.id end

-- name: event_deliveries
-- A row for each delivery that Publish or Enqueue made of an event, of webhooks that are there, with
-- what is kept of it: one of each webhook comes first. If there is none, one row of nulls says that the
-- event is there.
with e as (
	select id, eid, type, fan from @.event where merchant = $1 and eid = $2
), made as (
	select w.wh, w.wid, e.id, true published from e cross join unnest(e.fan) f(wh)
	cross join lateral (select x.wh, x.wid from @.webhook x where x.wh = f.wh and x.merchant = $1 limit 1) w
	union all
	select w.wh, w.wid, a.id, false from e join @.webhook w on w.merchant = $1
	cross join lateral (select x.id from @.again x where x.wh = w.wh and x.event = e.id offset 0) a
)
select m.published, m.wid, m.wh, m.id, coalesce(q.id, d.id), e.eid, e.type, coalesce(q.test, d.test),
	case when q.id is not null then 'pending' when d.ok then 'success' else 'failed' end, coalesce(q.attempts, d.attempts), coalesce(q.reclaims, d.reclaims),
	q.lease, q.due, d.ended, d.code, coalesce(a.at, d.at), coalesce(a.dur, d.dur), coalesce(a.status, d.status), coalesce(a.err, d.err), coalesce(a.answer, d.answer), @.clock_1($3)
from e left join made m on true
left join lateral (select * from @.queue x where x.wh = m.wh and x.id = m.id limit 1) q on true
left join lateral (select * from @.delivery x where x.wh = m.wh and x.id = m.id limit 1) d on true
left join lateral (select * from @.attempt x where x.wh = q.wh and x.id = q.id and x.number = q.attempts limit 1) a on true
order by row_number() over (partition by m.wh order by q.id is null and d.id is null, m.id), m.wh

-- name: delivery
-- What ended has its last attempt, with the exchange before all else.
select null::bytea, q.id, coalesce(e.eid, ''), coalesce(e.type, ''), q.test, 'pending', q.attempts, q.reclaims, q.lease, q.due, null::bigint, null::text, a.at, a.dur, a.status, a.err, a.answer, @.clock_1($3)
from @.queue q left join @.event e on e.id = q.event left join @.attempt a on a.wh = q.wh and a.id = q.id and a.number = q.attempts
where q.wh = $1 and q.id = $2
union all
select d.exchange, d.id, d.eid, d.type, d.test, case when d.ok then 'success' else 'failed' end, d.attempts, d.reclaims, null, null, d.ended, d.code,
	d.at, d.dur, d.status, d.err, d.answer, @.clock_1($3)
from @.delivery d where d.wh = $1 and d.id = $2

-- name: attempts
select a.number, a.at, a.dur, a.status, a.err, a.answer, a.exchange from @.attempt a where a.wh = $1 and a.id = $2 order by a.number

-- name: deliveries
-- Looks at $4 deliveries of a webhook before an id, youngest first, and shows up to $5 of a status
-- and a type. Each row begins with how many it has looked at, and the last one's id.
with looked as materialized (
	select * from (
		(select q.id, coalesce(e.eid, '') eid, coalesce(e.type, '') type, q.test, 'pending' status, q.attempts, q.reclaims, q.lease, q.due, null::bigint ended, null::text code,
			a.at, a.dur, a.status answered, a.err, a.answer
		from (select * from @.queue q where q.wh = $1 and q.id >= $2 and q.id < $3 order by q.id desc limit $4) q
		left join @.event e on e.id = q.event left join @.attempt a on a.wh = q.wh and a.id = q.id and a.number = q.attempts)
		union all
		(select d.id, d.eid, d.type, d.test, case when d.ok then 'success' else 'failed' end, d.attempts, d.reclaims, null, null, d.ended, d.code,
			d.at, d.dur, d.status, d.err, d.answer
		from @.delivery d where d.wh = $1 and d.id >= $2 and d.id < $3 order by d.id desc limit $4)
	) x order by x.id desc limit $4
), extent as (select count(*) n, coalesce(min(id), 0) last from looked)
select s.n, s.last, y.*, @.clock_1($8) from extent s left join lateral (
	select * from looked l where ($6 = '' or l.status = $6) and ($7 = '' or l.type = $7) order by l.id desc limit $5
) y on true order by y.id desc

-- name: stats
select r.n_pending + coalesce((select sum(p.n) from @.poke p where p.wh = w.wh), 0)::bigint, r.n_ok, r.n_failed, r.n_attempts
from @.webhook w cross join lateral (select * from @.ready x where x.wh = w.wh order by x.ver desc limit 1) r
where w.merchant = $1 and w.wid = $2

-- name: notice_add
with w as (
	update @.webhook set mark = $4 where merchant = $1 and wid = $2 and mark = $3 returning wh
)
insert into @.notice (merchant, wid, kind, url, reason, failures, disable_after, since, at)
select $1, $2, $5, $6, $7, $8::integer, $9::integer, $10::bigint, @.clock_1($11) from w

-- name: webhook_exists
select count(*) from @.webhook where merchant = $1 and wid = $2

-- name: notice_claim
-- What locks is a step of its own: a plan that ran it again would find other rows each time.
with o as materialized (select id from @.notice where visible <= @.clock_1($3) order by id limit $1 for update skip locked)
update @.notice n set token = n.token + 1, visible = @.clock_1($3) + $2 from o where n.id = o.id
returning n.id, n.merchant, n.wid, n.kind, n.url, n.reason, n.failures, n.disable_after, n.since, n.at, n.token

-- name: notice_defer
update @.notice set visible = @.clock_1($4) + $3 where id = $1 and token = $2 and merchant = $5

-- name: notice_ack
delete from @.notice where id = $1 and merchant = $2

-- name: notice_prune
with o as (select id from @.notice where at < @.clock_1($1) - $2 order by id limit $3)
delete from @.notice n using o where n.id = o.id

-- name: seen_insert
insert into @.seen (scope, id, holder, fp, first, until, kept)
values ($1, $2, $3, $4, $3, 0, 0) on conflict do nothing

-- name: seen_once
-- A mark of Once, unless there is one. It waits for a transaction that is laying the same one down.
insert into @.seen as s (scope, id, holder, fp, first, done, until, kept)
values ($1, $2, '', '', '', true, @.clock_1($3) + $4, 0)
on conflict (scope, id) do update set until = excluded.until where s.until <= @.clock_1($3)

-- name: seen_lock
select s.holder, s.fp, s.first, s.done, s.until, s.kept, s.value, @.clock_1($3) from @.seen s where s.scope = $1 and s.id = $2 for update

-- name: seen_write
update @.seen set holder = $3, fp = $4, first = $5, done = $6, until = $7, kept = $8, value = $9 where scope = $1 and id = $2

-- name: seen_delete
delete from @.seen where scope = $1 and id = $2

-- name: meta
select cipher from @.meta

-- name: meta_insert
insert into @.meta (cipher) values ($1)

-- name: migrations
select number, checksum from @.migration

-- name: migration_insert
insert into @.migration (number, name, checksum) values ($1, $2, $3)

-- name: info
select current_setting('server_version'), current_setting('synchronous_commit'), current_setting('synchronous_standby_names'),
	current_setting('fsync')::boolean, (select count(*) from @.intake), (select count(*) from @.mishap)

-- name: damage
select n, at, merchant, wid, wh, id, eid, what, how from @.damage where not told or $1 order by n limit 100

-- name: damage_told
update @.damage set told = true where n = any(array(select json_array_elements_text($1::json)::bigint))

-- name: damage_note
insert into @.damage (at, merchant, wid, eid, what, how)
select @.clock_1($1), $2, $3, '', $4, $5 where (select count(*) from @.damage) < 100 on conflict do nothing

-- name: delivery_exists
select 1 where exists (select from @.queue where wh = $1 and id = $2) or exists (select from @.delivery where wh = $1 and id = $2)

-- name: job_insert
insert into @.job (merchant, id, scope, kind, state, created, updated, visible)
select $1, $2, $3, $4, $5, n, n, n from @.clock_1($6) n on conflict do nothing

-- name: job
select seq, merchant, id, scope, kind, state, version, created, updated, ended, visible, @.clock_1($3) from @.job where merchant = $1 and id = $2

-- name: job_of_scope
select seq, merchant, id, scope, kind, state, version, created, updated, ended, visible, @.clock_1($3) from @.job
where merchant = $1 and scope = $2 and ended is null

-- name: job_lock
select seq, merchant, id, scope, kind, state, version, created, updated, ended, visible, @.clock_1($3) from @.job where merchant = $1 and id = $2 for update

-- name: jobs
select seq, merchant, id, scope, kind, state, version, created, updated, ended, visible, @.clock_1($5) from @.job
where merchant = $1 and ($2 = '' or scope = $2) and seq < $3 order by seq desc limit $4

-- name: job_update
update @.job j set state = $2, version = $3, updated = $4, ended = $5, visible = $6, nth = coalesce(j.nth, case when $5::bigint is not null then (
	select coalesce(max(x.nth), 0) + 1 from @.job x where x.merchant = j.merchant) end)
where seq = $1

-- name: job_drop
-- Forgets the ended jobs of a merchant beyond the $2 that ended last.
delete from @.job where seq in (
	select seq from @.job where merchant = $1 and nth is not null order by nth desc, seq desc offset $2)

-- name: job_claim
select seq, merchant, id, scope, kind, state, version, created, updated, ended, visible, @.clock_1($2) from @.job
where ended is null and visible <= @.clock_1($2) and kind = any(array(select json_array_elements_text($3::json))) order by visible, seq limit $1 for update skip locked

-- name: job_hide
update @.job set visible = $2 where seq = any(array(select json_array_elements_text($1::json)::bigint))

-- name: job_prune
with o as (select seq from @.job where ended < @.clock_1($1) - $2 order by ended limit $3)
delete from @.job j using o where j.seq = o.seq
