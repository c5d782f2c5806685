package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/rag-assistant/webhooks/cmd/webhooks/serve"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/transfer"
)

// storeCommands open the store itself, as the service does: nothing over HTTP gives out a
// secret.
func (t *tool) storeCommands() []*cli.Command {
	state := []cli.Flag{
		option("store", "where state lives: `address` as of serve; WEBHOOK_SERVER_STORE, or webhooks.db in the working directory unless given"),
		&cli.StringSliceFlag{Name: "secret-key", Usage: "`id:base64` that seal secrets: as of serve; WEBHOOK_SERVER_SECRET_KEY unless given", HideDefault: true},
	}
	with := func(more ...cli.Flag) []cli.Flag { return append(more, state...) }
	return []*cli.Command{
		t.command("export", "", "write the webhooks of a store as lines of JSON", t.export, with(
			option("seal-with", "`id:base64`, the first key of the receiving service; WEBHOOKS_SEAL_WITH unless given, or the store's own first key"),
			&cli.StringSliceFlag{Name: "merchant", Usage: "only of this merchant; several with commas or flags"},
			yes("insecure-unsealed", "write secrets as they are"), option("out", "`file` to write, which must not be there yet; stdout unless given"))...),
		t.command("import", "[FILE]", "add the webhooks that export has written to a store", t.imports, with(
			yes("dry-run", "only say what would be done"), yes("overwrite", "make webhooks that differ into what the file says"),
			yes("insecure-unsealed", "take in a file that is not sealed"), yes("migrate", "prepare a store of SQL first"),
			yes("insecure-allow-http", "allow webhook URLs with http"), yes("insecure-allow-private-networks", "allow webhook URLs in private networks"),
			option("catalog", "JSON `file` of the types of events, as of serve; the default ones unless given"),
			option("wire-prefix", "what the `names` of the service's own headers begin with, as of serve; X-Webhook- unless given"),
			&cli.BoolFlag{Name: "wire-untimed", Usage: "the service sends the signature without time, too; --wire-untimed=false: it does not", Value: true, HideDefault: true},
			yes("rehearse", "send each endpoint a test in the old and in the new form, and store nothing"),
			option("old-form", "`file` of JSON that says how the old sender writes a test; as this service does unless given"),
			option("report", "`file` for the answers, as lines of JSON; one of before is gone on with; stdout unless given"),
			number("per-host", "`number` of endpoints of one host and port to test at once; 2 unless given"))...),
		t.command("migrate", "", "prepare a store of SQL, or bring it up to date", t.migrate, with()...),
	}
}

// open opens the store that the flags name.
func (t *tool) open(ctx context.Context, c *cli.Command, migrate bool) (store.Store, []webhook.SecretKey, func(), error) {
	log := slog.New(slog.NewTextHandler(t.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return serve.State{Store: c.String("store"), SecretKey: c.StringSlice("secret-key"), Migrate: migrate}.Open(ctx, log)
}

func (t *tool) export(ctx context.Context, c *cli.Command) error {
	st, keys, closeStore, err := t.open(ctx, c, false)
	if err != nil {
		return err
	}
	defer closeStore()
	o := &transfer.ExportOptions{
		SecretKeys: keys, InsecurePlaintextSecrets: len(keys) == 0, InsecureUnsealed: c.Bool("insecure-unsealed"),
	}
	if c.IsSet("merchant") { // An empty list is nobody.
		o.Merchants = c.StringSlice("merchant")
	}
	if text := cmp.Or(c.String("seal-with"), t.getenv("WEBHOOKS_SEAL_WITH")); text != "" {
		if keys, err = serve.SecretKeys(text); err != nil {
			return usagef("--seal-with %w", err)
		}
	}
	if len(keys) > 0 && !o.InsecureUnsealed {
		o.SealWith = keys[0]
	}
	w, end := t.stdout, func() error { return nil }
	if name := c.String("out"); name != "" {
		file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator names it
		if err != nil {
			return err
		}
		w, end = file, file.Close
	}
	done, err := transfer.Export(ctx, w, st, o)
	err = errors.Join(err, end())
	_, _ = fmt.Fprintln(t.stderr, webhooksOf(say(c), done.Webhooks, done.Merchants)+" written")
	return refused(err, "written")
}

func (t *tool) imports(ctx context.Context, c *cli.Command) error {
	from := t.stdin
	if name := c.Args().First(); name != "" {
		file, err := os.Open(name) //nolint:gosec // the operator names it
		if err != nil {
			return err
		}
		defer file.Close()
		from = file
	}
	if c.Bool("rehearse") {
		return t.rehearse(ctx, c, from)
	}
	st, keys, closeStore, err := t.open(ctx, c, c.Bool("migrate"))
	if err != nil {
		return err
	}
	defer closeStore()
	service, err := receiving(c, keys)
	if err != nil {
		return err
	}
	done, err := transfer.Import(ctx, st, from, &transfer.ImportOptions{
		Service:          service,
		InsecureUnsealed: c.Bool("insecure-unsealed"), Overwrite: c.Bool("overwrite"), DryRun: c.Bool("dry-run"),
	})
	verb := ""
	if c.Bool("dry-run") {
		verb = "dry run: "
	}
	_, _ = fmt.Fprintf(t.stdout, "%s%d created, %d overwritten, %d unchanged\n", verb, done.Created, done.Overwritten, done.Unchanged)
	return refused(err, "moved")
}

// receiving are the options of the service that takes webhooks in.
func receiving(c *cli.Command, keys []webhook.SecretKey) (webhook.ServiceOptions, error) {
	o := webhook.ServiceOptions{SecretKeys: keys, Egress: &egress.Options{
		InsecureAllowHTTP: c.Bool("insecure-allow-http"), InsecureAllowPrivateNetworks: c.Bool("insecure-allow-private-networks"),
	}}
	var err error
	if o.Wire, err = wire(c); err != nil {
		return o, err
	}
	if name := c.String("catalog"); name != "" {
		if o.Catalog, err = serve.Catalog(name); err != nil {
			return o, usagef("--catalog %w", err)
		}
	}
	return o, nil
}

// refused lists all that was refused, where the error names the first, and says what did not
// become of it.
func refused(err error, done string) error {
	all, ok := errors.AsType[*transfer.RefusedError](err)
	if !ok {
		return err
	}
	lines, url := []string{fmt.Sprintf("%s not %s:", counted(all.Webhooks, "webhook"), done)}, false
	for _, p := range all.Problems {
		lines, url = append(lines, p.String()), url || p.Field == "url"
	}
	if url {
		lines = append(lines, "URLs with http are for --insecure-allow-http, those in private networks for --insecure-allow-private-networks")
	}
	return errors.New(strings.Join(lines, "\n  "))
}

func (t *tool) migrate(ctx context.Context, c *cli.Command) error {
	_, _, closeStore, err := t.open(ctx, c, true)
	if err != nil {
		return err
	}
	closeStore()
	_, err = fmt.Fprintln(t.stdout, "the store is up to date")
	return err
}
