package redisstore

import (
	"context"
	"slices"
	"strings"

	"github.com/rag-assistant/webhooks/store"
)

// packChange writes what happened to a webhook: see CHANGE in lua/lib.lua.
func packChange(c store.Change) packer {
	p := packer(nil).num(millis(c.At), 6).num(c.Version, 6).num(flag(c.Status == store.Active), 1)
	p = p.text(c.By, 4).text(c.Reason, 4).text(strings.Join(c.Fields, ","), 4).text(c.URL, 4)
	return append(p, packList(c.Events, 2)...)
}

func unpackChange(packed string) (store.Change, bool) {
	u := unpacker{rest: packed}
	c := store.Change{At: u.time(), Version: u.num(6), Status: store.Disabled}
	if u.num(1) == 1 {
		c.Status = store.Active
	}
	c.By, c.Reason = u.text(4), u.text(4)
	if fields := u.text(4); fields != "" {
		c.Fields = strings.Split(fields, ",")
	}
	c.URL = u.text(4)
	events, err := unpackList(u.rest, 2)
	c.Events = events
	return c, !u.bad && err == nil
}

// Changes implements [store.Webhooks]. It leaves out what cannot be read.
func (s *Store) Changes(ctx context.Context, merchantID, webhookID string) ([]store.Change, error) {
	r, err := s.run(ctx, call{name: "changes", on: s.at(merchantID), args: []any{merchantID, webhookID}})
	if err != nil {
		return nil, named("webhook", webhookID, err)
	}
	var out []store.Change
	for r.more() {
		if c, ok := unpackChange(r.text()); ok {
			out = append(out, c)
		}
	}
	slices.Reverse(out)
	return out, r.check("changes")
}
