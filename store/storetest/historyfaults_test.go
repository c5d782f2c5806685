package storetest

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

func historyFaults() []fault {
	// asking lists deliveries for another query.
	asking := func(change func(q *store.DeliveryQuery)) faulty {
		return faulty{list: func(m *model, merchantID, webhookID string, q store.DeliveryQuery) (store.DeliveryPage, error) {
			change(&q)
			return m.Deliveries(background, merchantID, webhookID, q)
		}}
	}
	// paged changes a page of deliveries.
	paged := func(change func(m *model, q store.DeliveryQuery, p *store.DeliveryPage)) faulty {
		return faulty{list: func(m *model, merchantID, webhookID string, q store.DeliveryQuery) (store.DeliveryPage, error) {
			p, err := m.Deliveries(background, merchantID, webhookID, q)
			if err == nil {
				change(m, q, &p)
			}
			return p, err
		}}
	}
	// counted changes stats.
	counted := func(change func(m *model, webhookID string, s *store.Stats)) faulty {
		return faulty{stats: func(m *model, merchantID, webhookID string) (store.Stats, error) {
			s, err := m.Stats(background, merchantID, webhookID)
			if err == nil {
				change(m, webhookID, &s)
			}
			return s, err
		}}
	}
	// told changes a page of events.
	told := func(change func(m *model, merchantID string, q store.EventQuery, p *store.EventPage)) faulty {
		return faulty{events: func(m *model, merchantID string, q store.EventQuery) (store.EventPage, error) {
			p, err := m.Events(background, merchantID, q)
			if err == nil {
				change(m, merchantID, q, &p)
			}
			return p, err
		}}
	}
	return []fault{
		{"an unknown delivery is empty", "history/unknown delivery", false, faulty{delivery: func(m *model, merchantID, webhookID, deliveryID string) (store.Delivery, error) {
			d, _ := m.Delivery(background, merchantID, webhookID, deliveryID)
			return d, nil
		}}},
		{"any webhook shows a delivery", "history/unknown delivery", false, faulty{delivery: func(m *model, merchantID, webhookID, deliveryID string) (store.Delivery, error) {
			for _, d := range m.deliveries {
				if d.ID == deliveryID && d.MerchantID == merchantID {
					return m.view(d), nil
				}
			}
			return m.Delivery(background, merchantID, webhookID, deliveryID)
		}}},
		{"anybody reads a delivery", "isolation/Delivery", false, faulty{delivery: func(m *model, _, webhookID, deliveryID string) (store.Delivery, error) {
			for _, d := range m.deliveries {
				if d.ID == deliveryID && d.WebhookID == webhookID {
					return m.view(d), nil
				}
			}
			return store.Delivery{}, store.ErrNotFound
		}}},
		{"a webhook of one's own shows another's delivery", "isolation/Delivery through a webhook of one's own", false, faulty{delivery: func(m *model, merchantID, webhookID, deliveryID string) (store.Delivery, error) {
			for _, d := range m.deliveries {
				if d.ID == deliveryID && m.webhook(merchantID, webhookID) != nil {
					return m.view(d), nil
				}
			}
			return store.Delivery{}, store.ErrNotFound
		}}},
		{"anybody lists deliveries", "isolation/Deliveries", true, faulty{list: func(m *model, merchantID, webhookID string, q store.DeliveryQuery) (store.DeliveryPage, error) {
			for _, w := range m.webhooks {
				if w.ID == webhookID {
					merchantID = w.MerchantID
				}
			}
			return m.Deliveries(background, merchantID, webhookID, q)
		}}},
		{"anybody reads stats", "isolation/Stats", false, faulty{stats: func(m *model, merchantID, webhookID string) (store.Stats, error) {
			for _, w := range m.webhooks {
				if w.ID == webhookID {
					merchantID = w.MerchantID
				}
			}
			return m.Stats(background, merchantID, webhookID)
		}}},
		{"an unknown webhook has empty stats", "history/unknown webhook", false, faulty{stats: func(m *model, merchantID, webhookID string) (store.Stats, error) {
			s, _ := m.Stats(background, merchantID, webhookID)
			return s, nil
		}}},
		{"deliveries are listed oldest first", "history/newest first", true, paged(func(_ *model, _ store.DeliveryQuery, p *store.DeliveryPage) { slices.Reverse(p.Deliveries) })},
		{"deliveries are listed with their attempts", "history/newest first", false, paged(func(m *model, _ store.DeliveryQuery, p *store.DeliveryPage) {
			for i, d := range p.Deliveries {
				p.Deliveries[i].Log = m.delivery(d.MerchantID, d.WebhookID, d.ID).Log
			}
		})},
		{"the status filter is ignored", "history/filters", true, asking(func(q *store.DeliveryQuery) { q.Status = "" })},
		{"the type filter is ignored", "history/filters", true, asking(func(q *store.DeliveryQuery) { q.EventType = "" })},
		{"Since leaves its moment out", "history/filters", true, asking(func(q *store.DeliveryQuery) {
			if !q.Since.IsZero() {
				q.Since = q.Since.Add(time.Millisecond)
			}
		})},
		{"Until includes its moment", "history/filters", true, asking(func(q *store.DeliveryQuery) {
			if !q.Until.IsZero() {
				q.Until = q.Until.Add(time.Millisecond)
			}
		})},
		{"filters keep whole seconds", "history/filters", false, asking(func(q *store.DeliveryQuery) {
			q.Since, q.Until = q.Since.Truncate(time.Second), q.Until.Truncate(time.Second)
		})},
		{"the offset is ignored", "paging/offsets", true, asking(func(q *store.DeliveryQuery) { q.Offset = 0 })},
		{"the offset is taken with a cursor", "paging/cursor instead of offset", false, faulty{list: func(m *model, merchantID, webhookID string, q store.DeliveryQuery) (store.DeliveryPage, error) {
			more := q
			if q.Cursor != "" {
				more.Limit += q.Offset
			}
			p, err := m.Deliveries(background, merchantID, webhookID, more)
			if q.Cursor != "" {
				p.Deliveries = cut(p.Deliveries, q.Offset, q.Limit)
			}
			return p, err
		}}},
		{"Total is the length of the page", "paging/offsets", true, paged(func(_ *model, _ store.DeliveryQuery, p *store.DeliveryPage) { p.Total = len(p.Deliveries) })},
		{"Total counts from the cursor on", "paging/cursor", true, paged(func(m *model, q store.DeliveryQuery, p *store.DeliveryPage) {
			if q.Cursor != "" {
				p.Total--
			}
		})},
		{"a cursor is an offset", "paging/cursor while deliveries are added", false, faulty{list: func(m *model, merchantID, webhookID string, q store.DeliveryQuery) (store.DeliveryPage, error) {
			if n, err := strconv.Atoi(strings.TrimPrefix(q.Cursor, "d")); err == nil && q.Cursor != "" {
				q.Cursor, q.Offset = "", n
			}
			p, err := m.Deliveries(background, merchantID, webhookID, q)
			if p.Next != "" {
				p.Next = "d" + strconv.Itoa(q.Offset+q.Limit)
			}
			return p, err
		}}},
		{"a cursor is a time", "paging/cursor", true, faulty{list: func(m *model, merchantID, webhookID string, q store.DeliveryQuery) (store.DeliveryPage, error) {
			if n, err := strconv.ParseInt(strings.TrimPrefix(q.Cursor, "d"), 10, 64); err == nil && q.Cursor != "" {
				q.Cursor, q.Until = "", time.UnixMilli(n)
			}
			p, err := m.Deliveries(background, merchantID, webhookID, q)
			if n := len(p.Deliveries); n > 0 && p.Next != "" {
				p.Next = "d" + strconv.FormatInt(p.Deliveries[n-1].CreatedAt.UnixMilli()+1, 10)
			}
			return p, err
		}}},
		{"a cursor needs the delivery it ended at", "paging/cursor at what was pruned", false, faulty{list: func(m *model, merchantID, webhookID string, q store.DeliveryQuery) (store.DeliveryPage, error) {
			if n, err := strconv.Atoi(strings.TrimPrefix(q.Cursor, "d")); err == nil && q.Cursor != "" {
				if !slices.ContainsFunc(m.deliveries, func(d *modelDelivery) bool { return d.number == n }) {
					return store.DeliveryPage{}, nil
				}
			}
			return m.Deliveries(background, merchantID, webhookID, q)
		}}},
		{"a cursor counts from the oldest", "paging/cursor while deliveries move and are pruned", false, faulty{list: func(m *model, merchantID, webhookID string, q store.DeliveryQuery) (store.DeliveryPage, error) {
			all := q
			all.Cursor, all.Offset, all.Limit = "", 0, endless
			p, err := m.Deliveries(background, merchantID, webhookID, all)
			from := q.Offset
			if q.Cursor != "" {
				left, bad := strconv.Atoi(q.Cursor)
				if bad != nil {
					return store.DeliveryPage{}, store.ErrCursor
				}
				from = max(0, len(p.Deliveries)-left)
			}
			page := store.DeliveryPage{Total: p.Total, Deliveries: cut(p.Deliveries, from, q.Limit)}
			if left := len(p.Deliveries) - from - q.Limit; left > 0 {
				page.Next = strconv.Itoa(left)
			}
			return page, err
		}}},
		{"a cursor forgets the filter", "paging/cursor and filter", true, asking(func(q *store.DeliveryQuery) {
			if q.Cursor != "" {
				q.EventType = ""
			}
		})},
		{"a page never ends", "paging/cursor", true, paged(func(_ *model, q store.DeliveryQuery, p *store.DeliveryPage) {
			if p.Next == "" && q.Cursor != "" {
				p.Next = q.Cursor
			}
		})},
		{"a bad cursor is the beginning", "paging/bad cursor", false, faulty{list: func(m *model, merchantID, webhookID string, q store.DeliveryQuery) (store.DeliveryPage, error) {
			p, err := m.Deliveries(background, merchantID, webhookID, q)
			if errors.Is(err, store.ErrCursor) {
				q.Cursor = ""
				return m.Deliveries(background, merchantID, webhookID, q)
			}
			return p, err
		}}},
		{"a leased delivery is not pending", "history/leased is pending", true, counted(func(m *model, webhookID string, s *store.Stats) {
			for _, d := range m.deliveries {
				if d.WebhookID == webhookID && m.leased(d) {
					s.Pending--
				}
			}
		})},
		{"stats forget failures", "history/stats", true, counted(func(_ *model, _ string, s *store.Stats) { s.Failed = 0 })},
		{"stats count ended deliveries as attempts", "history/stats", true, counted(func(_ *model, _ string, s *store.Stats) { s.Attempts = s.Succeeded + s.Failed })},
		{"stats are of the merchant", "history/per merchant and webhook", true, faulty{stats: func(m *model, merchantID, webhookID string) (store.Stats, error) {
			s, err := m.Stats(background, merchantID, webhookID)
			for _, w := range m.webhooks {
				if w.MerchantID == merchantID && w.ID != webhookID && err == nil {
					o, _ := m.Stats(background, merchantID, w.ID)
					s.Failed += o.Failed
				}
			}
			return s, err
		}}},
		{"anybody reads an event", "isolation/Event", false, faulty{event: func(m *model, merchantID, eventID string) (store.Event, error) {
			for _, e := range m.events {
				if e.ID == eventID {
					merchantID = e.merchantID
				}
			}
			return m.Event(background, merchantID, eventID)
		}}},
		{"anybody learns of a webhook", "isolation/Events", false, faulty{events: func(m *model, merchantID string, q store.EventQuery) (store.EventPage, error) {
			for _, w := range m.webhooks {
				if w.ID == q.WebhookID && w.MerchantID != merchantID {
					return store.EventPage{}, store.ErrNotFound
				}
			}
			return m.Events(background, merchantID, q)
		}}},
		{"events are listed newest first", "events/oldest first", true, told(func(_ *model, _ string, _ store.EventQuery, p *store.EventPage) { slices.Reverse(p.Events) })},
		{"events are listed with bodies", "events/oldest first", true, told(func(m *model, merchantID string, _ store.EventQuery, p *store.EventPage) {
			for i, e := range p.Events {
				p.Events[i].Body = m.event(merchantID, e.ID).Body
			}
		})},
		{"tests are listed", "publish/test events", true, told(func(m *model, merchantID string, _ store.EventQuery, p *store.EventPage) {
			for _, e := range m.events {
				if e.merchantID == merchantID && e.Test && p.Next == "" {
					p.Events = append(p.Events, e.Event)
				}
			}
		})},
		{"events ignore their times", "events/times", true, faulty{events: func(m *model, merchantID string, q store.EventQuery) (store.EventPage, error) {
			q.Since = time.Time{}
			return m.Events(background, merchantID, q)
		}}},
		{"an event cursor is an offset", "events/pages while events are added and pruned", false, faulty{events: func(m *model, merchantID string, q store.EventQuery) (store.EventPage, error) {
			n := 0
			if q.Cursor != "" {
				var err error
				if n, err = strconv.Atoi(strings.TrimPrefix(q.Cursor, "e")); err != nil {
					return store.EventPage{}, store.ErrCursor
				}
			}
			all := q
			all.Cursor, all.Limit = "", endless
			p, err := m.Events(background, merchantID, all)
			page := store.EventPage{Events: cut(p.Events, n, q.Limit)}
			if n+q.Limit < len(p.Events) {
				page.Next = "e" + strconv.Itoa(n+q.Limit)
			}
			return page, err
		}}},
		{"Delivered is that of the oldest", "events/delivered", true, told(func(m *model, merchantID string, q store.EventQuery, p *store.EventPage) {
			for i, e := range p.Events {
				for _, d := range slices.Backward(m.deliveries) {
					if d.MerchantID == merchantID && d.WebhookID == q.WebhookID && d.EventID == e.ID {
						p.Events[i].Delivered = d.Status
					}
				}
			}
		})},
		{"Delivered is that of any webhook", "events/delivered", true, told(func(m *model, merchantID string, q store.EventQuery, p *store.EventPage) {
			for i, e := range p.Events {
				for _, d := range m.deliveries {
					if d.MerchantID == merchantID && d.EventID == e.ID && q.WebhookID != "" {
						p.Events[i].Delivered = d.Status
					}
				}
			}
		})},
	}
}
