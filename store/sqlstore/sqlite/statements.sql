-- All statements of the store. Each begins with its name. One of several steps is run in a
-- transaction, step by step; a step ends with a semicolon at the end of a line. @webhook is the columns
-- of a webhook and of its row of ready.

-- name: meta
select cipher from @.meta

-- name: meta_insert
insert into @.meta (cipher) values (?1)

-- name: migrations
select number, checksum from @.migration

-- name: migration_insert
insert into @.migration (number, name, checksum) values (?1, ?2, ?3)

-- name: begin
-- Changes nothing, but makes a transaction the writer: it waits as long as busy_timeout says.
delete from @.meta where single is null

-- name: save
savepoint webhooks_call

-- name: saved
release webhooks_call

-- name: undo
rollback to webhooks_call;
release webhooks_call

-- name: last
select last from @.meta

-- name: last_write
update @.meta set last = ?1

-- name: webhook
-- One webhook, by merchant and id.
select @webhook, ?3
from @.webhook w join @.ready r on r.wh = w.wh
where w.merchant = ?1 and w.wid = ?2

-- name: webhooks
-- Webhooks of a merchant after a place, oldest first.
select @webhook, ?6
from @.webhook w join @.ready r on r.wh = w.wh
where w.merchant = ?1 and (w.created, w.wid) > (?2, ?3) and (w.active or not ?4)
order by w.created, w.wid limit ?5

-- name: webhook_place
select wh from @.webhook where merchant = ?1 and wid = ?2

-- name: webhook_count
select count(*), count(*) filter (where w.wid = ?2), ?3 from @.webhook w where w.merchant = ?1

-- name: webhook_insert
insert into @.webhook (merchant, wid, url, events, active, reason, disabled, secret, previous, previous_until, encoding, description, metadata, headers, created, updated, updated_by)
values (?1, ?2, ?3, ?4, ?5, ?6, ?14, ?7, ?15, ?16, ?8, ?9, ?10, ?11, ?17, ?18, ?19);
insert into @.ready (wh, active, rate, level, taken)
select wh, ?5, ?13, 1000 * ?13, ?12 from @.webhook where merchant = ?1 and wid = ?2;
insert or ignore into @.kind
select w.merchant, e.value, w.wh from @.webhook w, json_each(?4) e where ?5 and w.merchant = ?1 and w.wid = ?2

-- name: webhook_update
update @.webhook set url = ?2, events = ?3, active = ?4, reason = ?5, disabled = ?6,
	secret = ?7, previous = ?8, previous_until = ?9, encoding = ?10, description = ?11, metadata = ?12, headers = ?13,
	version = ?14, updated = ?15, updated_by = ?22
where wh = ?1;
update @.ready set active = ?4, rate = ?16, level = ?17, taken = ?18, held = case when epoch = ?19 then held else 0 end, epoch = ?19, streak = ?20, unwell = ?23
where wh = ?1;
delete from @.kind where wh = ?1;
insert or ignore into @.kind
select w.merchant, e.value, w.wh from @.webhook w, json_each(?3) e where ?4 and w.wh = ?1

-- name: change_insert
insert into @.change values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9);
delete from @.change where wh = ?1 and version <= (select version from @.change where wh = ?1 order by version desc limit 1 offset 100)

-- name: changes
select version, at, actor, active, reason, fields, url, events from @.change where wh = ?1 order by version desc

-- name: webhook_delete
insert or ignore into @.gone values (?1);
delete from @.notice where (merchant, wid) = (select merchant, wid from @.webhook where wh = ?1);
delete from @.kind where wh = ?1;
delete from @.change where wh = ?1;
delete from @.ready where wh = ?1;
delete from @.webhook where wh = ?1

-- name: troubled
-- Webhooks of all merchants after a place that are disabled or unwell.
select @webhook, ?3
from (
	select * from (select x.wh from @.webhook x indexed by @.webhook_off
		where not x.active and x.wh > ?1 and exists (select 1 from @.ready y where y.wh = x.wh) order by x.wh limit ?2)
	union
	select * from (select x.wh from @.ready x indexed by @.ready_unwell
		where x.unwell > 0 and x.wh > ?1 and exists (select 1 from @.webhook y where y.wh = x.wh) order by x.wh limit ?2)
	order by 1 limit ?2) t
join @.webhook w on w.wh = t.wh join @.ready r on r.wh = w.wh
order by w.wh

-- name: merchants
-- Merchants after one, by id.
with recursive m(id) as (
	select * from (select w.merchant from @.webhook w where w.merchant > ?1 order by w.merchant limit 1)
	union all
	select (select w.merchant from @.webhook w where w.merchant > m.id order by w.merchant limit 1) from m where m.id is not null
)
select id from m where id is not null limit ?2

-- name: subscribers
select distinct w.wh, w.wid from @.kind k join @.webhook w on w.wh = k.wh where k.merchant = ?1 and k.kind in (select value from json_each(?2)) order by w.wh

-- name: event_insert
insert into @.event (id, merchant, eid, type, fp, trace, test, forged, fan, body)
values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) on conflict (merchant, eid) do nothing

-- name: event_known
select id, fp, fan from @.event where merchant = ?1 and eid = ?2

-- name: event_fan
-- Those webhooks of a list that are still there.
select w.wh, w.wid from json_each(?1) f join @.webhook w on w.wh = f.value

-- name: queue_insert
insert into @.queue (wh, id, event, due, test) values (?1, ?2, ?3, ?4, ?5)

-- name: again
select id, (select count(*) from @.again where wh = ?1 and event = ?2)
from (select 1) left join @.again on wh = ?1 and event = ?2 and nonce = ?3

-- name: again_insert
insert into @.again (wh, event, nonce, id) values (?1, ?2, ?3, ?4)

-- name: event_place
select id, test from @.event where merchant = ?1 and eid = ?2

-- name: look
-- When something will be claimable, if there are notices, and if a key is known.
select
	(select min(turn) from @.ready where turn is not null),
	(select min(lease_next) from @.ready where lease_next is not null),
	exists (select 1 from @.notice where visible <= ?1),
	exists (select 1 from @.job where ended is null and visible <= ?1),
	exists (select 1 from @.claimed where key = ?2)

-- name: line
select active, rate, level, taken, epoch, streak, failing, unwell, succeeded, disablings, disabler, disabler_token, held, capped, turn, inflight, lease_next,
	pruned, n_pending, n_ok, n_failed, n_attempts
from @.ready where wh = ?1

-- name: line_write
update @.ready set active = ?2, rate = ?3, level = ?4, taken = ?5, epoch = ?6, streak = ?7, failing = ?8, disablings = ?9,
	disabler = ?10, disabler_token = ?11, held = ?12, capped = ?13, turn = ?14, inflight = ?15, lease_next = ?16,
	pruned = ?17, n_pending = ?18, n_ok = ?19, n_failed = ?20, n_attempts = ?21, unwell = ?22, succeeded = ?23
where wh = ?1

-- name: line_turn
-- The first due of what waits, tests apart.
select (select min(due) from @.queue where wh = ?1 and test = 0 and lease is null),
	(select min(due) from @.queue where wh = ?1 and test = 1 and lease is null)

-- name: line_leases
select min(lease), count(*) from @.queue where wh = ?1 and lease is not null

-- name: turns
-- Whose turn it is, in order.
select wh from @.ready where turn <= ?1 order by turn, wh limit ?2

-- name: ended
-- Webhooks of which a lease has ended.
select wh from @.ready where lease_next <= ?1

-- name: expire
update @.queue set lease = null where wh = ?1 and lease <= ?2

-- name: claimable
-- What waits of a webhook, tests first, if it is active (?2) others too, what is due longest first, and
-- also what is not due yet and what has lost its event. The arms come one after the other.
select * from (
	select q.due, q.id, e.id is null, coalesce(e.eid, ''), coalesce(e.type, ''), q.test, coalesce(e.forged, 0), case when q.due <= ?3 then e.body end, coalesce(e.trace, ''), q.token, q.attempts, q.reclaims + (q.token > q.settled)
	from @.queue q left join @.event e on e.id = q.event
	where q.wh = ?1 and q.test = 1 and q.lease is null
	order by q.due, q.id limit ?4)
union all
select * from (
	select q.due, q.id, e.id is null, coalesce(e.eid, ''), coalesce(e.type, ''), q.test, coalesce(e.forged, 0), case when q.due <= ?3 then e.body end, coalesce(e.trace, ''), q.token, q.attempts, q.reclaims + (q.token > q.settled)
	from @.queue q left join @.event e on e.id = q.event
	where ?2 and q.wh = ?1 and q.test = 0 and q.lease is null
	order by q.due, q.id limit ?4)

-- name: lease
update @.queue set token = token + 1, lease = ?3, epoch = ?4, reclaims = reclaims + (token > settled)
where wh = ?1 and id in (select value from json_each(?2))

-- name: target
-- What a lease tells of a webhook.
select merchant, wid, url, encoding, secret, case when previous_until > ?2 then previous else '' end, headers from @.webhook where wh = ?1

-- name: claimed
select leases from @.claimed where key = ?1

-- name: claimed_insert
insert or replace into @.claimed (key, until, leases) values (?1, ?2, ?3)

-- name: leased
-- One delivery, if it is leased still.
select w.merchant, w.wid, w.url, w.encoding, w.secret, case when w.previous_until > ?4 then w.previous else '' end, w.headers,
	e.eid, e.type, e.test, e.forged, e.body, e.trace, q.attempts, q.reclaims
from @.queue q join @.webhook w on w.wh = q.wh join @.event e on e.id = q.event
where q.wh = ?1 and q.id = ?2 and q.token = ?3 and q.settled < q.token and q.lease > ?4

-- name: settling
-- What Finish has to know of a delivery that has not ended.
select q.test, q.token, q.settled, q.lease is not null, q.epoch, w.mark
from @.queue q join @.webhook w on w.wh = q.wh where q.wh = ?1 and q.id = ?2 and w.merchant = ?3 and w.wid = ?4

-- name: settled
-- The token of one that has.
select d.token from @.delivery d join @.webhook w on w.wh = d.wh where d.wh = ?1 and d.id = ?2 and w.merchant = ?3 and w.wid = ?4

-- name: end
insert into @.delivery (wh, id, event, eid, type, test, ok, ended, token, attempts, reclaims, at, dur, status, err, answer, exchange)
select q.wh, q.id, q.event, coalesce(e.eid, ''), coalesce(e.type, ''), q.test, ?3, ?4, q.token, q.attempts + 1, q.reclaims, ?4, ?5, ?6, ?7, ?8, ?9
from @.queue q left join @.event e on e.id = q.event where q.wh = ?1 and q.id = ?2;
delete from @.queue where wh = ?1 and id = ?2

-- name: retry
insert into @.attempt (wh, id, number, at, dur, status, err, answer, exchange)
select wh, id, attempts + 1, ?3, ?5, ?6, ?7, ?8, ?9 from @.queue where wh = ?1 and id = ?2;
update @.queue set due = ?4, lease = null, settled = token, attempts = attempts + 1 where wh = ?1 and id = ?2

-- name: release
update @.queue set due = ?3, lease = null, settled = token, reclaims = reclaims + ?4 where wh = ?1 and id = ?2

-- name: disable
update @.webhook set active = 0, reason = ?2, disabled = ?3, version = version + 1, updated = ?3, updated_by = '' where wh = ?1;
insert into @.change (wh, version, at, actor, active, reason, fields) select wh, version, ?3, '', 0, ?2, 'status' from @.webhook where wh = ?1;
delete from @.change where wh = ?1 and version <= (select version from @.change where wh = ?1 order by version desc limit 1 offset 100);
delete from @.kind where wh = ?1;
insert into @.notice (merchant, wid, kind, url, reason, failures, disable_after, since, at)
select merchant, wid, 'disabled', url, ?2, ?4, ?5, ?6, ?3 from @.webhook where wh = ?1

-- name: event
select e.id, e.eid, e.type, e.test, e.body from @.event e where e.merchant = ?1 and e.eid = ?2

-- name: events
-- Looks at ?4 events of a merchant from one id on and before another, the newest first if ?8, and
-- shows up to ?5 of a type with the status of the youngest delivery to a webhook. Each row begins with
-- how many it has looked at, and the last one's id.
with w as (select wh from @.webhook where merchant = ?1 and wid = ?6),
looked as materialized (
	select * from (select e.id, e.eid, e.type, e.fan from @.event e
		where not ?8 and e.merchant = ?1 and not e.test and e.id >= ?2 and e.id < ?3 order by e.id limit ?4)
	union all
	select * from (select e.id, e.eid, e.type, e.fan from @.event e
		where ?8 and e.merchant = ?1 and not e.test and e.id >= ?2 and e.id < ?3 order by e.id desc limit ?4)
), extent as (
	select count(*) n, coalesce(case when ?8 then min(id) else max(id) end, 0) last from looked
), shown as materialized (
	select l.*, coalesce(
		(select max(a.id) from @.again a where a.wh = (select wh from w) and a.event = l.id),
		case when exists (select 1 from json_each(l.fan) f where f.value = (select wh from w)) then l.id end) d
	from looked l where ?7 = '' or l.type = ?7 order by case when ?8 then -l.id else l.id end limit ?5
)
select x.n, x.last, e.id, e.eid, e.type, case
	when e.d is null then ''
	when exists (select 1 from @.queue q where q.wh = (select wh from w) and q.id = e.d) then 'pending'
	else coalesce((select case when y.ok then 'success' else 'failed' end from @.delivery y where y.wh = (select wh from w) and y.id = e.d), '') end
from extent x left join shown e on true order by case when ?8 then -e.id else e.id end

-- name: event_deliveries
-- A row for each delivery that Publish or Enqueue made of an event, of webhooks that are there, with
-- what is kept of it: one of each webhook comes first. If there is none, one row of nulls says that the
-- event is there.
with e as (
	select id, eid, type, fan from @.event where merchant = ?1 and eid = ?2
), made as (
	select w.wh, w.wid, e.id, 1 published from e cross join json_each(e.fan) f cross join @.webhook w on w.wh = f.value and w.merchant = ?1
	union all
	select w.wh, w.wid, a.id, 0 from e cross join @.webhook w on w.merchant = ?1 cross join @.again a on a.wh = w.wh and a.event = e.id
)
select m.published, m.wid, m.wh, m.id, coalesce(q.id, d.id), e.eid, e.type, coalesce(q.test, d.test),
	case when q.id is not null then 'pending' when d.ok then 'success' else 'failed' end, coalesce(q.attempts, d.attempts), coalesce(q.reclaims, d.reclaims),
	q.lease, q.due, d.ended, d.code, coalesce(a.at, d.at), coalesce(a.dur, d.dur), coalesce(a.status, d.status), coalesce(a.err, d.err), coalesce(a.answer, d.answer), ?3
from e left join made m on true
left join @.queue q on q.wh = m.wh and q.id = m.id
left join @.delivery d on d.wh = m.wh and d.id = m.id
left join @.attempt a on a.wh = q.wh and a.id = q.id and a.number = q.attempts
order by row_number() over (partition by m.wh order by q.id is null and d.id is null, m.id), m.wh

-- name: delivery
-- What ended has its last attempt, with the exchange before all else.
select null, q.id, coalesce(e.eid, ''), coalesce(e.type, ''), q.test, 'pending', q.attempts, q.reclaims, q.lease, q.due, null, null, a.at, a.dur, a.status, a.err, a.answer, ?3
from @.queue q left join @.event e on e.id = q.event left join @.attempt a on a.wh = q.wh and a.id = q.id and a.number = q.attempts
where q.wh = ?1 and q.id = ?2
union all
select d.exchange, d.id, d.eid, d.type, d.test, case when d.ok then 'success' else 'failed' end, d.attempts, d.reclaims, null, null, d.ended, d.code,
	d.at, d.dur, d.status, d.err, d.answer, ?3
from @.delivery d where d.wh = ?1 and d.id = ?2

-- name: attempts
select a.number, a.at, a.dur, a.status, a.err, a.answer, a.exchange from @.attempt a where a.wh = ?1 and a.id = ?2 order by a.number

-- name: deliveries
-- Looks at ?4 deliveries of a webhook before an id, youngest first, and shows up to ?5 of a status
-- and a type. Each row begins with how many it has looked at, and the last one's id.
with looked as materialized (
	select * from (
		select * from (
			select q.id, coalesce(e.eid, '') eid, coalesce(e.type, '') type, q.test, 'pending' status, q.attempts, q.reclaims, q.lease, q.due, null ended, null code,
				a.at, a.dur, a.status answered, a.err, a.answer
			from (select * from @.queue where wh = ?1 and id >= ?2 and id < ?3 order by id desc limit ?4) q
			left join @.event e on e.id = q.event left join @.attempt a on a.wh = q.wh and a.id = q.id and a.number = q.attempts)
		union all
		select * from (
			select d.id, d.eid, d.type, d.test, case when d.ok then 'success' else 'failed' end, d.attempts, d.reclaims, null, null, d.ended, d.code,
				d.at, d.dur, d.status, d.err, d.answer
			from @.delivery d where d.wh = ?1 and d.id >= ?2 and d.id < ?3 order by d.id desc limit ?4)
	) order by id desc limit ?4
), extent as (select count(*) n, coalesce(min(id), 0) last from looked)
select s.n, s.last, y.*, ?8 from extent s left join (
	select * from looked l where (?6 = '' or l.status = ?6) and (?7 = '' or l.type = ?7) order by l.id desc limit ?5
) y on true order by y.id desc

-- name: stats
select r.n_pending, r.n_ok, r.n_failed, r.n_attempts
from @.webhook w join @.ready r on r.wh = w.wh where w.merchant = ?1 and w.wid = ?2

-- name: backlog
-- Since when Claim has had something to take, by the first that waits or whose lease has ended.
select ?1, (select coalesce(sum(n_pending), 0) from @.ready), (
	select min(max(f.first, f.filled)) from (
		select case when r.rate <= 0 or r.level >= 1000 then 0 else r.taken + (1000 - r.level + r.rate - 1) / r.rate end filled,
			min(
				coalesce(case when r.active and not r.capped then max(r.held, (
					select min(q.due) from @.queue q where q.wh = r.wh and q.test = 0 and q.lease is null)) end, 1 << 62),
				coalesce(case when not r.capped then (
					select min(q.due) from @.queue q where q.wh = r.wh and q.test = 1 and q.lease is null) end, 1 << 62),
				coalesce((select min(q.lease) from @.queue q where q.wh = r.wh and q.lease <= ?1 and (r.active or q.test)), 1 << 62)
			) first
		from @.ready r where r.turn <= ?1 or r.lease_next <= ?1
	) f where max(f.first, f.filled) <= ?1), (select count(*) from @.damage)

-- name: watch
-- What changes when something may be claimable sooner.
select coalesce((select last from @.meta), 0) || ' ' || coalesce((select min(turn) from @.ready where turn is not null), 0) || ' ' ||
	coalesce((select max(id) from @.notice), 0) || ' ' || coalesce((select max(seq) from @.job), 0) || ' ' ||
	coalesce((select min(visible) from @.job where ended is null), 0)

-- name: paused
-- Deliveries of disabled webhooks that were made before an id, no tests and none with a lease.
select q.wh, q.id from @.webhook w join @.queue q on q.wh = w.wh
where not w.active and q.id < ?1 and q.test = 0 and (q.lease is null or q.lease <= ?2) limit ?3

-- name: give_up
insert into @.delivery (wh, id, event, eid, type, test, ok, ended, code, token, attempts, reclaims, at, dur, status, err, answer, exchange)
select q.wh, q.id, q.event, coalesce(e.eid, ''), coalesce(e.type, ''), q.test, 0, ?3, ?4, case when ?5 then -1 else q.token + (q.token > q.settled) end, q.attempts, q.reclaims,
	a.at, a.dur, a.status, a.err, a.answer, a.exchange
from @.queue q left join @.event e on e.id = q.event left join @.attempt a on a.wh = q.wh and a.id = q.id and a.number = q.attempts
where q.wh = ?1 and q.id = ?2;
delete from @.attempt where wh = ?1 and id = ?2 and number = (select attempts from @.queue where wh = ?1 and id = ?2);
delete from @.queue where wh = ?1 and id = ?2

-- name: old
select wh, id, event, ok, test, attempts from @.delivery d
where ended < ?1 and exists (select 1 from @.ready r where r.wh = d.wh) order by ended limit ?2

-- name: full
-- Webhooks that keep more than ?1 of what has ended, and how many more.
select wh, n_ok + n_failed - ?1 from @.ready where n_ok + n_failed > ?1 limit ?2

-- name: first
select wh, id, event, ok, test, attempts from @.delivery where wh = ?1 order by id limit ?2

-- name: forget
delete from @.delivery where wh = ?1 and id = ?2;
delete from @.attempt where wh = ?1 and id = ?2;
delete from @.again where wh = ?1 and event = ?3 and id = ?2

-- name: prune_events
delete from @.event where id in (
	select e.id from @.event e where e.id < ?1
		and not exists (select 1 from json_each(e.fan) f join @.queue q on q.wh = f.value and q.id = e.id)
		and not exists (select 1 from @.queue q where q.event = e.id and q.event <> q.id)
	order by e.id limit ?2)

-- name: rest
-- What nobody can ask for.
delete from @.claimed where until <= ?1;
delete from @.seen where rowid in (select rowid from @.seen where max(until, kept) <= ?1 limit ?2)

-- name: gone
select wh from @.gone

-- name: gone_delete
delete from @.gone where wh = ?1

-- name: gone_queue
delete from @.queue where wh = ?1 and id in (select id from @.queue where wh = ?1 order by id limit ?2)

-- name: gone_delivery
delete from @.delivery where wh = ?1 and id in (select id from @.delivery where wh = ?1 order by id limit ?2)

-- name: gone_attempt
delete from @.attempt where wh = ?1 and id in (select id from @.attempt where wh = ?1 order by id limit ?2)

-- name: gone_again
delete from @.again where wh = ?1 and event in (select event from @.again where wh = ?1 order by event limit ?2)

-- name: notice_add
update @.webhook set mark = ?4 where merchant = ?1 and wid = ?2 and mark = ?3;
insert into @.notice (merchant, wid, kind, url, reason, failures, disable_after, since, at)
select ?1, ?2, ?5, ?6, ?7, ?8, ?9, ?10, ?11 where changes() > 0

-- name: webhook_exists
select count(*) from @.webhook where merchant = ?1 and wid = ?2

-- name: notice_claim
update @.notice set token = token + 1, visible = ?3 + ?2
where id in (select id from @.notice where visible <= ?3 order by id limit ?1)
returning id, merchant, wid, kind, url, reason, failures, disable_after, since, at, token

-- name: notice_defer
update @.notice set visible = ?4 + ?3 where id = ?1 and token = ?2 and merchant = ?5

-- name: notice_ack
delete from @.notice where id = ?1 and merchant = ?2

-- name: notice_prune
delete from @.notice where id in (select id from @.notice where at < ?1 - ?2 order by id limit ?3)

-- name: seen_insert
insert or ignore into @.seen (scope, id, holder, fp, first, until, kept) values (?1, ?2, ?3, ?4, ?3, 0, 0)

-- name: seen_once
-- A mark of Once, unless there is one.
insert into @.seen (scope, id, holder, fp, first, done, until, kept) values (?1, ?2, '', '', '', 1, ?3 + ?4, 0)
on conflict (scope, id) do update set until = excluded.until where until <= ?3

-- name: seen_lock
select s.holder, s.fp, s.first, s.done, s.until, s.kept, s.value, ?3 from @.seen s where s.scope = ?1 and s.id = ?2

-- name: seen_write
update @.seen set holder = ?3, fp = ?4, first = ?5, done = ?6, until = ?7, kept = ?8, value = ?9 where scope = ?1 and id = ?2

-- name: seen_delete
delete from @.seen where scope = ?1 and id = ?2

-- name: merchant_lock
-- There is one writer anyway.

-- name: expedite
update @.queue set due = ?3 where wh = ?1 and id = ?2 and due > ?3 and lease is null

-- name: pending
select exists (select 1 from @.queue where wh = ?1 and id = ?2)

-- name: cancel_last
select coalesce(max(id), 0) from @.queue where wh = ?1

-- name: cancel_list
-- Deliveries after one id and up to another, no tests; or the one with the id ?5.
select id, lease is not null from @.queue
where wh = ?1 and case when ?5 is null then test = 0 and id > ?2 and id <= ?3 else id = ?5 end order by id limit ?4

-- name: damage
select n, at, merchant, wid, wh, id, eid, what, how from @.damage where not told or ?1 order by n limit 100

-- name: damage_told
update @.damage set told = 1 where n in (select value from json_each(?1))

-- name: damage_note
insert or ignore into @.damage (at, merchant, wid, wh, id, eid, what, how)
select ?1, ?2, ?3, null, null, '', ?4, ?5 where (select count(*) from @.damage) < 100

-- name: damage_of
-- Notes what is wrong with a webhook by its key, or with one delivery of it.
insert or ignore into @.damage (at, merchant, wid, wh, id, eid, what, how)
select ?1, coalesce((select merchant from @.webhook where wh = ?2), (
		select e.merchant from @.queue q join @.event e on e.id = q.event where q.wh = ?2 limit 1), ''),
	coalesce((select wid from @.webhook where wh = ?2), ''), ?2, ?3, '', ?4, ?5
where (select count(*) from @.damage) < 100

-- name: bury
-- Leaves what belongs to a webhook without a row to Prune.
insert or ignore into @.gone values (?1);
delete from @.kind where wh = ?1;
delete from @.change where wh = ?1;
delete from @.ready where wh = ?1

-- name: ready_mend
-- Makes the row anew that a webhook has lost, without its rate and its streak.
insert into @.ready (wh, active, rate, level, taken, epoch, inflight, lease_next, n_pending, n_ok, n_failed, n_attempts)
select w.wh, w.active, 0, 0, ?2, max(1, coalesce((select max(epoch) from @.queue where wh = ?1), 1)),
	(select count(*) from @.queue where wh = ?1 and lease is not null), (select min(lease) from @.queue where wh = ?1),
	(select count(*) from @.queue where wh = ?1),
	(select count(*) from @.delivery where wh = ?1 and ok), (select count(*) from @.delivery where wh = ?1 and not ok),
	(select coalesce(sum(attempts), 0) from @.delivery where wh = ?1) + (select coalesce(sum(attempts), 0) from @.queue where wh = ?1)
from @.webhook w where w.wh = ?1 and not exists (select 1 from @.ready where wh = ?1)

-- name: unlike
-- Webhooks after one, and what nobody would come across: one that has lost its row of ready (1) or
-- its own (2), or whose counts or turn do not fit what waits (3).
select u.wh, case
	when r.wh is null then 1 when w.wh is null then 2
	when (r.n_pending = 0) = exists (select 1 from @.queue q where q.wh = u.wh) then 3
	when r.turn is null and r.capped = 0 and exists (select 1 from @.queue q where q.wh = u.wh and q.lease is null and (q.test or r.active)) then 3
	else 0 end
from (
	select * from (select wh from @.webhook where wh > ?1 order by wh limit ?2)
	union select * from (select wh from @.ready where wh > ?1 order by wh limit ?2)
	order by 1 limit ?2) u
left join @.webhook w on w.wh = u.wh left join @.ready r on r.wh = u.wh order by u.wh

-- name: line_count
select count(*) from @.queue where wh = ?1

-- name: delivery_exists
select 1 where exists (select 1 from @.queue where wh = ?1 and id = ?2) or exists (select 1 from @.delivery where wh = ?1 and id = ?2)

-- name: job_insert
insert into @.job (merchant, id, scope, kind, state, created, updated, visible) values (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?6) on conflict do nothing

-- name: job
select seq, merchant, id, scope, kind, state, version, created, updated, ended, visible, ?3 from @.job where merchant = ?1 and id = ?2

-- name: job_of_scope
select seq, merchant, id, scope, kind, state, version, created, updated, ended, visible, ?3 from @.job
where merchant = ?1 and scope = ?2 and ended is null

-- name: job_lock
select seq, merchant, id, scope, kind, state, version, created, updated, ended, visible, ?3 from @.job where merchant = ?1 and id = ?2

-- name: jobs
select seq, merchant, id, scope, kind, state, version, created, updated, ended, visible, ?5 from @.job
where merchant = ?1 and (?2 = '' or scope = ?2) and seq < ?3 order by seq desc limit ?4

-- name: job_update
update @.job as job set state = ?2, version = ?3, updated = ?4, ended = ?5, visible = ?6, nth = coalesce(nth, case when ?5 is not null then (
	select coalesce(max(x.nth), 0) + 1 from @.job x where x.merchant = job.merchant) end)
where seq = ?1

-- name: job_drop
-- Forgets the ended jobs of a merchant beyond the ?2 that ended last.
delete from @.job where seq in (
	select seq from @.job where merchant = ?1 and nth is not null order by nth desc, seq desc limit -1 offset ?2)

-- name: job_claim
select seq, merchant, id, scope, kind, state, version, created, updated, ended, visible, ?2 from @.job
where ended is null and visible <= ?2 and kind in (select value from json_each(?3)) order by visible, seq limit ?1

-- name: job_hide
update @.job set visible = ?2 where seq in (select value from json_each(?1))

-- name: job_prune
delete from @.job where seq in (select seq from @.job where ended < ?1 - ?2 order by ended limit ?3)
