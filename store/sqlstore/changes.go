package sqlstore

import (
	"context"
	"strings"

	"github.com/rag-assistant/webhooks/store"
)

// addChange keeps a change of a webhook, in the transaction that makes it. The disabling of
// failures adds its own.
func (s *Store) addChange(ctx context.Context, tx querier, wh int64, c store.Change) error {
	var url, events any
	if c.URL != "" {
		url = encode(c.URL)
	}
	if c.Events != nil {
		events = writeList(c.Events)
	}
	_, err := s.exec(ctx, tx, "change_insert", wh, c.Version, millis(c.At), encode(c.By), c.Status == store.Active, encode(c.Reason),
		strings.Join(c.Fields, ","), url, events)
	return err
}

// Changes implements [store.Webhooks]. A change whose events cannot be read is shown without
// them.
func (s *Store) Changes(ctx context.Context, merchantID, webhookID string) (out []store.Change, err error) {
	w, err := s.read(ctx, s.reads, merchantID, webhookID)
	if err != nil {
		return nil, err
	}
	damaged := false
	err = s.each(ctx, s.reads, "changes", func(r scan) error {
		var c store.Change
		var at int64
		var active bool
		var fields string
		var url, events *string
		if err := r(&c.Version, &at, &c.By, &active, &c.Reason, &fields, &url, &events); err != nil {
			return err
		}
		c.At, c.Status, c.URL = stamp(at), store.Disabled, value(url)
		if active {
			c.Status = store.Active
		}
		decodeAll(&c.By, &c.Reason, &c.URL)
		if fields != "" {
			c.Fields = strings.Split(fields, ",")
		}
		if events != nil {
			var unread error
			if c.Events, unread = readList(*events); unread != nil {
				c.Events, damaged = nil, true
			}
		}
		out = append(out, c)
		return nil
	}, w.wh)
	if damaged {
		s.noteWebhook(ctx, merchantID, webhookID, &unreadable{"events of a change"})
	}
	return out, err
}
