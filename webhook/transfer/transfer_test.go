package transfer_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/vault"
	"github.com/rag-assistant/webhooks/webhook/transfer"
)

var (
	oldKey = webhook.SecretKey{ID: "k1", Key: [32]byte{1}}
	newKey = webhook.SecretKey{ID: "k1", Key: [32]byte{9}} // with the same name, as two hosts have it
)

// furnished returns a store with a webhook of each kind, sealed with oldKey.
func furnished(t *testing.T) *memstore.Store {
	t.Helper()
	ctx, now := t.Context(), time.Now()
	st := memstore.New(&memstore.Options{Now: func() time.Time { return now }})
	svc, err := webhook.NewService(st, &webhook.ServiceOptions{SecretKeys: []webhook.SecretKey{oldKey}})
	require.NoError(t, err)
	own, err := signer.ParseSecret("sk_live/of-another-sender")
	require.NoError(t, err)
	now = now.Add(-time.Hour)
	for _, r := range []webhook.Registration{
		{URL: "https://example.com/plain", Events: []string{"*"}},
		{
			URL: "https://example.com:8443/all", Events: []string{"document.deleted", "document.created"}, Encoding: webhook.EncodingASCII,
			Description: "Café <b>", Metadata: map[string]string{"team": "ü", "": "x"}, Headers: webhook.Headers{"Authorization": "Bearer abc", "X-Tenant": "7"},
			RateLimit: 7,
		},
		{URL: "https://example.com/own", Events: []string{"*"}, Secret: own},
		{URL: "https://example.com/keys", Events: []string{"*"}, Signature: webhook.SchemeAsymmetric},
	} {
		delete(r.Metadata, "")
		now = now.Add(time.Second)
		reg, err := svc.Register(ctx, harness.Merchant, r)
		require.NoError(t, err)
		now = now.Add(time.Second)
		_, err = svc.Rotate(ctx, harness.Merchant, reg.Webhook.ID, 24*time.Hour)
		require.NoError(t, err)
	}
	off := harness.Register(t, svc, harness.Victim, "document.created")
	status := webhook.Disabled
	now = now.Add(time.Second)
	_, err = svc.Update(ctx, harness.Victim, off.Webhook.ID, webhook.Update{Status: &status})
	require.NoError(t, err)
	return st
}

// everything lists what a store holds, opened.
func everything(t *testing.T, st store.Store, key webhook.SecretKey) (out []store.Webhook, secrets []vault.Opened) {
	t.Helper()
	v, err := vault.New([]vault.Key{vault.Key(key)}, false)
	require.NoError(t, err)
	for _, m := range []string{harness.Merchant, harness.Victim} {
		page, err := st.ListWebhooks(t.Context(), m, store.WebhookQuery{Limit: 100})
		require.NoError(t, err)
		for _, w := range page.Webhooks {
			opened, err := v.Open(w.MerchantID, w.ID, w.URL, vault.Sealed{Secret: w.Secret, Previous: w.PreviousSecret, Headers: w.Headers})
			require.NoError(t, err)
			secrets = append(secrets, opened)
			w.Secret, w.PreviousSecret, w.Headers = "", "", ""
			w.Version, w.Metadata = 0, nil // A nil map and an empty one are the same to a store.
			out = append(out, w)
		}
	}
	return out, secrets
}

func export(t *testing.T, st transfer.Source) []byte {
	t.Helper()
	var file bytes.Buffer
	_, err := transfer.Export(t.Context(), &file, st, &transfer.ExportOptions{SecretKeys: []webhook.SecretKey{oldKey}, SealWith: newKey})
	require.NoError(t, err)
	return file.Bytes()
}

func options() *transfer.ImportOptions {
	return &transfer.ImportOptions{Service: webhook.ServiceOptions{SecretKeys: []webhook.SecretKey{newKey}}}
}

func importInto(ctx context.Context, st webhook.ServiceStore, file []byte, o *transfer.ImportOptions) (transfer.Imported, error) {
	return transfer.Import(ctx, st, bytes.NewReader(file), o)
}

// problems returns what was refused.
func problems(t *testing.T, err error) []transfer.Problem {
	t.Helper()
	refused, ok := errors.AsType[*transfer.RefusedError](err)
	require.True(t, ok, "%v", err)
	return refused.Problems
}

// All that lasts arrives in each store, and the second time nothing changes.
func TestEverythingMoves(t *testing.T) {
	t.Parallel()
	harness.OnEachStore(t, func(t *testing.T, to store.Store) {
		t.Helper()
		from := furnished(t)
		file := export(t, from)
		_, err := importInto(t.Context(), to, file, dry(options()))
		require.NoError(t, err)
		nobody, _ := everything(t, to, newKey)
		require.Empty(t, nobody, "a rehearsal changes nothing")

		done, err := importInto(t.Context(), to, file, options())
		require.NoError(t, err)
		require.Equal(t, transfer.Imported{Created: 5}, done)
		want, secrets := everything(t, from, oldKey)
		got, moved := everything(t, to, newKey)
		require.Equal(t, want, got)
		for i, opened := range secrets {
			require.Empty(t, opened.Differs(moved[i]))
		}

		done, err = importInto(t.Context(), to, file, options())
		require.NoError(t, err)
		require.Equal(t, transfer.Imported{Unchanged: 5}, done)
		again, _ := everything(t, to, newKey)
		require.Equal(t, got, again)
	})
}

func dry(o *transfer.ImportOptions) *transfer.ImportOptions {
	o.DryRun = true
	return o
}

// What differs is a conflict that is named, until it is to be overwritten.
func TestOverwrite(t *testing.T) {
	t.Parallel()
	harness.OnEachStore(t, func(t *testing.T, to store.Store) {
		t.Helper()
		ctx, from := t.Context(), furnished(t)
		file := export(t, from)
		_, err := importInto(ctx, to, file, options())
		require.NoError(t, err)
		svc, err := webhook.NewService(to, &options().Service)
		require.NoError(t, err)
		page, err := svc.Webhooks(ctx, harness.Merchant, webhook.WebhookQuery{})
		require.NoError(t, err)
		description := "changed since"
		_, err = svc.Update(ctx, harness.Merchant, page.Webhooks[0].ID, webhook.Update{Description: &description, Metadata: map[string]string{"a": "b"}})
		require.NoError(t, err)
		_, err = svc.Rotate(ctx, harness.Merchant, page.Webhooks[1].ID, 0)
		require.NoError(t, err)
		_, err = svc.Update(ctx, harness.Merchant, page.Webhooks[1].ID, webhook.Update{Headers: webhook.Headers{}})
		require.NoError(t, err)

		done, err := importInto(ctx, to, file, options())
		require.Equal(t, transfer.Imported{Unchanged: 3}, done)
		got := problems(t, err)
		require.Len(t, got, 2)
		require.True(t, got[0].Conflict)
		require.Equal(t, 2, got[0].Line)
		require.Equal(t, "is there and differs in description, metadata", got[0].Message)
		require.Equal(t, "is there and differs in secret, previousSecret, headers", got[1].Message)

		o := options()
		o.Overwrite = true
		for _, want := range []transfer.Imported{{Unchanged: 3, Overwritten: 2}, {Unchanged: 5}} {
			_, err = importInto(ctx, to, file, dry(&transfer.ImportOptions{Service: o.Service, Overwrite: true}))
			require.NoError(t, err)
			done, err = importInto(ctx, to, file, o)
			require.NoError(t, err)
			require.Equal(t, want, done)
		}
		_, secrets := everything(t, from, oldKey)
		_, moved := everything(t, to, newKey)
		for i, opened := range secrets {
			require.Empty(t, opened.Differs(moved[i]))
		}
	})
}

// What cannot be kept is refused with its line and field, and its neighbours arrive.
func TestImportRefusesInWords(t *testing.T) {
	t.Parallel()
	whole := string(export(t, furnished(t)))
	lines := strings.SplitAfter(strings.TrimSuffix(whole, "\n"), "\n")
	change := func(old, replacement string) string {
		require.Equal(t, 1, strings.Count(lines[2], old), old)
		return strings.Replace(lines[2], old, replacement, 1)
	}
	until := regexp.MustCompile(`"previousUntil":"[^"]*"`)
	future := time.Now().Add(8 * 24 * time.Hour).UTC().Format(time.RFC3339)
	for _, tt := range []struct{ line, want string }{
		{change(`"url":"https`, `"url":"http`), "url "},
		{change(`"url":"https://example.com:8443`, `"url":"https://other.com:8443`), "headers does not open: "},
		{change(`"document.deleted"`, `"document.unknown"`), `events[0] "document.unknown" is not in the catalog`},
		{change(`"status":"active"`, `"status":"paused"`), `status must be "active" or "disabled"`},
		{change(`"status":"active"`, `"status":"disabled","disabledReason":"because"`), "disabledReason must be"},
		{change(`"rateLimit":7`, `"rateLimit":70000`), "rateLimit must be"},
		{change(`"rateLimit":7`, `"rateLimit":"7"`), "rateLimit must not be a string"},
		{change(`"rateLimit":7`, `"rateLimit":7,"filter":"x"`), "filter is not known to this version"},
		{change(`"rateLimit":7`, `"rateLimit":7,"RateLimit":8`), "RateLimit is not known to this version"},
		{change(`"rateLimit":7`, `"rateLimit":7,"rateLimit":8`), "rateLimit appears twice"},
		{change(`"payloadEncoding":"ascii"`, `"payloadEncoding":"xml"`), "payloadEncoding must be"},
		{change(`"merchantId":"merchant_42"`, `"merchantId":"merchant_43"`), "secret does not open: "},
		{change(`"merchantId":"merchant_42"`, `"merchantId":"a|b"`), "merchantId must be"},
		{change(`"webhookId":"whk_`, `"webhookId":"whk|`), "webhookId must be"},
		{change(`"secret":"v1.`, `"secret":"v1.x`), "secret does not open: "},
		{change(`"secret":"v1.`, `"secret":"v0.`), "secret does not open: "},
		{change(`"previousSecret":"v1.`, `"previousSecret":"v1.x`), "previousSecret does not open: "},
		{change(`"previousSecret":`, `"metadata":{},"previousSecret":`), "metadata appears twice"},
		{change(`"createdAt":"2`, `"createdAt":"x`), "has a time that is not of RFC 3339"},
		{until.ReplaceAllString(lines[2], `"previousUntil":"`+future+`"`), "previousUntil must not be more than seven days ahead"},
		{change(`"previousSecret":"v1.`, `"previousSecret":"","description":"v1.`), "appears twice"},
		{"{\n", "ends too early"},
		{"[]\n", "must be an object"},
	} {
		st := memstore.New(nil)
		file := strings.Join(append(append(slices.Clone(lines[:2]), tt.line), lines[3:]...), "")
		done, err := importInto(t.Context(), st, []byte(file), options())
		require.Equal(t, transfer.Imported{Created: 4}, done, tt.want)
		said := make([]string, 0, 4)
		for _, p := range problems(t, err) {
			require.Equal(t, 3, p.Line)
			said = append(said, p.String())
		}
		require.Contains(t, strings.Join(said, "\n"), tt.want)
		require.NotContains(t, err.Error(), "Bearer")
	}
}

// A file that is not whole, or none of ours, ends the import with its line.
func TestImportOfAnotherFile(t *testing.T) {
	t.Parallel()
	whole := string(export(t, furnished(t)))
	lines := strings.SplitAfter(strings.TrimSuffix(whole, "\n"), "\n")
	for _, tt := range []struct{ file, want string }{
		{"", "line 1: this is no export of webhooks"},
		{"id,url\n", "line 1: this is no export of webhooks"},
		{strings.Replace(whole, `"version":1`, `"version":2`, 1), "line 1: the format has version 2, and this program knows version 1"},
		{strings.Replace(whole, `"sealedWith":"k1"`, `"sealedWith":""`, 1), "line 1: the file is not sealed"},
		{strings.Join(lines[:4], ""), "line 5: the file was cut off"},
		{whole[:len(whole)-5], "the file was cut off"},
		{lines[0] + lines[1] + lines[6], "line 3: the file had 5 webhooks, and 1 are there"},
		{whole + lines[1], "line 8: there is more behind the last line"},
		{lines[0] + strings.Repeat("x", 2<<20) + "\n", "line 2: is longer than 1048576 bytes"},
	} {
		_, err := importInto(t.Context(), memstore.New(nil), []byte(tt.file), options())
		require.ErrorContains(t, err, tt.want)
	}
}

// What is there under a key that nobody has given is not judged, nor overwritten.
func TestImportOverWhatDoesNotOpen(t *testing.T) {
	t.Parallel()
	st := furnished(t)
	o := options()
	o.Overwrite = true
	done, err := importInto(t.Context(), st, export(t, st), o)
	require.Equal(t, transfer.Imported{}, done)
	got := problems(t, err)
	require.Len(t, got, 5)
	require.Equal(t, "secret", got[0].Field)
	require.Contains(t, got[0].Message, "of the webhook that is there does not open")
}

// A merchant gets no more webhooks than the receiving side allows, and a rehearsal says so.
func TestImportKeepsLimits(t *testing.T) {
	t.Parallel()
	file := export(t, furnished(t))
	for _, dryRun := range []bool{true, false} {
		o := options()
		o.DryRun, o.Service.Limits.Webhooks = dryRun, 3
		done, err := importInto(t.Context(), memstore.New(nil), file, o)
		require.Equal(t, transfer.Imported{Created: 4}, done)
		require.Equal(t, "has 3 webhooks, as many as Limits.Webhooks allows", problems(t, err)[0].Message)
	}
}

// Without SealWith, nobody gets secrets in the clear by accident.
func TestUnsealed(t *testing.T) {
	t.Parallel()
	from := furnished(t)
	o := &transfer.ExportOptions{SecretKeys: []webhook.SecretKey{oldKey}}
	_, err := transfer.Export(t.Context(), io.Discard, from, o)
	require.ErrorContains(t, err, "SealWith is needed")
	o.InsecureUnsealed = true
	var file bytes.Buffer
	done, err := transfer.Export(t.Context(), &file, from, o)
	require.NoError(t, err)
	require.Equal(t, transfer.Exported{Merchants: 2, Webhooks: 5}, done)
	require.Contains(t, file.String(), "Bearer abc")

	_, err = importInto(t.Context(), memstore.New(nil), file.Bytes(), options())
	require.ErrorContains(t, err, "the file is not sealed")
	in := options()
	in.InsecureUnsealed = true
	to := memstore.New(nil)
	_, err = importInto(t.Context(), to, file.Bytes(), in)
	require.NoError(t, err)
	_, secrets := everything(t, from, oldKey)
	_, moved := everything(t, to, newKey) // which is sealed again
	for i, opened := range secrets {
		require.Empty(t, opened.Differs(moved[i]))
	}

	o.SealWith = newKey
	_, err = transfer.Export(t.Context(), io.Discard, from, o)
	require.ErrorContains(t, err, "exclude each other")
}

// A webhook that does not open is named and left out, and the others are written.
// TestDamagedWebhooksAreNamed has one on the side that is left, and one on the other.
func TestDamagedWebhooksAreNamed(t *testing.T) {
	t.Parallel()
	st := furnished(t)
	page, err := st.ListWebhooks(t.Context(), harness.Merchant, store.WebhookQuery{Limit: 100})
	require.NoError(t, err)
	id := page.Webhooks[0].ID
	var file bytes.Buffer
	o := &transfer.ExportOptions{SecretKeys: []webhook.SecretKey{oldKey}, SealWith: newKey, Merchants: []string{harness.Merchant}}
	done, err := transfer.Export(t.Context(), &file, &harness.Spoiled{Store: st, WebhookID: id}, o)
	require.Equal(t, len(page.Webhooks)-1, done.Webhooks)
	require.Equal(t, "webhook "+id+" of merchant_42: cannot be read: its record is damaged", problems(t, err)[0].String())

	imported, err := importInto(t.Context(), &harness.Spoiled{Store: memstore.New(nil), WebhookID: page.Webhooks[1].ID}, file.Bytes(), options())
	require.Contains(t, problems(t, err)[0].String(), "is there and cannot be read")
	require.Equal(t, len(page.Webhooks)-2, imported.Created, "others are there")
}

func TestExportNamesWhatDoesNotOpen(t *testing.T) {
	t.Parallel()
	from := furnished(t)
	_, err := from.CreateWebhook(t.Context(), harness.Victim, store.Webhook{ID: "whk_bad", URL: "https://example.com/", Events: []string{"*"}, Secret: "v1.k7.x"}, 0)
	require.NoError(t, err)
	var file bytes.Buffer
	o := &transfer.ExportOptions{SecretKeys: []webhook.SecretKey{oldKey}, SealWith: newKey, Merchants: []string{harness.Victim}}
	done, err := transfer.Export(t.Context(), &file, from, o)
	require.Equal(t, transfer.Exported{Merchants: 1, Webhooks: 1}, done)
	require.Equal(t, "webhook whk_bad of merchant_43: secret does not open: sealed text cannot be opened with the configured keys: no key \"k7\"", problems(t, err)[0].String())
	imported, err := importInto(t.Context(), memstore.New(nil), file.Bytes(), options())
	require.NoError(t, err)
	require.Equal(t, transfer.Imported{Created: 1}, imported)
}
