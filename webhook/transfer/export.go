package transfer

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
	"github.com/rag-assistant/webhooks/webhook/internal/vault"
)

// Source is what [Export] reads.
type Source interface {
	store.Webhooks
	store.Directory
}

// ExportOptions configures an [Export].
type ExportOptions struct {
	// Merchants are those whose webhooks are written, in this order. Defaults to all,
	// in the store's order.
	Merchants []string

	// SecretKeys open what the store holds: those of its Service. Defaults to none,
	// which suits a store that was never sealed.
	SecretKeys []webhook.SecretKey

	// InsecurePlaintextSecrets opens what is not sealed, too, as it does in
	// [webhook.ServiceOptions].
	InsecurePlaintextSecrets bool

	// SealWith seals secrets and headers in what is written: one of the keys of the
	// receiving Service. It is needed, unless InsecureUnsealed is set.
	SealWith webhook.SecretKey

	// InsecureUnsealed writes secrets and headers as they are. Whoever can read the
	// file can then sign as you.
	InsecureUnsealed bool
}

// Exported is what an [Export] has written.
type Exported struct {
	Merchants int // with at least one webhook
	Webhooks  int
}

// exporter is one Export.
type exporter struct {
	from     Source
	out      *bufio.Writer
	open     *vault.Vault
	seal     *vault.Vault
	done     Exported
	refusals refusals
}

// Export writes the webhooks of a store to w: see the comment of this package. Each is
// as it was when it was read, and one that is registered meanwhile may be left out. It
// changes nothing.
//
// A webhook whose secret does not open is left out, and a [*RefusedError] names it once
// the rest is written. After any other error what is written has no last line, and
// [Import] says so.
func Export(ctx context.Context, w io.Writer, from Source, o *ExportOptions) (Exported, error) {
	var opts ExportOptions
	if o != nil {
		opts = *o
	}
	x := &exporter{from: from, out: bufio.NewWriter(w)}
	if err := x.configure(&opts); err != nil {
		return Exported{}, fmt.Errorf("transfer: export: %w", err)
	}
	err := x.write(head{Format: format, Version: version, ExportedAt: time.Now().UTC(), SealedWith: opts.SealWith.ID})
	if err == nil && opts.Merchants != nil {
		err = x.merchants(ctx, opts.Merchants)
	} else if err == nil {
		err = everyMerchant(ctx, x.from, func(merchants []string) error { return x.merchants(ctx, merchants) })
	}
	if err == nil {
		err = x.write(tail{End: true, Webhooks: x.done.Webhooks})
	}
	if err = errors.Join(err, x.out.Flush()); err == nil {
		err = x.refusals.err()
	}
	if err != nil {
		err = fmt.Errorf("transfer: export: %w", err)
	}
	return x.done, err
}

// configure lists all that is wrong with the options.
func (x *exporter) configure(o *ExportOptions) error {
	var bad []error
	if x.from == nil {
		bad = append(bad, errors.New("the store is nil"))
	}
	for _, m := range o.Merchants {
		if !id.ValidMerchant(m) {
			bad = append(bad, fmt.Errorf("merchant %q: %s", m, id.MerchantRule))
		}
	}
	seal := []vault.Key{vault.Key(o.SealWith)}
	switch none := o.SealWith == (webhook.SecretKey{}); {
	case none && !o.InsecureUnsealed:
		bad = append(bad, errors.New("SealWith is needed to seal secrets (or InsecureUnsealed)"))
	case !none && o.InsecureUnsealed:
		bad = append(bad, errors.New("SealWith and InsecureUnsealed exclude each other"))
	}
	if o.InsecureUnsealed {
		seal = nil
	}
	var err1, err2 error
	x.open, err1 = newVault(o.SecretKeys, o.InsecurePlaintextSecrets)
	if len(bad) == 0 {
		x.seal, err2 = vault.New(seal, false)
	}
	return errors.Join(append(bad, err1, err2)...)
}

func newVault(keys []webhook.SecretKey, plain bool) (*vault.Vault, error) {
	all := make([]vault.Key, len(keys))
	for i, k := range keys {
		all[i] = vault.Key(k)
	}
	return vault.New(all, plain)
}

// everyMerchant calls f for each page of a store's merchants.
func everyMerchant(ctx context.Context, from store.Directory, f func(merchants []string) error) error {
	q := store.MerchantQuery{Limit: webhook.MaxPage}
	for {
		page, err := from.Merchants(ctx, q)
		if err == nil {
			err = f(page.Merchants)
		}
		if err != nil || page.Next == "" {
			return err
		}
		q.Cursor = page.Next
	}
}

func (x *exporter) merchants(ctx context.Context, merchants []string) error {
	for _, m := range merchants {
		before := x.done.Webhooks
		if err := x.merchant(ctx, m); err != nil {
			return err
		}
		if x.done.Webhooks > before {
			x.done.Merchants++
		}
	}
	return nil
}

func (x *exporter) merchant(ctx context.Context, merchantID string) error {
	q := store.WebhookQuery{Limit: webhook.MaxPage}
	for {
		page, err := x.from.ListWebhooks(ctx, merchantID, q)
		if err != nil {
			return err
		}
		for i := range page.Webhooks {
			if err := x.webhook(&page.Webhooks[i]); err != nil {
				return err
			}
		}
		for _, webhookID := range page.Damaged {
			x.refusals.add(Problem{MerchantID: merchantID, WebhookID: webhookID, Message: "cannot be read: its record is damaged"})
		}
		if page.Next == "" {
			return nil
		}
		q.Cursor = page.Next
	}
}

func (x *exporter) webhook(w *store.Webhook) error {
	opened, err := x.open.Open(w.MerchantID, w.ID, w.URL, vault.Sealed{Secret: w.Secret, Previous: w.PreviousSecret, Headers: w.Headers})
	if wrong, ok := errors.AsType[*vault.OpenError](err); ok {
		x.refusals.add(Problem{MerchantID: w.MerchantID, WebhookID: w.ID, Field: wrong.Part, Message: "does not open: " + wrong.Err.Error()})
		return nil
	}
	sealed, err := x.seal.Seal(w.MerchantID, w.ID, w.URL, opened)
	if err != nil {
		return err
	}
	x.done.Webhooks++
	return x.write(newRecord(*w, sealed))
}

func (x *exporter) write(line any) error {
	text, err := json.Marshal(line)
	if err != nil {
		return err
	}
	_, err = x.out.Write(append(text, '\n'))
	return err
}
