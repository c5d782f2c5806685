package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/rag-assistant/webhooks/cmd/webhooks/internal/explain"
	"github.com/rag-assistant/webhooks/cmd/webhooks/internal/listen"
	"github.com/rag-assistant/webhooks/cmd/webhooks/internal/terminal"
	"github.com/rag-assistant/webhooks/signer"
)

// deskCommands are for those who write a receiver.
func (t *tool) deskCommands() []*cli.Command {
	secret := &cli.StringFlag{
		Name: "secret", Usage: "the webhook's `secret`, or the sender's public key; other users of this machine cannot see the variable",
		Sources: cli.EnvVars("WEBHOOK_SECRET"), HideDefault: true,
	}
	untimed := yes("untimed", "accept requests that have the signature without time alone, as from a sender without Standard Webhooks")
	wire := []cli.Flag{
		option("wire-prefix", "what the `names` of the sender's own headers begin with, as of serve; X-Webhook- unless given"),
		&cli.BoolFlag{Name: "wire-untimed", Usage: "the sender has the signature without time, too; --wire-untimed=false: it does not", Value: true, HideDefault: true},
	}
	return []*cli.Command{
		t.command("listen", "[MERCHANT]", "print what arrives on this desk and why it does not verify, or hand on what is published", t.listen, append(slices.Clone(wire),
			&cli.StringFlag{Name: "addr", Usage: "`host:port` to listen on", Value: "127.0.0.1:3000"}, secret, untimed,
			number("fail", "let the first `N` verified requests fail with --status, then answer 200"),
			number("status", "`code` to answer verified requests with; 200, or 500 with --fail, unless given"),
			&cli.DurationFlag{Name: "delay", Usage: "`time` to wait before each answer; the sender gives up after 10s"},
			option("forward", "post the events that MERCHANT's event log gets to this `URL`, signed with the secret, instead of listening"),
			option("since", "with --forward, also events from this `time` on: 2026-11-30T12:00:00Z, or 2h for two hours ago"))...),
		t.command("explain", "[FILE]", "say why a captured request does not verify", t.explain, append(slices.Clone(wire), untimed,
			option("at", "`when` the request arrived, as in 2025-11-04T12:00:00Z; now unless given"),
			yes("last", "explain the last request that the receiver's explain.Keep has kept, as of when it arrived; FILE is then a number, 2 for the last but one"),
			&cli.StringFlag{Name: "dir", Usage: "the `directory` of --last", Value: "rejected"})...),
	}
}

// wire is what the flags say of the sender's headers.
func wire(c *cli.Command) (signer.Wire, error) {
	w := signer.Wire{Prefix: c.String("wire-prefix"), OmitUntimed: !c.Bool("wire-untimed")}
	if err := w.Validate(); err != nil {
		return w, usagef("--wire-prefix %q: %w", w.Prefix, err)
	}
	if w.OmitUntimed && c.Bool("untimed") {
		return w, usagef("--untimed accepts the signature that --wire-untimed=false leaves out: give one of them")
	}
	return w, nil
}

func (t *tool) listen(ctx context.Context, c *cli.Command) error {
	out := terminal.New(t.stdout, t.getenv)
	if c.IsSet("forward") {
		return t.forward(ctx, c, out)
	}
	if c.NArg() > 0 {
		return usagef("listen takes %s together with --forward only", tenant(say(c)))
	}
	on, err := wire(c)
	if err != nil {
		return err
	}
	conf, err := listen.Config{
		Wire: on,
		Addr: c.String("addr"), Secret: c.String("secret"), Untimed: c.Bool("untimed"),
		Fail: c.Int("fail"), Status: c.Int("status"), Delay: c.Duration("delay"),
	}.Checked()
	if err != nil {
		return usagef("%w", err)
	}
	return listen.Run(ctx, conf, out)
}

// explain exits with 0 if the request verifies, 1 if it does not, 2 if it cannot be read.
func (t *tool) explain(_ context.Context, c *cli.Command) error {
	on, err := wire(c)
	if err != nil {
		return err
	}
	at, file := t.now(), c.Args().First()
	if c.Bool("last") {
		if file, at, err = explain.Last(c.String("dir"), file); err != nil {
			return usagef("%w", err)
		}
		if _, err := fmt.Fprintln(t.stdout, file); err != nil {
			return err
		}
	}
	if text := c.String("at"); text != "" {
		if at, err = time.Parse(time.RFC3339, text); err != nil {
			return usagef("--at: %w", err)
		}
	}
	verified, err := explain.Run(explain.Config{File: file, At: at, Untimed: c.Bool("untimed"), Wire: on}, t.getenv, t.stdin, t.stdout)
	switch {
	case err != nil:
		return usagef("%w", err)
	case !verified:
		return errSaid
	}
	return nil
}

// overlap is how far back the log is read again, for events whose transaction has taken
// longer than that of a later one.
const overlap = time.Minute

// forwarder hands on what a merchant's event log gets.
type forwarder struct {
	api   *client
	path  []string
	to    *listen.Sender
	since time.Time            // of the newest event that was seen
	seen  map[string]time.Time // events since then, and within the overlap
}

func (t *tool) forward(ctx context.Context, c *cli.Command, out *terminal.Writer) error {
	if c.NArg() == 0 {
		return usagef("--forward needs %s, whose events are handed on", tenant(say(c)))
	}
	since, err := t.moment(c, "since")
	if err != nil {
		return err
	}
	api, err := newClient(c)
	if err != nil {
		return err
	}
	on, err := wire(c)
	if err != nil {
		return err
	}
	to, err := listen.NewSender(c.String("forward"), c.String("secret"), on, out)
	if err != nil {
		return usagef("%w", err)
	}
	f := &forwarder{api: api, path: of(c, "events"), to: to, seen: map[string]time.Time{}, since: t.now()}
	if since != "" {
		f.since, _ = time.Parse(time.RFC3339, since) // moment has.
		f.since = f.since.Add(overlap)
	} else if _, err := f.fresh(ctx); err != nil {
		return err
	}
	to.Greet()
	for ctx.Err() == nil {
		if err := f.once(ctx); err != nil && ctx.Err() == nil {
			if refused, ok := errors.AsType[*refusal](err); ok && refused.Status < http.StatusInternalServerError {
				return err
			}
			to.Note("cannot read the event log, and tries again: %v", err)
		}
		if t.pause(ctx) != nil {
			break
		}
	}
	return nil //nolint:nilerr // to be interrupted is how it ends
}

// fresh returns the ids of events that were not seen before, oldest first. If it fails, none
// counts as seen.
func (f *forwarder) fresh(ctx context.Context) ([]string, error) {
	query := url.Values{"since": {f.since.Add(-overlap).UTC().Format(time.RFC3339)}}
	var ids []string
	found, newest := map[string]time.Time{}, f.since
	for {
		data, err := f.api.call(ctx, request{path: f.path, query: query})
		if err != nil {
			return nil, err
		}
		v, err := decode[eventsView](data)
		if err != nil {
			return nil, err
		}
		for _, e := range v.Events {
			at, err := time.Parse(time.RFC3339, e.CreatedAt)
			if err != nil {
				return nil, err
			}
			_, known := f.seen[e.ID]
			if _, again := found[e.ID]; !known && !again {
				found[e.ID] = at
				ids = append(ids, e.ID)
			}
			if at.After(newest) {
				newest = at
			}
		}
		if v.Next == "" {
			break
		}
		query.Set("cursor", v.Next)
	}
	f.since = newest
	maps.Copy(f.seen, found)
	for id, at := range f.seen {
		if at.Before(newest.Add(-2 * overlap)) {
			delete(f.seen, id)
		}
	}
	slices.Reverse(ids)
	return ids, nil
}

func (f *forwarder) once(ctx context.Context) error {
	ids, err := f.fresh(ctx)
	if err != nil {
		return err
	}
	for i, id := range ids {
		data, err := f.api.call(ctx, request{path: append(slices.Clone(f.path), id)})
		if err == nil {
			var v eventView
			if v, err = decode[eventView](data); err == nil && v.Sent != nil {
				f.to.Send(ctx, v.ID, v.Type, listen.Message{ContentType: v.Sent.ContentType, Header: v.Sent.Headers, Body: []byte(v.Sent.Body)})
			} else if err == nil && json.Valid(v.Payload) {
				f.to.Send(ctx, v.ID, v.Type, listen.Message{ContentType: "application/json", Body: v.Payload})
			}
		}
		if err != nil {
			for _, left := range ids[i:] {
				delete(f.seen, left)
			}
			return err
		}
	}
	return nil
}
