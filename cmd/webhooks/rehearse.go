package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/urfave/cli/v3"

	"github.com/rag-assistant/webhooks/cmd/webhooks/internal/terminal"
	"github.com/rag-assistant/webhooks/cmd/webhooks/serve"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/transfer"
)

// rehearse asks the receivers of a file what they would say to the new sender, from a store
// in memory.
func (t *tool) rehearse(ctx context.Context, c *cli.Command, from io.Reader) error {
	scratch, keys, closeStore, err := serve.State{Store: "memory", SecretKey: c.StringSlice("secret-key")}.Open(ctx, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer closeStore()
	service, err := receiving(c, keys)
	if err != nil {
		return err
	}
	o := &transfer.RehearseOptions{
		Service: service, InsecureUnsealed: c.Bool("insecure-unsealed"), PerHost: c.Int("per-host"),
		Progress: func(line transfer.Rehearsed, done transfer.Rehearsal) {
			if line.Verdict == transfer.VerdictOnlyOld {
				_, _ = fmt.Fprintln(t.stderr, terminal.Safe(fmt.Sprintf("would fail: %s of %s, %s: %s", line.WebhookID, line.MerchantID, line.URL, why(line))))
			}
			if done.Webhooks%100 == 0 {
				_, _ = fmt.Fprintf(t.stderr, "%d tested\n", done.Webhooks)
			}
		},
	}
	if name := c.String("old-form"); name != "" {
		if o.Old, err = readForm(name); err != nil {
			return usagef("--old-form: %w", err)
		}
	} else {
		o.Old.Standard = true // as this module sends it
	}
	report, end := t.stdout, func() error { return nil }
	if name := c.String("report"); name != "" {
		file, err := goOn(name, o)
		if err != nil {
			return err
		}
		report, end = file, file.Close
	}
	done, err := transfer.Rehearse(ctx, scratch, from, report, o)
	if closed := end(); err == nil {
		err = closed
	}
	_, _ = fmt.Fprintf(t.stderr, "%d tested: %d take both, %d would fail after the move, %d take the new form only, %d take neither, %d do not answer; %d do not verify\n",
		done.Webhooks, done.Same, done.OnlyOld, done.OnlyNew, done.Neither, done.Unreachable, done.Open)
	if done.Kept > 0 || done.Disabled > 0 {
		_, _ = fmt.Fprintf(t.stderr, "%d of them passed in the report that was there; not tested: %s\n", done.Kept, counted(done.Disabled, "disabled webhook"))
	}
	if err == nil && done.OnlyOld > 0 {
		err = fmt.Errorf("%s would fail after the move", counted(done.OnlyOld, "webhook"))
	}
	return refused(err, "tested")
}

// why says in a few words why a receiver would fail.
func why(line transfer.Rehearsed) string {
	if line.Receiver == webhook.FoundRewrites {
		return line.Note
	}
	if line.New.Status == 0 {
		return "does not answer the new form: " + line.New.Error
	}
	return fmt.Sprintf("refuses the new form with %d", line.New.Status)
}

// readForm reads how the old sender writes a test.
func readForm(name string) (f transfer.OldForm, err error) {
	text, err := os.ReadFile(name) //nolint:gosec // the operator names it
	if err != nil {
		return f, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	return f, dec.Decode(&f)
}

// reportFile is a report to write behind what is there.
type reportFile struct {
	*os.File
	whole int64 // the length of its whole lines in bytes; negative once it is written to
}

// goOn opens a report, which the rehearsal goes on from. Nothing in the file changes
// before the rehearsal has read it as a report and has its first line.
func goOn(name string, o *transfer.RehearseOptions) (*reportFile, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator names it
	if err != nil {
		return nil, err
	}
	before, err := io.ReadAll(file)
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	whole := bytes.LastIndexByte(before, '\n') + 1
	o.Resume = bytes.NewReader(before[:cmp.Or(whole, len(before))]) // Without a whole line, it is refused.
	return &reportFile{file, int64(whole)}, nil
}

// Write takes away a line that was cut off before it writes the first one.
func (f *reportFile) Write(line []byte) (int, error) {
	if f.whole >= 0 {
		if err := f.Truncate(f.whole); err != nil {
			return 0, err
		}
		if _, err := f.Seek(f.whole, io.SeekStart); err != nil {
			return 0, err
		}
		f.whole = -1
	}
	return f.File.Write(line)
}
