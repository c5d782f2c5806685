package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
)

// merchantCommands are those for which a merchant's own token will do.
func (t *tool) merchantCommands() []*cli.Command {
	since, until := option("since", "from this `time` on: 2026-11-30T12:00:00Z, or 2h for two hours ago"), option("until", "before this `time`")
	return []*cli.Command{
		t.command("ls", "MERCHANT [WEBHOOK]", "list webhooks, or show one and what was changed of it", t.list,
			number("limit", "at most `N`"), number("offset", "leave the first `N` out"), yes("active", "leave out those that are disabled")),
		t.command("types", "MERCHANT", "list the types of events that there are", t.types),
		t.command("events", "MERCHANT", "list what was published, newest first", t.events,
			option("type", "only events of this `type`"), option("id", "only the event with this `id`"), since, until, number("limit", "at most `N`"), option("cursor", "`where` to go on")),
		t.command("why", "MERCHANT EVENT", "say of each webhook why it did or did not get an event", t.why),
		t.command("deliveries", "MERCHANT WEBHOOK [DELIVERY]", "show the log of a webhook, or all of one delivery", t.deliveries,
			option("event", "only those of the event with this `id`"), option("type", "only those of events of this `type`"), option("status", "pending, success or failed"),
			since, until, number("limit", "at most `N`"), option("cursor", "`where` to go on")),
		t.command("replay", "MERCHANT WEBHOOK [DELIVERY]", "send what failed or was missed again, or one delivery", t.replay,
			since, until, option("status", "only what failed, or only what was missed"), yes("backfill", "also what was published before the webhook was there"),
			yes("dry-run", "only count"), yes("wait", "until it has ended")),
		t.command("enable", "MERCHANT WEBHOOK", "let a webhook's deliveries go on", t.status("active")),
		t.command("disable", "MERCHANT WEBHOOK", "hold a webhook's deliveries", t.status("disabled")),
		t.command("test", "MERCHANT WEBHOOK", "send a test event and wait for its outcome", t.test,
			option("type", "the catalog's example of this `type` in place of webhook.test"), yes("no-wait", "for the outcome")),
	}
}

func option(name, usage string) cli.Flag { return &cli.StringFlag{Name: name, Usage: usage} }
func yes(name, usage string) cli.Flag    { return &cli.BoolFlag{Name: name, Usage: usage} }
func number(name, usage string) cli.Flag {
	return &cli.IntFlag{Name: name, Usage: usage, HideDefault: true}
}

// of is the path of something of a merchant's, whose ids are among the arguments.
func of(c *cli.Command, segments ...string) []string {
	path := []string{say(c).Segment(), c.Args().First()}
	for _, s := range segments {
		if at, err := strconv.Atoi(s); err == nil {
			s = c.Args().Get(at)
		}
		path = append(path, s)
	}
	return path
}

// moment reads a time, or how long ago it was.
func (t *tool) moment(c *cli.Command, name string) (string, error) {
	text := c.String(name)
	if ago, err := time.ParseDuration(text); err == nil {
		return t.now().Add(-ago).UTC().Format(time.RFC3339), nil
	}
	if _, err := time.Parse(time.RFC3339, text); text != "" && err != nil {
		return "", usagef("--%s: give a time such as 2026-11-30T12:00:00Z, or 2h for two hours ago", name)
	}
	return text, nil
}

// query takes flags over as parameters; one that is called otherwise is flag=parameter.
func (t *tool) query(c *cli.Command, names ...string) (url.Values, error) {
	q := url.Values{}
	for _, name := range names {
		name, parameter, renamed := strings.Cut(name, "=")
		if !renamed {
			parameter = name
		}
		if !c.IsSet(name) {
			continue
		}
		value := fmt.Sprint(c.Value(name))
		if name == "since" || name == "until" || name == "failing-before" {
			var err error
			if value, err = t.moment(c, name); err != nil {
				return nil, err
			}
		}
		q.Set(parameter, value)
	}
	return q, nil
}

func (t *tool) list(ctx context.Context, c *cli.Command) error {
	if c.NArg() == 2 {
		return t.oneWebhook(ctx, c)
	}
	q, err := t.query(c, "limit", "offset", "active=activeOnly")
	if err != nil {
		return err
	}
	return ask(ctx, t, c, request{path: of(c, "webhooks"), query: q}, func(p *page, v webhooksView) {
		p.webhooks(v.Webhooks, false)
		for _, id := range v.Damaged {
			p.line("%s is damaged: the store cannot read it", id)
		}
		if next := v.Pagination.Offset + len(v.Webhooks); len(v.Webhooks) > 0 && next < v.Pagination.Total {
			p.line("more: --offset %d, of %d", next, v.Pagination.Total)
		}
	})
}

// oneWebhook shows a webhook, and in text its changes if the API knows them.
func (t *tool) oneWebhook(ctx context.Context, c *cli.Command) error {
	if err := ask(ctx, t, c, request{path: of(c, "webhooks", "1")}, (*page).webhook); err != nil || c.String("output") == "json" {
		return err
	}
	return ask(ctx, t, c, request{path: of(c, "webhooks", "1", "changes")}, (*page).changes)
}

func (t *tool) events(ctx context.Context, c *cli.Command) error {
	q, err := t.query(c, "type", "id", "since", "until", "limit", "cursor")
	if err != nil {
		return err
	}
	return ask(ctx, t, c, request{path: of(c, "events"), query: q}, func(p *page, v eventsView) {
		p.row("PUBLISHED", "TYPE", "EVENT")
		for _, e := range v.Events {
			p.row(e.CreatedAt, e.Type, e.ID)
		}
		p.more(v.Next)
	})
}

func (t *tool) types(ctx context.Context, c *cli.Command) error {
	type view struct {
		EventTypes []struct {
			Type        string `json:"type"`
			Frequency   string `json:"frequency"`
			Description string `json:"description"`
		} `json:"eventTypes"`
	}
	return ask(ctx, t, c, request{path: of(c, "webhooks", "event-types")}, func(p *page, v view) {
		p.row("TYPE", "FREQUENCY", "DESCRIPTION")
		for _, e := range v.EventTypes {
			p.row(e.Type, e.Frequency, e.Description)
		}
	})
}

// why has an answer also if the event is not known: then the message is the answer.
func (t *tool) why(ctx context.Context, c *cli.Command) error {
	err := ask(ctx, t, c, request{path: of(c, "events", "1")}, func(p *page, v eventView) {
		p.line("%s: %s", v.ID, v.Text)
		for _, w := range v.Verdicts {
			p.line("\n%s  %s", w.WebhookID, w.URL)
			p.line("  %s", w.Text)
			if w.DeliveryID != "" {
				p.line("  delivery %s", w.DeliveryID)
			}
		}
		for _, id := range v.Damaged {
			p.line("\ndelivery %s is damaged: the store cannot read it", id)
		}
	})
	unknown, refused := errors.AsType[*refusal](err)
	if !refused || unknown.Code != codeNotFound {
		return err
	}
	data, err := json.Marshal(unknown)
	if err != nil {
		return err
	}
	return show(t, c, data, func(p *page, v refusal) { p.line("%s: %s", c.Args().Get(1), v.Message) })
}

func (t *tool) deliveries(ctx context.Context, c *cli.Command) error {
	if c.NArg() == 3 {
		return ask(ctx, t, c, request{path: of(c, "webhooks", "1", "deliveries", "2")}, (*page).delivery)
	}
	q, err := t.query(c, "event=eventId", "type=eventType", "status", "since", "until", "limit", "cursor")
	if err != nil {
		return err
	}
	if !c.IsSet("cursor") && !c.IsSet("event") {
		q.Set("cursor", "") // The first page, with where to go on.
	}
	return ask(ctx, t, c, request{path: of(c, "webhooks", "1", "deliveries"), query: q}, (*page).deliveries)
}

func (t *tool) replay(ctx context.Context, c *cli.Command) error {
	if c.NArg() == 3 {
		return ask(ctx, t, c, request{method: http.MethodPost, path: of(c, "webhooks", "1", "deliveries", "2", "redeliver")},
			func(p *page, v deliveryView) { p.line("%s: %s, delivery %s", v.EventID, v.Status, v.ID) })
	}
	body := map[string]any{}
	for _, name := range []string{"since", "until"} {
		at, err := t.moment(c, name)
		if err != nil {
			return err
		}
		if at != "" {
			body[name] = at
		}
	}
	if c.IsSet("status") {
		body["status"] = c.String("status")
	}
	if c.Bool("backfill") {
		body["backfill"] = true
	}
	r := request{method: http.MethodPost, path: of(c, "webhooks", "1", "replay"), body: body}
	if c.Bool("dry-run") {
		r.query = url.Values{"dryRun": {"true"}}
		return ask(ctx, t, c, r, (*page).replay)
	}
	return track(ctx, t, c, r, of(c, "webhooks", "1", "replays"), (*page).replay)
}

func (t *tool) status(status string) func(context.Context, *cli.Command) error {
	return func(ctx context.Context, c *cli.Command) error {
		r := request{method: http.MethodPut, path: of(c, "webhooks", "1"), body: map[string]string{"status": status}}
		return ask(ctx, t, c, r, func(p *page, v webhookView) { p.line("%s is %s", v.WebhookID, v.state()) })
	}
}

func (t *tool) test(ctx context.Context, c *cli.Command) error {
	r := request{method: http.MethodPost, path: of(c, "webhooks", "1", "test")}
	r.query = url.Values{}
	if !c.Bool("no-wait") {
		r.query.Set("wait", "true")
	}
	if c.IsSet("type") {
		r.query.Set("eventType", c.String("type"))
	}
	return ask(ctx, t, c, r, func(p *page, v deliveryView) {
		p.line("%s: %s (%s), delivery %s", v.EventID, v.Status, v.outcome(), v.ID)
	})
}
