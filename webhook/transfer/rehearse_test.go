package transfer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/internal/jcs"
	"github.com/rag-assistant/webhooks/webhook/transfer"
)

// receivers answer by the first part of a URL's path.
type receivers map[string]func(harness.Call) (harness.Answer, error)

func (r receivers) answer(c harness.Call) (harness.Answer, error) {
	path := strings.TrimPrefix(c.URL, "https://example.com/")
	kind, _, _ := strings.Cut(path, "?")
	return r[kind](c)
}

// moving returns a file with a webhook for each URL, all with one secret.
func moving(t *testing.T, secret string, registrations ...webhook.Registration) []byte {
	t.Helper()
	now := time.Now()
	st := memstore.New(&memstore.Options{Now: func() time.Time { now = now.Add(time.Second); return now }})
	svc, err := webhook.NewService(st, &webhook.ServiceOptions{SecretKeys: []webhook.SecretKey{oldKey}})
	require.NoError(t, err)
	for _, r := range registrations {
		r.Events = []string{"*"}
		r.Secret, err = signer.ParseSecret(secret)
		require.NoError(t, err)
		_, err = svc.Register(t.Context(), harness.Merchant, r)
		require.NoError(t, err)
	}
	return export(t, st)
}

func at(paths ...string) (out []webhook.Registration) {
	for _, path := range paths {
		out = append(out, webhook.Registration{URL: "https://example.com/" + path})
	}
	return out
}

// shop is a home-made sender: two names for one signature, and an envelope of its own.
func shop() transfer.OldForm {
	return transfer.OldForm{
		Wire:    signer.Wire{Signature: "X-Shop-Signature", Untimed: signer.Untimed{NoPrefix: true}, UserAgent: "Shop/2.1"},
		Headers: map[string]string{"X-Shop-Hmac": "{{base64}}", "x-shop-at": "t={{unix}}"},
		Body:    json.RawMessage(`{"at":"{{unix}}","kind":"ping","shop":"{{merchantId}}"}`),
	}
}

func rehearsal(answer func(harness.Call) (harness.Answer, error)) (*transfer.RehearseOptions, *harness.Endpoint) {
	e := &harness.Endpoint{Answer: answer}
	return &transfer.RehearseOptions{
		Service: webhook.ServiceOptions{SecretKeys: []webhook.SecretKey{newKey}}, Dispatcher: webhook.DispatcherOptions{Transport: e},
		Old: shop(),
	}, e
}

// report returns the lines of a report by the path of their URL.
func report(t *testing.T, text []byte) map[string]transfer.Rehearsed {
	t.Helper()
	out := map[string]transfer.Rehearsed{}
	for line := range bytes.Lines(text) {
		var r transfer.Rehearsed
		require.NoError(t, json.Unmarshal(line, &r))
		out[strings.TrimPrefix(r.URL, "https://example.com/")] = r
	}
	return out
}

func refuseIf(refuse bool, status int) (harness.Answer, error) {
	if refuse {
		return harness.Reply(status, "no"), nil
	}
	return harness.Reply(http.StatusOK, "OK"), nil
}

// foreign is the secret of all receivers here.
const foreign = "sk_live/of-another-sender"

// kinds are receivers of one secret, each with its ways.
func kinds(t *testing.T) receivers {
	t.Helper()
	parsed, err := signer.ParseSecret(foreign)
	require.NoError(t, err)
	s, err := signer.New(parsed)
	require.NoError(t, err)
	oldOr := func(other func(harness.Call) (harness.Answer, error)) func(harness.Call) (harness.Answer, error) {
		return func(c harness.Call) (harness.Answer, error) {
			if c.Header.Get("User-Agent") != "Shop/2.1" {
				return other(c)
			}
			require.Equal(t, "sha256="+c.Header.Get("X-Shop-Signature"), string(s.AppendSignature(nil, []byte(c.Body))))
			return harness.Reply(http.StatusOK, "OK"), nil
		}
	}
	ascii := harness.Rewrites(t, parsed, func(body []byte) ([]byte, error) {
		canonical, err := jcs.Canonicalize(body)
		return jcs.Encode(canonical, jcs.ASCII), err
	})
	return receivers{
		"old-name": func(c harness.Call) (harness.Answer, error) {
			return refuseIf("sha256="+c.Header.Get("X-Shop-Signature") != string(s.AppendSignature(nil, []byte(c.Body))), http.StatusUnauthorized)
		},
		"old-base64": func(c harness.Call) (harness.Answer, error) {
			return refuseIf(len(c.Header.Get("X-Shop-Hmac")) != 44 || len(c.Header.Get("X-Shop-At")) < 10, http.StatusBadRequest)
		},
		"agent":     oldOr(harness.Always(http.StatusForbidden)),
		"either":    oldOr(harness.Knows(t, parsed)),
		"rewrites":  oldOr(ascii),
		"rewritten": oldOr(ascii),
		"new":       harness.Knows(t, parsed),
		"open":      harness.Always(http.StatusNoContent),
		"gone":      harness.Always(http.StatusGone),
		"down":      func(harness.Call) (harness.Answer, error) { return harness.Answer{}, io.ErrUnexpectedEOF },
		"slow":      oldOr(harness.Hang),
		"strained": func() func(harness.Call) (harness.Answer, error) { // answers two requests, and then no more
			var mu sync.Mutex
			n := 0
			return func(harness.Call) (harness.Answer, error) {
				mu.Lock()
				defer mu.Unlock()
				n++
				return refuseIf(n > 2, http.StatusTooManyRequests)
			}
		}(),
	}
}

// TestRehearse meets a receiver of each kind and says of each what a move means to it.
func TestRehearse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		all := at("old-name?token=hidden", "old-base64", "agent", "either", "rewrites", "new", "open", "gone", "down", "slow", "strained")
		all = append(all, webhook.Registration{URL: "https://example.com/rewritten", Encoding: webhook.EncodingASCII, Headers: webhook.Headers{"X-Tenant": "7"}})
		o, e := rehearsal(kinds(t).answer)
		var progress []int
		o.Progress = func(_ transfer.Rehearsed, r transfer.Rehearsal) { progress = append(progress, r.Webhooks) }
		var file bytes.Buffer
		done, err := transfer.Rehearse(t.Context(), memstore.New(nil), bytes.NewReader(moving(t, foreign, all...)), &file, o)
		require.NoError(t, err)
		require.Equal(t, transfer.Rehearsal{Webhooks: 12, Same: 4, OnlyOld: 5, OnlyNew: 1, Neither: 1, Unreachable: 1, Open: 1}, done)
		require.Equal(t, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, progress)
		require.NotContains(t, file.String(), "hidden")

		ok := transfer.Answer{Status: http.StatusOK}
		got := report(t, file.Bytes())
		for kind, want := range map[string]transfer.Rehearsed{
			"old-name":   {Old: ok, New: transfer.Answer{Status: 401}, Verdict: transfer.VerdictOnlyOld, Receiver: webhook.FoundNone},
			"old-base64": {Old: ok, New: transfer.Answer{Status: 400}, Verdict: transfer.VerdictOnlyOld, Receiver: webhook.FoundNone},
			"agent":      {Old: ok, New: transfer.Answer{Status: 403}, Verdict: transfer.VerdictOnlyOld, Receiver: webhook.FoundNone},
			"either":     {Old: ok, New: ok, Verdict: transfer.VerdictSame, Receiver: webhook.FoundRaw},
			"rewrites":   {Old: ok, New: transfer.Answer{Status: 403}, Verdict: transfer.VerdictOnlyOld, Receiver: webhook.FoundRewrites, Encoding: webhook.EncodingASCII},
			"rewritten":  {Old: ok, New: ok, Verdict: transfer.VerdictSame, Receiver: webhook.FoundRewrites},
			"new":        {Old: transfer.Answer{Status: 401}, New: ok, Verdict: transfer.VerdictOnlyNew, Receiver: webhook.FoundRaw},
			"open":       {Old: transfer.Answer{Status: 204}, New: transfer.Answer{Status: 204}, Verdict: transfer.VerdictSame, Receiver: webhook.FoundOpen},
			"gone":       {Old: transfer.Answer{Status: 410}, New: transfer.Answer{Status: 410}, Verdict: transfer.VerdictNeither, Receiver: webhook.FoundNone},
			"down":       {Old: transfer.Answer{Error: "connection"}, New: transfer.Answer{Error: "connection"}, Verdict: transfer.VerdictUnreachable, Receiver: webhook.FoundNothing},
			"slow":       {Old: ok, New: transfer.Answer{Error: "timeout"}, Verdict: transfer.VerdictOnlyOld, Receiver: webhook.FoundNothing},
			"strained":   {Old: ok, New: ok, Verdict: transfer.VerdictSame, Receiver: webhook.FoundNothing},
		} {
			line := got[kind]
			want.WebhookID, want.MerchantID, want.URL, want.Note = line.WebhookID, harness.Merchant, "https://example.com/"+kind, line.Note
			require.Equal(t, want, line, kind)
		}
		require.Contains(t, got["open"].Note, "does not verify")
		require.Contains(t, got["rewrites"].Note, `payloadEncoding "ascii"`)
		most := map[string]int{}
		for _, c := range e.Seen() {
			most[c.URL]++
			if strings.HasSuffix(c.URL, "rewritten") {
				require.Equal(t, "7", c.Header.Get("X-Tenant"), "in both forms")
			}
		}
		require.Len(t, most, 12)
		for url, n := range most {
			require.LessOrEqual(t, n, 1+webhook.MaxProbes, url)
		}
	})
}

// TestRehearseWithNamesOfItsOwn sends the new form under the Service's wire, so that who
// knows the old names alone passes.
func TestRehearseWithNamesOfItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, _ := rehearsal(kinds(t).answer)
		o.Service.Wire = signer.Wire{Prefix: "X-Shop-", Untimed: signer.Untimed{NoPrefix: true}}
		done, err := transfer.Rehearse(t.Context(), memstore.New(nil), bytes.NewReader(moving(t, foreign, at("old-name", "old-base64")...)), io.Discard, o)
		require.NoError(t, err)
		require.Equal(t, transfer.Rehearsal{Webhooks: 2, Same: 1, OnlyOld: 1}, done)
	})
}

// TestRehearseAgain goes on where another was cut off: what passed is left in peace, and
// what did not is asked again.
func TestRehearseAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		file := moving(t, foreign, at("open", "gone", "either")...)
		var first bytes.Buffer
		o, _ := rehearsal(kinds(t).answer)
		_, err := transfer.Rehearse(t.Context(), memstore.New(nil), bytes.NewReader(file), &first, o)
		require.NoError(t, err)
		var cut []string
		for line := range strings.Lines(first.String()) {
			if strings.Contains(line, "/either") {
				line = line[:len(line)/2] // which a cut leaves at the end
				cut = append(cut, line)
			} else {
				cut = append([]string{line}, cut...)
			}
		}

		mended := kinds(t)
		mended["gone"] = mended["either"]
		o, e := rehearsal(mended.answer)
		o.Resume = strings.NewReader(strings.Join(cut, ""))
		var second bytes.Buffer
		done, err := transfer.Rehearse(t.Context(), memstore.New(nil), bytes.NewReader(file), &second, o)
		require.NoError(t, err)
		require.Equal(t, transfer.Rehearsal{Webhooks: 3, Same: 3, Open: 1, Kept: 1}, done)
		require.Len(t, report(t, second.Bytes()), 2)
		for _, c := range e.Seen() {
			require.NotContains(t, c.URL, "open")
		}

		o.Resume = strings.NewReader(first.String() + strings.ReplaceAll(first.String(), `"same"`, `"neither"`))
		done, err = transfer.Rehearse(t.Context(), memstore.New(nil), bytes.NewReader(file), io.Discard, o)
		require.NoError(t, err)
		require.Zero(t, done.Kept, "the last line counts")

		for _, other := range []string{"{}\n" + first.String(), "PORT=8080\n", "PORT=8080"} {
			o.Resume = strings.NewReader(other)
			_, err = transfer.Rehearse(t.Context(), memstore.New(nil), bytes.NewReader(file), io.Discard, o)
			require.ErrorContains(t, err, "line 1 of the earlier report is none of a rehearsal")
		}
	})
}

// TestRehearseSaysWhatImportRefuses tests the rest all the same, and leaves disabled
// webhooks alone.
func TestRehearseSaysWhatImportRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		file := string(moving(t, foreign, at("open", "open?2", "open?3")...))
		lines := strings.SplitAfter(file, "\n")
		lines[1] = strings.Replace(lines[1], `"events":["*"]`, `"events":["order.paid"]`, 1)
		lines[2] = strings.Replace(lines[2], `"status":"active"`, `"status":"disabled","disabledReason":"requested"`, 1)
		o, e := rehearsal(harness.Always(http.StatusOK))
		done, err := transfer.Rehearse(t.Context(), memstore.New(nil), strings.NewReader(strings.Join(lines, "")), io.Discard, o)
		require.Equal(t, transfer.Rehearsal{Webhooks: 1, Same: 1, Open: 1, Disabled: 1}, done)
		require.Equal(t, "events[0]", problems(t, err)[0].Field)
		require.Equal(t, 1+webhook.MaxProbes, e.Count())

		_, err = transfer.Rehearse(t.Context(), memstore.New(nil), strings.NewReader(lines[0]), io.Discard, o)
		require.ErrorContains(t, err, "cut off")
	})
}

// TestRehearseDuringRotation counts the requests to a receiver that knows neither secret.
func TestRehearseDuringRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		file := `{"format":"rag-assistant/webhooks","version":1}` + "\n" +
			`{"merchantId":"m1","webhookId":"1","url":"https://example.com/1","events":["*"],"status":"active","secret":"v0.` + foreign +
			`","previousSecret":"v0.sk_live/of-the-year-before","previousUntil":"2000-01-02T00:00:00Z"}` + "\n" + `{"end":true,"webhooks":1}` + "\n"
		o, e := rehearsal(harness.Always(http.StatusUnauthorized))
		o.InsecureUnsealed = true
		_, err := transfer.Rehearse(t.Context(), memstore.New(nil), strings.NewReader(file), io.Discard, o)
		require.NoError(t, err)
		require.Equal(t, 1+3*webhook.MaxProbes, e.Count())
	})
}

// TestRehearseIsPolite counts the requests that one host has open at once.
func TestRehearseIsPolite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		open, most := 0, 0
		o, _ := rehearsal(func(harness.Call) (harness.Answer, error) {
			mu.Lock()
			open++
			most = max(most, open)
			mu.Unlock()
			<-time.After(time.Second) // of the bubble
			mu.Lock()
			open--
			mu.Unlock()
			return harness.Reply(http.StatusOK, "OK"), nil
		})
		o.PerHost = 3
		file := moving(t, foreign, at("1", "2", "3", "4", "5", "6", "7", "8")...)
		done, err := transfer.Rehearse(t.Context(), memstore.New(nil), bytes.NewReader(file), io.Discard, o)
		require.NoError(t, err)
		require.Equal(t, 8, done.Open)
		require.Equal(t, 3, most)
	})
}

// TestRehearseIsFair has many webhooks of a slow host before one of another, which does
// not wait for them.
func TestRehearseIsFair(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var order []string
		o, _ := rehearsal(func(c harness.Call) (harness.Answer, error) {
			if !strings.Contains(c.URL, "other") {
				<-time.After(time.Second) // of the bubble
			}
			return harness.Reply(http.StatusOK, "OK"), nil
		})
		o.Progress = func(line transfer.Rehearsed, _ transfer.Rehearsal) { order = append(order, line.URL) }
		all := at("1", "2", "3", "4", "5", "6", "7", "8")
		all = append(all, webhook.Registration{URL: "https://other.example.com/"})
		o.Concurrency = 3
		_, err := transfer.Rehearse(t.Context(), memstore.New(nil), bytes.NewReader(moving(t, foreign, all...)), io.Discard, o)
		require.NoError(t, err)
		require.Len(t, order, 9)
		require.Equal(t, "https://other.example.com/", order[0])
	})
}

// full is a file on a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space left") }

// TestRehearseEnds says how it can end before its time.
func TestRehearseEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		file := moving(t, foreign, at("1", "2")...)
		o, _ := rehearsal(harness.Hang)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := transfer.Rehearse(ctx, memstore.New(nil), bytes.NewReader(file), io.Discard, o)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		o, _ = rehearsal(harness.Always(http.StatusOK))
		_, err = transfer.Rehearse(t.Context(), memstore.New(nil), bytes.NewReader(file), full{}, o)
		require.ErrorContains(t, err, "no space left")

		_, err = transfer.Rehearse(t.Context(), struct{ store.Store }{memstore.New(nil)}, bytes.NewReader(file), io.Discard, o)
		require.ErrorContains(t, err, "not one in memory")

		o.Concurrency, o.Old.Headers, o.Old.Body = -1, map[string]string{"a b": "\n", "host": "shop.example"}, json.RawMessage("{")
		o.Old.Wire.Event = "X-Shop-Signature"
		_, err = transfer.Rehearse(t.Context(), memstore.New(nil), bytes.NewReader(file), io.Discard, o)
		for _, want := range []string{"negative", `"a b" is not`, "host: cannot be chosen", "visible ASCII", "not JSON", "X-Shop-Signature"} {
			require.ErrorContains(t, err, want)
		}
	})
}

type inside struct{}

func (inside) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
}

// TestRehearseStaysOutside gives neither form a way into the own network.
func TestRehearseStaysOutside(t *testing.T) {
	t.Parallel()
	o, _ := rehearsal(nil)
	o.Dispatcher.Transport, o.Service.Egress = nil, &egress.Options{Resolver: inside{}}
	var out bytes.Buffer
	_, err := transfer.Rehearse(t.Context(), memstore.New(nil), bytes.NewReader(moving(t, foreign, at("1")...)), &out, o)
	require.NoError(t, err)
	blocked := transfer.Answer{Error: string(egress.CodeBlockedAddress)}
	require.Equal(t, blocked, report(t, out.Bytes())["1"].Old)
	require.Equal(t, blocked, report(t, out.Bytes())["1"].New)
}
