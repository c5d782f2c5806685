package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/vault"
)

// ImportOptions configures an [Import].
type ImportOptions struct {
	// Service are the options of the receiving Service. Its catalog, rules of URLs and
	// limits decide what can be kept. Its SecretKeys open what the file holds, and the
	// first of them seals it. A store that outlives the process needs at least one.
	Service webhook.ServiceOptions

	// InsecureUnsealed takes in a file that is not sealed.
	InsecureUnsealed bool

	// Overwrite makes webhooks that are there and differ into what the file says,
	// with its secrets. What waits for them stays. When they were registered stays
	// too.
	Overwrite bool

	// DryRun changes nothing, and answers what would be done.
	DryRun bool
}

// Imported counts what an [Import] has done, or would do.
type Imported struct {
	Created     int
	Unchanged   int // there already, and the same
	Overwritten int
}

// importer is one Import.
type importer struct {
	st       store.Webhooks
	svc      *webhook.Service
	vault    *vault.Vault
	opts     ImportOptions
	lines    *lines
	done     Imported
	refusals refusals

	of   string // the merchant whose webhooks a dry run has counted
	have int
}

// Import reads what [Export] has written and adds it to a store: see the comment of
// this package. Dispatchers and Services may run on the store meanwhile.
//
// What cannot be kept is left out, with a [*RefusedError] once the rest is done. A file
// that is of another format or was cut off, and a store that fails, end it earlier, with
// the line. To import again is safe.
func Import(ctx context.Context, st webhook.ServiceStore, from io.Reader, o *ImportOptions) (Imported, error) {
	var opts ImportOptions
	if o != nil {
		opts = *o
	}
	x := &importer{st: st, opts: opts, lines: newLines(from)}
	err := x.configure(st)
	if err == nil {
		err = x.file(ctx)
	}
	if err = errors.Join(err, x.refusals.err()); err != nil {
		return x.done, fmt.Errorf("transfer: import: %w", err)
	}
	return x.done, nil
}

func (x *importer) configure(st webhook.ServiceStore) (err error) {
	if x.svc, err = webhook.NewService(st, &x.opts.Service); err != nil {
		return err
	}
	x.vault, err = newVault(x.opts.Service.SecretKeys, x.opts.Service.InsecurePlaintextSecrets || x.opts.InsecureUnsealed)
	return err
}

// file reads the file to its last line.
func (x *importer) file(ctx context.Context) error {
	h, err := x.lines.head()
	switch {
	case err != nil:
		return err
	case h.SealedWith == "" && !x.opts.InsecureUnsealed:
		return errors.New("line 1: the file is not sealed (InsecureUnsealed takes it all the same)")
	}
	for records := 0; ; records++ {
		line, err := x.lines.next()
		if err != nil {
			return err
		}
		if line == nil {
			return fmt.Errorf("line %d: the file was cut off: its last line is missing", x.lines.number+1)
		}
		if n, last := readTail(line); last {
			return x.end(n, records)
		}
		if err := x.line(ctx, line); err != nil {
			return fmt.Errorf("line %d: %w", x.lines.number, err)
		}
	}
}

// end checks that nothing is missing or comes behind the last line.
func (x *importer) end(said, records int) error {
	if said != records {
		return fmt.Errorf("line %d: the file had %d webhooks, and %d are there", x.lines.number, said, records)
	}
	line, err := x.lines.next()
	if err == nil && line != nil {
		err = fmt.Errorf("line %d: there is more behind the last line", x.lines.number)
	}
	return err
}

// line imports one webhook.
func (x *importer) line(ctx context.Context, line []byte) error {
	var r record
	if wrong := parse(line, &r, fields()...); wrong != nil {
		x.refuse(&r, *wrong)
		return nil
	}
	opened, wrong := x.check(&r)
	if len(wrong) > 0 {
		x.refuse(&r, wrong...)
		return nil
	}
	sealed, err := x.vault.Seal(r.MerchantID, r.WebhookID, r.URL, opened)
	if err != nil {
		return err
	}
	w := r.webhook(sealed)
	known, err := x.st.Webhook(ctx, r.MerchantID, r.WebhookID)
	switch {
	case err == nil:
		return x.again(ctx, &r, known, w, opened)
	case errors.Is(err, store.ErrNotFound):
		return x.create(ctx, &r, w)
	case errors.Is(err, store.ErrDamaged):
		x.refuse(&r, fault{"webhookId", "is there and cannot be read: its record is damaged; delete it first"})
		return nil
	}
	return err
}

// create adds a webhook that is not there.
func (x *importer) create(ctx context.Context, r *record, w store.Webhook) error {
	limit := x.svc.Limits().Webhooks
	var err error
	if x.opts.DryRun {
		err = x.room(ctx, w.MerchantID, limit)
	} else {
		_, err = x.st.CreateWebhook(ctx, w.MerchantID, w, limit)
	}
	switch {
	case errors.Is(err, store.ErrLimit):
		x.refuse(r, fault{"merchantId", fmt.Sprintf("has %d webhooks, as many as Limits.Webhooks allows", limit)})
		return nil
	case errors.Is(err, store.ErrConflict):
		x.refuse(r, fault{"webhookId", "is taken, by another merchant or since a moment ago"})
		return nil
	case err != nil:
		return err
	}
	x.done.Created++
	return nil
}

// room fails as CreateWebhook would. It counts the webhooks of one merchant after the
// other, as they stand in a file.
func (x *importer) room(ctx context.Context, merchantID string, limit int) error {
	if x.of != merchantID {
		x.of, x.have = merchantID, 0
		q := store.WebhookQuery{Limit: webhook.MaxPage}
		for more := true; more; more = q.Cursor != "" {
			page, err := x.st.ListWebhooks(ctx, merchantID, q)
			if err != nil {
				return err
			}
			x.have += len(page.Webhooks)
			q.Cursor = page.Next
		}
	}
	if x.have >= limit {
		return store.ErrLimit
	}
	x.have++
	return nil
}

// again compares a webhook with what is there.
func (x *importer) again(ctx context.Context, r *record, known, w store.Webhook, opened vault.Opened) error {
	before, err := x.vault.Open(known.MerchantID, known.ID, known.URL,
		vault.Sealed{Secret: known.Secret, Previous: known.PreviousSecret, Headers: known.Headers})
	if wrong, ok := errors.AsType[*vault.OpenError](err); ok {
		x.refuse(r, fault{wrong.Part, "of the webhook that is there does not open: " + wrong.Err.Error()})
		return nil
	}
	changed := differences(known, w)
	secrets := before.Differs(opened)
	changed = append(changed, secrets...)
	switch {
	case len(changed) == 0:
		x.done.Unchanged++
		return nil
	case !x.opts.Overwrite:
		x.conflict(r, "is there and differs in "+strings.Join(changed, ", "))
		return nil
	case !x.opts.DryRun:
		err := x.overwrite(ctx, known, w, secrets)
		if errors.Is(err, store.ErrVersion) || errors.Is(err, store.ErrNotFound) {
			x.conflict(r, "was changed by somebody else meanwhile; import again")
			return nil
		}
		if err != nil {
			return err
		}
	}
	x.done.Overwritten++
	return nil
}

// refuse notes what is wrong with a record.
func (x *importer) refuse(r *record, wrong ...fault) {
	problems := make([]Problem, len(wrong))
	for i, f := range wrong {
		problems[i] = Problem{Line: x.lines.number, MerchantID: r.MerchantID, WebhookID: r.WebhookID, Field: f.field, Message: f.message}
	}
	x.refusals.add(problems...)
}

func (x *importer) conflict(r *record, message string) {
	x.refusals.add(Problem{Line: x.lines.number, MerchantID: r.MerchantID, WebhookID: r.WebhookID, Message: message, Conflict: true})
}

// now is the Service's time.
func (x *importer) now() time.Time {
	if x.opts.Service.Now != nil {
		return x.opts.Service.Now()
	}
	return time.Now()
}
