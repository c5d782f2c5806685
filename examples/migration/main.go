// Command migration moves 500 endpoints from a home-made sender to this module: export,
// rehearsal, mending, import, and the switch under load, after which each event has
// arrived once. It exits non-zero if anything is not as it says. docs/migration.md is the
// checklist that it plays.
//
//	go run ./examples/migration
package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/examples/migration/shop"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/transfer"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	began := time.Now()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "migration failed:", err)
		os.Exit(1)
	}
	fmt.Printf("\nAll as stated, in %s.\n", time.Since(began).Round(10*time.Millisecond))
}

// oldForm says how the old sender writes a test.
//
//go:embed old-form.json
var oldForm []byte

// catalogFile has the types of events, with their new names.
//
//go:embed catalog.json
var catalogFile []byte

// move is what takes part in it.
type move struct {
	out       io.Writer
	receivers *shop.Receivers
	table     []shop.Endpoint
	rehearsal transfer.RehearseOptions
	report    bytes.Buffer
	encodings map[[2]string]string // that it has found, by merchant and endpoint
}

func newMove(out io.Writer) (*move, func(), error) {
	m := &move{out: out, receivers: &shop.Receivers{}}
	server := httptest.NewServer(m.receivers)
	m.table = shop.Table(server.URL)
	m.receivers.Use(m.table)
	var entries []event.Entry
	wrong := errors.Join(json.Unmarshal(oldForm, &m.rehearsal.Old), json.Unmarshal(catalogFile, &entries))
	catalog, err := event.NewCatalog(entries...)
	m.rehearsal.Service = webhook.ServiceOptions{
		Catalog:    catalog,
		SecretKeys: []webhook.SecretKey{{ID: "k1", Key: [32]byte{1}}},                            // of a secret manager
		Egress:     &egress.Options{InsecureAllowHTTP: true, InsecureAllowPrivateNetworks: true}, // this machine only
	}
	m.rehearsal.InsecureUnsealed = true
	m.rehearsal.Concurrency, m.rehearsal.PerHost = 32, 32 // All receivers are one host here.
	return m, server.Close, errors.Join(wrong, err)
}

func run(ctx context.Context, out io.Writer) error {
	m, end, err := newMove(out)
	if err != nil {
		return err
	}
	defer end()

	fmt.Fprintln(out, "A rehearsal, before anything is switched:")
	failing, err := m.rehearse(ctx)
	if err != nil {
		return err
	}
	if err := m.expect(failing, "hex", "hmac", "rewrites", "agent"); err != nil {
		return err
	}

	fmt.Fprintln(out, "\nThe same with the encodings that it has found; those that passed are left in peace:")
	m.findEncodings()
	if failing, err = m.rehearse(ctx); err != nil {
		return err
	}
	if err := m.expect(failing, "hex", "hmac", "agent"); err != nil {
		return err
	}

	fmt.Fprintln(out, "\nAll of them once more, with the names of the old sender:")
	m.report.Reset() // It speaks of other names.
	m.rehearsal.Service.Wire = signer.Wire{
		Prefix: "X-Shop-", Untimed: signer.Untimed{NoPrefix: true}, UserAgent: "Shop-Hooks/2.1",
	}
	if failing, err = m.rehearse(ctx); err != nil {
		return err
	}
	if err := m.expect(failing, "hmac"); err != nil {
		return err
	}
	return m.cutOver(ctx, failing)
}

// rehearse prints what a rehearsal has found, and returns the endpoints that would fail.
func (m *move) rehearse(ctx context.Context) ([]string, error) {
	var file bytes.Buffer
	if err := shop.Export(&file, m.table, m.encodings); err != nil {
		return nil, err
	}
	var failing []string
	m.rehearsal.Resume = bytes.NewReader(bytes.Clone(m.report.Bytes()))
	m.rehearsal.Progress = func(line transfer.Rehearsed, _ transfer.Rehearsal) {
		if line.Verdict == transfer.VerdictOnlyOld {
			failing = append(failing, line.WebhookID)
		}
	}
	done, err := transfer.Rehearse(ctx, memstore.New(nil), &file, &m.report, &m.rehearsal)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(m.out, "  %d tested, %d of them before; %d take both forms, %d would fail; %d do not verify\n",
		done.Webhooks, done.Kept, done.Same, done.OnlyOld, done.Open)
	return failing, nil
}

// expect says by kind who would fail, and compares it with the truth.
func (m *move) expect(failing []string, kinds ...string) error {
	count := map[string]int{}
	for _, e := range m.table {
		id, kind := strconv.Itoa(e.ID), strings.Split(e.URL, "/")[3]
		if slices.Contains(failing, id) != slices.Contains(kinds, kind) {
			return fmt.Errorf("the rehearsal is wrong about %s", e.URL)
		}
		count[kind]++
	}
	for _, kind := range kinds {
		fmt.Fprintf(m.out, "  %-9s%4d would fail\n", kind, count[kind])
	}
	return nil
}

// findEncodings reads the report for receivers that write bodies again.
func (m *move) findEncodings() {
	m.encodings = map[[2]string]string{}
	for line := range bytes.Lines(m.report.Bytes()) {
		var r transfer.Rehearsed
		if json.Unmarshal(line, &r) == nil && r.Encoding != "" {
			m.encodings[[2]string{r.MerchantID, r.WebhookID}] = string(r.Encoding)
		}
	}
}
