package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v3"

	"github.com/rag-assistant/webhooks/cmd/webhooks/internal/terminal"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// page is text in columns. What it is given is made safe for terminals.
type page struct {
	out   *tabwriter.Writer
	words *words.Words
}

func (p *page) row(cells ...any) {
	text := make([]string, len(cells))
	for i, cell := range cells {
		text[i] = strings.ReplaceAll(terminal.Safe(fmt.Sprint(cell)), "\n", `\n`)
		if text[i] == "" {
			text[i] = "-"
		}
	}
	_, _ = fmt.Fprintln(p.out, strings.Join(text, "\t"))
}

// counted is a number of things. Without a plural, that is one with an s.
func counted(n int, one string, many ...string) string {
	switch {
	case n == 1:
		return "1 " + one
	case len(many) > 0:
		return fmt.Sprintf("%d %s", n, many[0])
	}
	return fmt.Sprintf("%d %ss", n, one)
}

func webhooksOf(w *words.Words, webhooks, tenants int) string {
	return counted(webhooks, "webhook") + " of " + counted(tenants, w.Say("{tenant}"), w.Say("{tenants}"))
}

// line is text that is in no column.
func (p *page) line(format string, args ...any) {
	_, _ = fmt.Fprintln(p.out, terminal.Safe(fmt.Sprintf(format, args...)))
}

// field is a line with a name, if there is something to say.
func (p *page) field(name string, value any) {
	if text := fmt.Sprint(value); text != "" && text != "0" && text != "[]" {
		p.row(name, value)
	}
}

// more says how to go on.
func (p *page) more(cursor string) {
	if cursor != "" {
		p.line("more: --cursor %s", cursor)
	}
}

// ask puts r to the API and prints its data: as it is, or as text.
func ask[T any](ctx context.Context, t *tool, c *cli.Command, r request, text func(*page, T)) error {
	api, err := newClient(c)
	if err != nil {
		return err
	}
	data, err := api.call(ctx, r)
	if err != nil {
		return err
	}
	return show(t, c, data, text)
}

func show[T any](t *tool, c *cli.Command, data json.RawMessage, text func(*page, T)) error {
	if c.String("output") == "json" {
		_, err := fmt.Fprintf(t.stdout, "%s\n", data)
		return err
	}
	v, err := decode[T](data)
	if err != nil {
		return err
	}
	p := &page{tabwriter.NewWriter(t.stdout, 0, 4, 2, ' ', 0), say(c)}
	text(p, v)
	return p.out.Flush()
}

func decode[T any](data json.RawMessage) (T, error) {
	var v T
	if err := json.Unmarshal(data, &v); err != nil {
		return v, fmt.Errorf("the answer is not what this command knows: %w; -o json shows it", err)
	}
	return v, nil
}
