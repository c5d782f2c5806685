-- enqueue_1 makes one more delivery of each of the events to a webhook, and remembers it by the
-- nonce.
--
-- Answers one row for each event in order: the id of the delivery; null with full set if there
-- are p_most already, with crowded if p_pending (if above 0) of the webhook are pending, and with
-- neither if the event is not stored. No row if there is no webhook.
--
-- Locks: the webhook's row of ready, then the events, for key share.
create function enqueue_1(p_now bigint, p_merchant text, p_wid text, p_events json, p_nonce text, p_most integer, p_pending integer)
returns table (o_wh bigint, o_id bigint, o_full boolean, o_crowded boolean) language plpgsql @settings as $$
declare
	v_now bigint;
	v_ver bigint;
	v_base bigint;
	v_event record;
	v_made integer := 0;
	v_pending bigint;
	v_tests integer := 0;
begin
	select r.wh, r.ver, r.n_pending into o_wh, v_ver, v_pending from ready r join webhook w on w.wh = r.wh
	where w.merchant = p_merchant and w.wid = p_wid
		and r.ver >= (select x.ver from ready x where x.wh = w.wh order by x.ver desc limit 1)
	for no key update of r;
	if not found then
		return;
	end if;
	v_now := clock_1(p_now);
	if p_pending > 0 then
		v_pending := v_pending + coalesce((select sum(p.n) from poke p where p.wh = o_wh), 0);
	end if;
	v_base := ((v_now - 1577836800000) << 22) | ((nextval('ids') & 4095) << 10);
	for i in 0 .. json_array_length(p_events) - 1 loop
		o_id := null;
		o_full := false;
		o_crowded := false;
		select e.id, e.test, octet_length(e.body) size into v_event
		from event e where e.merchant = p_merchant and e.eid = p_events ->> i for key share;
		if found then
			select a.id into o_id from again a where a.wh = o_wh and a.event = v_event.id and a.nonce = p_nonce;
			if not found then
				o_full := p_most <= (select count(*) from again a where a.wh = o_wh and a.event = v_event.id);
				o_crowded := not o_full and p_pending > 0 and v_pending + v_made >= p_pending;
			end if;
		end if;
		if v_event.id is not null and o_id is null and not o_full and not o_crowded then
			o_id := v_base + v_made;
			insert into queue (wh, id, event, due, test, size) values (o_wh, o_id, v_event.id, v_now, v_event.test, v_event.size);
			insert into again values (o_wh, v_event.id, p_nonce, o_id);
			v_made := v_made + 1;
			v_tests := v_tests + v_event.test::integer;
		end if;
		return next;
	end loop;
	update ready r set ver = r.ver + 1, n_pending = n_pending + v_made,
		floor = case when v_made > v_tests then least(r.floor, v_now) else r.floor end,
		tfloor = case when v_tests > 0 then least(r.tfloor, v_now) else r.tfloor end
	where r.wh = o_wh and r.ver = v_ver and v_made > 0;
	perform line_up_1(o_wh, v_now);
end $$;
