package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/rag-assistant/webhooks/cmd/webhooks/internal/terminal"
	"github.com/rag-assistant/webhooks/cmd/webhooks/serve"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// tool is the command with its surroundings.
type tool struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	now            func() time.Time
	pause          func(context.Context) error
}

// errUsage is wrapped by what is wrong with how the command was called.
var errUsage = errors.New("usage")

func usagef(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errUsage}, args...)...)
}

// failure is an error of what a command does, and no error of how it was called.
type failure struct{ error }

func (f *failure) Unwrap() error { return f.error }

// errSaid stands for an exit code of 1 after which there is nothing to say.
var errSaid = errors.New("said")

// run does what args say, and returns the code to exit with.
func (t *tool) run(ctx context.Context, args []string) int {
	err := t.root().Run(ctx, args)
	if err == nil {
		return 0
	}
	if !errors.Is(err, errSaid) {
		_, _ = fmt.Fprintln(t.stderr, "webhooks:", terminal.Safe(strings.TrimPrefix(err.Error(), errUsage.Error()+": ")))
	}
	if _, failed := errors.AsType[*failure](err); failed {
		return 1
	}
	return 2
}

func (t *tool) root() *cli.Command {
	var root *cli.Command
	root = &cli.Command{
		Name: "webhooks", Usage: "see why a webhook did or did not arrive, and run or try a service that sends them",
		Writer: t.stdout, ErrWriter: t.stderr, Reader: t.stdin,
		HideVersion: true, EnableShellCompletion: true, Suggest: true,
		ExitErrHandler: func(context.Context, *cli.Command, error) {}, // run does.
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "server", Usage: "address of the `API`; /api is its path where it has none", Sources: cli.EnvVars("WEBHOOKS_SERVER"), HideDefault: true},
			&cli.StringFlag{Name: "token", Usage: "`token` of the API; other users of this machine cannot see the variable", Sources: cli.EnvVars("WEBHOOKS_TOKEN"), HideDefault: true},
			&cli.StringFlag{
				Name: "tenant", Usage: "`noun` for merchants, if the service has another, as of serve: shop, or company,companies", Sources: cli.EnvVars("WEBHOOKS_TENANT"), HideDefault: true,
				Validator: func(noun string) error {
					w, err := serve.Tenant(noun)
					if err != nil {
						return err
					}
					return root.Walk(func(c *cli.Command) error { // Here, because help is shown before any hook.
						c.ArgsUsage = strings.ReplaceAll(c.ArgsUsage, "MERCHANT", tenant(w))
						return nil
					})
				},
			},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "`text` for people, or json: the API's data as it is", Value: "text", Validator: oneOf("text", "json")},
		},
		Commands: slices.Concat(t.merchantCommands(), []*cli.Command{t.operator()}, t.deskCommands(), t.storeCommands(), []*cli.Command{
			t.serve(),
			t.command("version", "", "print the version", func(context.Context, *cli.Command) error {
				_, err := fmt.Fprintln(t.stdout, version())
				return err
			}),
		}),
	}
	group(root)
	_ = root.Walk(func(c *cli.Command) error {
		c.OnUsageError = func(_ context.Context, c *cli.Command, err error, _ bool) error {
			return usagef("%w; see %s --help", err, c.FullName())
		}
		return nil
	})
	return root
}

// say are the words that --tenant asks for.
func say(c *cli.Command) *words.Words {
	w, _ := serve.Tenant(c.String("tenant")) // The flag has been validated.
	return w
}

// tenant is what an argument or a column of merchants is called.
func tenant(w *words.Words) string { return strings.ToUpper(w.Say("{tenant}")) }

// group makes a command that does nothing itself but name those below it.
func group(c *cli.Command) {
	c.Action = func(_ context.Context, c *cli.Command) error {
		if c.Args().Present() {
			return usagef("there is no command %q; see %s --help", c.Args().First(), c.FullName())
		}
		return cli.ShowSubcommandHelp(c)
	}
}

// command makes a command with the arguments that args names; those in brackets may be
// left out.
func (t *tool) command(name, args, usage string, do func(context.Context, *cli.Command) error, flags ...cli.Flag) *cli.Command {
	all := strings.Fields(args)
	least := len(slices.DeleteFunc(slices.Clone(all), func(arg string) bool { return strings.HasPrefix(arg, "[") }))
	return &cli.Command{
		Name: name, ArgsUsage: args, Usage: usage, Flags: flags, HideHelpCommand: true,
		Action: func(ctx context.Context, c *cli.Command) error {
			given := c.Args().Slice()
			if len(given) < least || len(given) > len(all) || slices.Contains(given, "") {
				return usagef("%s takes %s; see %s --help", name, cmp.Or(c.ArgsUsage, "no arguments"), c.FullName())
			}
			err := do(ctx, c)
			if err == nil || errors.Is(err, errUsage) {
				return err
			}
			return &failure{err}
		},
	}
}

func oneOf(values ...string) func(string) error {
	return func(s string) error {
		if !slices.Contains(values, s) {
			return fmt.Errorf("must be one of: %s", strings.Join(values, ", "))
		}
		return nil
	}
}

// serve leaves its flags to the service, which has them elsewhere too.
func (t *tool) serve() *cli.Command {
	return &cli.Command{
		Name: "serve", Usage: "run the reference service: API, portal and dispatcher; serve -h lists its flags", ArgsUsage: "[-flag …]",
		SkipFlagParsing: true, HideHelp: true,
		Action: func(ctx context.Context, c *cli.Command) error {
			err := serve.Run(ctx, c.Args().Slice(), t.stdout, t.stderr)
			if err == nil || errors.Is(err, flag.ErrHelp) {
				return nil
			}
			return &failure{err}
		},
	}
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "webhooks (unknown) " + runtime.Version()
	}
	return "webhooks " + info.Main.Version + " " + info.GoVersion
}
