//go:build interop

package interop_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/portable"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		dir, err := workshop()
		if err == nil {
			err = os.RemoveAll(dir)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(code)
	}))
}

// sample is an event to be delivered to everyone, under each encoding.
type sample struct {
	class
	event event.Event // without an id
	body  []byte      // as published
}

func newSample(t *testing.T, c class, kind event.Type) sample {
	t.Helper()
	e := event.NewRaw(kind, rawMessage(c.data))
	e.Created = created
	e.ID = "evt_1"
	body, err := e.MarshalJSON()
	require.NoError(t, err, c.name)
	e.ID = ""
	return sample{class: c, event: e, body: body}
}

// samples are the events of the guide, all classes, and a number of random ones.
func samples(t *testing.T) (known, random []sample) {
	t.Helper()
	for entry := range event.DefaultCatalog().All() {
		if !entry.Subscribable() {
			continue // It is sent on request.
		}
		example, err := event.Parse(entry.Example)
		require.NoError(t, err)
		data, err := event.Data[rawMessage](example)
		require.NoError(t, err)
		known = append(known, newSample(t, class{string(entry.Type), string(data), everywhere}, entry.Type))
	}
	for _, c := range classes() {
		known = append(known, newSample(t, c, ownType))
	}
	for i, data := range randomPayloads(t) {
		random = append(random, newSample(t, class{name: fmt.Sprintf("random %d", i), data: data}, ownType))
	}
	return known, random
}

func TestInterop(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.refusesForgeries()

	known, random := samples(t)
	all := slices.Concat(known, random)
	results := newResults(len(all))
	for _, encoding := range []webhook.Encoding{webhook.EncodingStandard, webhook.EncodingASCII, webhook.EncodingHTML} {
		w.encode(encoding)
		w.deliver(all, encoding, results)
		w.test(encoding, results)
	}
	w.detect()

	var wrong []string
	table := newTable(w.receivers)
	require.Equal(t, row(w.receivers, everywhere), results.tests, "webhook.test")
	table.add(string(event.TypeWebhookTest), results.tests)
	for i, s := range all {
		got := results.of(i)
		if s.want != "" {
			wrong = append(wrong, unexpected(w.receivers, s, got)...)
			table.add(s.name, got)
		}
		wrong = append(wrong, unpredicted(w.receivers, s, got)...)
	}
	t.Logf("Verified under standard (s), ascii (a), html (h), or under none (-):\n\n%s", table)
	t.Logf("%d deliveries to %d receivers, %d classes and %d random payloads", results.deliveries, len(w.receivers), len(known)+1, len(random))
	require.Empty(t, wrong, "%s", strings.Join(wrong, "\n"))
	table.isDocumented(t)
}

// row is what is wanted of all receivers, those that verify raw bytes included.
func row(receivers []*receiver, want string) []string {
	fields := strings.Fields(want)
	out := make([]string, len(receivers))
	for i, r := range receivers {
		switch {
		case want == refused:
			out[i] = refused
		case r.speaks == "":
			out[i] = "sah"
		default:
			out[i] = fields[i]
		}
	}
	return out
}

// unexpected says where the receivers did other than the table of classes wants.
func unexpected(receivers []*receiver, s sample, got []string) []string {
	var out []string
	for i, want := range row(receivers, s.want) {
		if got[i] != want {
			out = append(out, fmt.Sprintf("%s: %s verified %s, expected %s", s.name, receivers[i].name, got[i], want))
		}
	}
	return out
}

// unpredicted says where the receivers did other than package portable says.
func unpredicted(receivers []*receiver, s sample, got []string) []string {
	issues := portable.Check(s.body)
	if slices.ContainsFunc(issues, func(i portable.Issue) bool { return i.Severity == portable.Refused }) {
		if got[0] == refused {
			return nil
		}
		return []string{fmt.Sprintf("%s: portable says that it cannot be published: %s", s.name, s.data)}
	}
	var out []string
	for i, r := range receivers {
		predicted := "sah"
		if r.speaks != "" {
			predicted = letters(portable.Encodings(s.body)[r.speaks])
		}
		if got[i] != predicted {
			out = append(out, fmt.Sprintf("%s: %s verified %s, portable says %s: %.200s", s.name, r.name, got[i], predicted, s.data))
		}
		// The list tells the same story as the sets.
		listed := slices.ContainsFunc(issues, func(i portable.Issue) bool {
			return i.Receiver == r.speaks && (i.Severity == portable.Unverifiable ||
				i.Severity == portable.NeedsEncoding && !slices.Contains(i.Encodings, "standard"))
		})
		if listed == strings.Contains(got[i], "s") && r.speaks != "" {
			out = append(out, fmt.Sprintf("%s: %s verified %s, portable lists %v", s.name, r.name, got[i], issues))
		}
	}
	return out
}

// letters abbreviates encodings by their initials.
func letters(encodings []string) string {
	out := ""
	for _, e := range encodings {
		out += e[:1]
	}
	if out == "" {
		return "-"
	}
	return out
}
