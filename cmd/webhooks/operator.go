package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/rag-assistant/webhooks/cmd/webhooks/internal/terminal"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// operator are the commands for a token that is good for all merchants.
func (t *tool) operator() *cli.Command {
	limit, cursor := number("limit", "at most `N`"), option("cursor", "`where` to go on")
	choose := []cli.Flag{
		option("status", "active or disabled"), option("health", "failing or disabled, or healthy for a job with --merchant, --webhook or --all"),
		option("reason", "for which it was disabled"), option("host", "`host` of its URL"),
	}
	c := &cli.Command{
		Name: "operator", Usage: "look at all merchants, and change many webhooks at once",
		Commands: []*cli.Command{
			t.command("backlog", "", "show how late deliveries are", t.backlog),
			t.command("merchants", "", "list merchants with their webhooks", t.merchants, limit, cursor),
			t.command("webhooks", "", "list webhooks in trouble", t.troubled, append(slices.Clone(choose),
				option("failing-before", "failing since before this `time`"), limit, cursor)...),
			t.command("failing", "", "list what fails most now, worst first", t.failing, limit),
			t.command("search", "ID_OR_HOST", "find an event, a delivery, a webhook or a host", t.search, cursor),
			t.command("jobs", "", "list jobs, newest first: who changed what", t.jobs, limit, cursor),
			t.command("job", "JOB", "show a job", t.job, yes("wait", "until it has ended")),
			t.command("stop", "JOB", "stop a job", func(ctx context.Context, c *cli.Command) error {
				return ask(ctx, t, c, request{method: http.MethodPost, path: []string{"operator", "jobs", c.Args().First(), "stop"}}, (*page).job)
			}),
		},
	}
	for _, kind := range []struct{ name, usage string }{
		{"enable", "enable webhooks"},
		{"disable", "disable webhooks"},
		{"replay", "send webhooks again what failed or was missed"},
		{"cancel", "cancel what is pending of webhooks"},
		{"rewrap", "seal the secrets of webhooks with the first key"},
		{"delete", "delete webhooks"},
	} {
		flags := append(slices.Clone(choose),
			&cli.StringSliceFlag{Name: "merchant", Usage: "only of this merchant; several with commas or flags"},
			&cli.StringSliceFlag{Name: "webhook", Usage: "only this webhook; several with commas or flags"},
			yes("all", "every webhook of every merchant"), yes("dry-run", "only count"), number("rate", "so many `webhooks` a second"),
			option("note", "why, for those who read the list of jobs"), yes("wait", "until it has ended"))
		if kind.name == "replay" {
			flags = append(flags, option("since", "events from this `time` on"), option("until", "events before this `time`"))
		}
		c.Commands = append(c.Commands, t.command(kind.name, "", kind.usage+", as a job", t.start(kind.name), flags...))
	}
	group(c)
	return c
}

func (t *tool) backlog(ctx context.Context, c *cli.Command) error {
	type view struct {
		Pending          int64   `json:"pending"`
		OldestDueSeconds float64 `json:"oldestDueSeconds"`
		Damaged          int64   `json:"damaged"`
	}
	return ask(ctx, t, c, request{path: []string{"operator", "backlog"}}, func(p *page, v view) {
		p.row("PENDING", "OLDEST DUE", "DAMAGED")
		p.row(v.Pending, fmt.Sprintf("%.1f s", v.OldestDueSeconds), v.Damaged)
	})
}

func (t *tool) merchants(ctx context.Context, c *cli.Command) error {
	type view struct {
		Merchants []struct {
			MerchantID string `json:"merchantId"`
			Webhooks   int    `json:"webhooks"`
			Active     int    `json:"active"`
			Disabled   int    `json:"disabled"`
			Failing    int    `json:"failing"`
			Pending    int    `json:"pending"`
		} `json:"merchants"`
		Next string `json:"next"`
	}
	q, err := t.query(c, "limit", "cursor")
	if err != nil {
		return err
	}
	return ask(ctx, t, c, request{path: []string{"operator", say(c).Segment()}, query: q}, func(p *page, v view) {
		p.row(tenant(p.words), "WEBHOOKS", "ACTIVE", "DISABLED", "FAILING", "PENDING")
		for _, m := range v.Merchants {
			p.row(m.MerchantID, m.Webhooks, m.Active, m.Disabled, m.Failing, m.Pending)
		}
		p.more(v.Next)
	})
}

func (t *tool) troubled(ctx context.Context, c *cli.Command) error {
	return t.operatorWebhooks(ctx, c, "webhooks", "status", "health", "reason", "host", "failing-before=failingBefore", "limit", "cursor")
}

func (t *tool) failing(ctx context.Context, c *cli.Command) error {
	return t.operatorWebhooks(ctx, c, "failing", "limit")
}

func (t *tool) operatorWebhooks(ctx context.Context, c *cli.Command, path string, parameters ...string) error {
	q, err := t.query(c, parameters...)
	if err != nil {
		return err
	}
	return ask(ctx, t, c, request{path: []string{"operator", path}, query: q}, func(p *page, v webhooksView) {
		p.webhooks(v.Webhooks, true)
		p.more(v.Next)
	})
}

func (t *tool) search(ctx context.Context, c *cli.Command) error {
	type view struct {
		Found []struct {
			Kind       string `json:"kind"`
			MerchantID string `json:"merchantId"`
			WebhookID  string `json:"webhookId"`
			EventID    string `json:"eventId"`
			DeliveryID string `json:"deliveryId"`
			URL        string `json:"url"`
		} `json:"found"`
		Next string `json:"next"`
	}
	q, err := t.query(c, "cursor")
	if err != nil {
		return err
	}
	q.Set("q", c.Args().First())
	return ask(ctx, t, c, request{path: []string{"operator", "search"}, query: q}, func(p *page, v view) {
		p.row("KIND", tenant(p.words), "WEBHOOK", "EVENT", "DELIVERY", "URL")
		for _, f := range v.Found {
			p.row(f.Kind, f.MerchantID, f.WebhookID, f.EventID, f.DeliveryID, f.URL)
		}
		p.more(v.Next)
	})
}

type jobView struct {
	ID         string `json:"id"`
	Kind       string `json:"kind"`
	Status     string `json:"status"`
	DryRun     bool   `json:"dryRun"`
	By         string `json:"by"`
	Note       string `json:"note"`
	CreatedAt  string `json:"createdAt"`
	EndedAt    string `json:"endedAt"`
	Merchants  int    `json:"merchants"`
	Webhooks   int    `json:"webhooks"`
	Changed    int    `json:"changed"`
	Deliveries int    `json:"deliveries"`
	Skipped    int    `json:"skipped"`
	Failed     int    `json:"failed"`
}

func (v jobView) id() string    { return v.ID }
func (v jobView) running() bool { return v.Status == "running" }
func (v jobView) broken() bool  { return v.Status == "failed" }

func (v jobView) kind() string {
	if v.DryRun {
		return v.Kind + " (dry run)"
	}
	return v.Kind
}

func (v jobView) text(w *words.Words) string {
	return fmt.Sprintf("job %s, %s: %s, %s, %d changed, %s, %d skipped, %d failed",
		v.ID, v.kind(), v.Status, webhooksOf(w, v.Webhooks, v.Merchants), v.Changed, counted(v.Deliveries, "delivery", "deliveries"), v.Skipped, v.Failed)
}

func (p *page) job(v jobView) { p.line("%s", v.text(p.words)) }

func (t *tool) jobs(ctx context.Context, c *cli.Command) error {
	type view struct {
		Jobs []jobView `json:"jobs"`
		Next string    `json:"next"`
	}
	q, err := t.query(c, "limit", "cursor")
	if err != nil {
		return err
	}
	return ask(ctx, t, c, request{path: []string{"operator", "jobs"}, query: q}, func(p *page, v view) {
		p.row("CREATED", "JOB", "KIND", "STATUS", "BY", "WEBHOOKS", "CHANGED", "FAILED", "NOTE")
		for _, j := range v.Jobs {
			p.row(j.CreatedAt, j.ID, j.kind(), j.Status, j.By, j.Webhooks, j.Changed, j.Failed, j.Note)
		}
		p.more(v.Next)
	})
}

func (t *tool) job(ctx context.Context, c *cli.Command) error {
	return track(ctx, t, c, request{path: []string{"operator", "jobs", c.Args().First()}}, []string{"operator", "jobs"}, (*page).job)
}

// start starts a job. One that is for no webhook in particular has to say so with --all.
func (t *tool) start(kind string) func(context.Context, *cli.Command) error {
	return func(ctx context.Context, c *cli.Command) error {
		selection := map[string]any{}
		for name, member := range map[string]string{"merchant": "merchants", "webhook": "webhooks", "status": "status", "health": "health", "reason": "reason", "host": "host", "all": "all"} {
			if c.IsSet(name) {
				selection[member] = c.Value(name)
			}
		}
		if len(selection) == 0 {
			return usagef("say which webhooks: --merchant, --webhook, --status, --health, --reason, --host, or --all")
		}
		body := map[string]any{"kind": kind, "selection": selection}
		for _, name := range []string{"since", "until"} {
			at, err := t.moment(c, name)
			if err != nil {
				return err
			}
			if at != "" {
				body[name] = at
			}
		}
		for name, member := range map[string]string{"rate": "rate", "dry-run": "dryRun", "note": "note"} {
			if c.IsSet(name) {
				body[member] = c.Value(name)
			}
		}
		return track(ctx, t, c, request{method: http.MethodPost, path: []string{"operator", "jobs"}, body: body}, []string{"operator", "jobs"}, (*page).job)
	}
}

// track asks for something that goes on after its answer. With --wait it asks again at path,
// tells of the progress on stderr, and prints the last answer.
func track[T progress](ctx context.Context, t *tool, c *cli.Command, r request, path []string, text func(*page, T)) error {
	api, err := newClient(c)
	if err != nil {
		return err
	}
	data, err := api.call(ctx, r)
	if err != nil {
		return err
	}
	v, err := decode[T](data)
	if err != nil {
		return err
	}
	for said := ""; c.Bool("wait") && v.running(); {
		if now := v.text(say(c)); now != said {
			said = now
			_, _ = fmt.Fprintln(t.stderr, terminal.Safe(said))
		}
		if err := t.pause(ctx); err != nil {
			return fmt.Errorf("%w: %s goes on by itself", err, v.id())
		}
		if data, err = api.call(ctx, request{path: append(slices.Clone(path), v.id())}); err != nil {
			return err
		}
		if v, err = decode[T](data); err != nil {
			return err
		}
	}
	if err := show(t, c, data, text); err != nil || !v.broken() {
		return err
	}
	return errSaid
}
