package outbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/rag-assistant/webhooks/store"
)

const (
	// batch is how many records go in one statement.
	batch = 100
	// maxText is how many bytes an id or a type has at most, and maxTrace a trace.
	maxText, maxTrace = 255, 4096
)

type inTx struct {
	b  *Box
	tx Tx
}

// Publish implements [store.Publisher].
func (p inTx) Publish(ctx context.Context, merchantID string, events []store.NewEvent) ([]store.Published, error) {
	for i := range events {
		if err := fits(merchantID, &events[i]); err != nil {
			return nil, fmt.Errorf("outbox: publish: %w", err)
		}
	}
	out := make([]store.Published, 0, len(events))
	known := map[string]string{} // the fingerprints of ids, as far as they are known
	for rest := events; len(rest) > 0; rest = rest[min(batch, len(rest)):] {
		some := rest[:min(batch, len(rest))]
		if err := p.look(ctx, merchantID, some, known); err != nil {
			return nil, fmt.Errorf("outbox: publish: %w", err)
		}
		fresh, answers := judge(some, known)
		if err := p.insert(ctx, merchantID, fresh); err != nil {
			return nil, fmt.Errorf("outbox: publish: %w", err)
		}
		out = append(out, answers...)
	}
	return out, nil
}

// judge says which events are new, and answers for all.
func judge(events []store.NewEvent, known map[string]string) (fresh []store.NewEvent, answers []store.Published) {
	answers = make([]store.Published, len(events))
	for i, e := range events {
		mark, there := known[e.ID]
		switch {
		case !there:
			known[e.ID] = e.Fingerprint
			fresh = append(fresh, e)
			answers[i].Deferred = true
		case mark == e.Fingerprint:
			answers[i].Duplicate = true
		default:
			answers[i].Conflict = true
		}
	}
	return fresh, answers
}

// fits says what the table cannot keep, before a database says it and ends the transaction.
func fits(merchantID string, e *store.NewEvent) error {
	for name, text := range map[string]string{"merchant": merchantID, "id": e.ID, "type": e.Type, "fingerprint": e.Fingerprint, "webhook": e.Test} {
		if len(text) > maxText || !plain(text) {
			return fmt.Errorf("%s: must have at most %d bytes of UTF-8 without NUL", name, maxText)
		}
	}
	if len(e.Trace) > maxTrace || !plain(e.Trace) {
		return fmt.Errorf("trace: must have at most %d bytes of UTF-8 without NUL", maxTrace)
	}
	if merchantID == "" || e.ID == "" {
		return errors.New("merchant and id must not be empty")
	}
	return nil
}

func plain(text string) bool { return utf8.ValidString(text) && strings.IndexByte(text, 0) < 0 }

// look notes the fingerprints that the table has of events' ids. What was written in SQL has
// none yet.
func (p inTx) look(ctx context.Context, merchantID string, events []store.NewEvent, known map[string]string) error {
	ids := make([]string, len(events))
	for i, e := range events {
		ids[i] = e.ID
	}
	if p.b.opts.Dialect == Postgres {
		var level string
		err := p.b.each(ctx, p.tx, "select current_setting('transaction_isolation')", 0, func(scan func(...any) error) error { return scan(&level) })
		if err != nil || level == "serializable" {
			return err
		}
	}
	statement, n, args := "select id, eid, fp from @outbox where merchant = ? and eid in (@ids) and state <> 1 and raw = 0", len(ids), anys(ids, merchantID)
	if p.b.opts.Dialect == Postgres {
		list, err := json.Marshal(ids)
		if err != nil {
			return err
		}
		statement, n, args = "select * from @outbox_known_1(?, ?)", 0, []any{merchantID, string(list)}
	}
	first := map[string]int64{}
	return p.b.each(ctx, p.tx, statement, n, func(scan func(...any) error) error {
		var id int64
		var name, mark string
		err := scan(&id, &name, &mark)
		if at, there := first[name]; !there || id < at {
			first[name], known[name] = id, mark
		}
		return err
	}, args...)
}

const row = "(?, ?, ?, ?, ?, ?, ?, ?, ?, @now, @now)"

func (p inTx) insert(ctx context.Context, merchantID string, events []store.NewEvent) error {
	if len(events) == 0 {
		return nil
	}
	var args []any
	for _, e := range events {
		forged := 0
		if e.Forged {
			forged = 1
		}
		body := e.Body
		if body == nil {
			body = []byte{} // Nil would be null.
		}
		args = append(args, merchantID, e.ID, e.Type, e.Fingerprint, e.Trace, e.Test, forged, e.MaxPending, body)
	}
	_, err := p.b.exec(ctx, p.tx, "insert into @outbox (merchant, eid, type, fp, trace, test, forged, most, body, at, due) values "+
		row+strings.Repeat(", "+row, len(events)-1), 0, args...)
	return err
}
