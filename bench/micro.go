package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-github/v81/github"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	stripe "github.com/stripe/stripe-go/v85/webhook"

	"github.com/rag-assistant/webhooks/bench/internal/report"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier"
)

// contender is one way to sign or verify a body.
type contender struct {
	op, name string
	run      func() error
}

// size is that of a body.
type size struct {
	name  string
	bytes int
}

func sizes() []size { return []size{{"200 B", 200}, {"1 KiB", 1 << 10}, {"16 KiB", 16 << 10}} }

const floorName = "floor: SHA-256 of body and block"

// contenders are all ways for one body.
func contenders(body []byte) ([]contender, error) {
	secret := signer.NewSecret()
	own, err := signer.New(secret)
	if err != nil {
		return nil, err
	}
	check, err := verifier.New(secret.Reveal(), &verifier.Options{AcceptUntimed: true})
	if err != nil {
		return nil, err
	}
	standard, err := standardwebhooks.NewWebhook(secret.Reveal())
	if err != nil {
		return nil, err
	}
	now := time.Now()
	key := secret.Reveal()
	var block [sha256.BlockSize - 9]byte // with its padding, one block
	floor := func() error {
		_, _ = sha256.Sum256(body), sha256.Sum256(block[:])
		return nil
	}
	var buf []byte
	untimed := string(own.AppendSignature(nil, body))
	untimedOnly, both := http.Header{}, http.Header{}
	untimedOnly.Set(signer.HeaderSignature, untimed)
	both.Set(signer.HeaderSignature, untimed)
	both.Set(signer.HeaderStandardID, "evt_1")
	both.Set(signer.HeaderStandardTimestamp, fmt.Sprint(now.Unix()))
	both.Set(signer.HeaderStandardSignature, string(own.AppendStandard(nil, "evt_1", now, body)))
	stripeHeader := stripe.GenerateTestSignedPayload(&stripe.UnsignedPayload{Payload: body, Secret: key, Timestamp: now}).Header
	return []contender{
		{"sign", floorName, floor},
		{"sign", "this module", func() error { buf = own.AppendSignature(buf[:0], body); return nil }},
		{"sign", "this module, Standard Webhooks scheme", func() error { buf = own.AppendStandard(buf[:0], "evt_1", now, body); return nil }},
		{"sign", "stripe-go", func() error { _ = hex.EncodeToString(stripe.ComputeSignature(now, body, key)); return nil }},
		{"sign", "Standard Webhooks", func() error { _, err := standard.Sign("evt_1", now, body); return err }},
		{"verify", floorName, floor},
		{"verify", "this module", func() error {
			if !own.Verify(body, untimed) {
				return errors.New("refused")
			}
			return nil
		}},
		{"verify", "this module, of a request's header", func() error { return check.Check(untimedOnly, body) }},
		{"verify", "this module, of both schemes' headers", func() error { return check.Check(both, body) }},
		{"verify", "stripe-go", func() error { return stripe.ValidatePayloadIgnoringTolerance(body, stripeHeader, key) }},
		{"verify", "go-github", func() error { return github.ValidateSignature(untimed, body, []byte(key)) }},
		{"verify", "Standard Webhooks", func() error { return standard.VerifyIgnoringTimestamp(body, both) }},
	}, nil
}

// benchTime is how long each case is measured in a round.
const benchTime = "200ms"

// micro measures signing and verifying in this process, and writes the same
// figures as the lines that `go test -bench` prints.
func (b *bench) micro(ctx context.Context) ([]report.Table, error) {
	testing.Init()
	took := benchTime
	if b.smoke {
		took = "1x"
	}
	if err := flag.Set("test.benchtime", took); err != nil {
		return nil, err
	}
	tables := map[string]*report.Table{}
	for _, op := range []string{"sign", "verify"} {
		t := &report.Table{Key: op, Title: strings.ToUpper(op[:1]) + op[1:], Head: "library", Note: microNote}
		for _, s := range sizes() {
			t.Columns = append(t.Columns, s.name)
		}
		for _, s := range sizes() {
			t.Columns = append(t.Columns, report.TimesFloor(s.name))
		}
		tables[op] = t
	}
	var lines strings.Builder
	fmt.Fprintf(&lines, "goos: %s\ngoarch: %s\npkg: github.com/rag-assistant/webhooks/bench\n", runtime.GOOS, runtime.GOARCH)
	fmt.Fprintf(&lines, "cpu: %s\n", report.ThisMachine(ctx).CPU)
	for range b.rounds {
		for _, s := range sizes() {
			ways, err := contenders(bytes.Repeat([]byte("x"), s.bytes))
			if err != nil {
				return nil, err
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if err := microRound(ways, s, tables, &lines); err != nil {
				return nil, err
			}
		}
	}
	err := os.WriteFile(filepath.Join(b.dir, "micro.txt"), []byte(lines.String()), 0o644) //nolint:gosec // for all to read
	return []report.Table{*tables["sign"], *tables["verify"]}, err
}

const microNote = "Nanoseconds by the size of the body. The floor is what SHA-256 alone costs an HMAC whose key is prepared: one pass over the " +
	"body and one block more. The others prepare what their interface lets them prepare."

// microRound measures each way once.
func microRound(ways []contender, s size, tables map[string]*report.Table, lines *strings.Builder) error {
	took := map[string]map[string]float64{"sign": {}, "verify": {}}
	for _, c := range ways {
		if err := c.run(); err != nil {
			return fmt.Errorf("%s, %s: %w", c.op, c.name, err)
		}
		r := testing.Benchmark(func(b *testing.B) {
			b.Helper()
			b.ReportAllocs()
			for b.Loop() {
				_ = c.run() // It has passed.
			}
		})
		ns := float64(r.T.Nanoseconds()) / float64(r.N)
		took[c.op][c.name] = ns
		t := tables[c.op]
		t.Add(c.name, s.name, ns)
		if s.bytes == 1<<10 {
			t.Add(c.name, report.AllocsEach, float64(r.AllocsPerOp()))
		}
		if c.name != floorName {
			t.Add(c.name, report.TimesFloor(s.name), ns/took[c.op][floorName])
		}
		fmt.Fprintf(lines, "Benchmark/%s/%s/%dB-%d %s %s\n",
			c.op, strings.NewReplacer(" ", "-", ",", "", "'", "", ":", "").Replace(c.name), s.bytes, runtime.GOMAXPROCS(0), r.String(), r.MemString())
	}
	if s.bytes == sizes()[0].bytes {
		for op, all := range took {
			for name, ns := range all {
				if !strings.HasPrefix(name, "this module") && name != floorName {
					tables[op].Add(name, s.name+" × this module", ns/all["this module"])
				}
			}
		}
	}
	return nil
}
