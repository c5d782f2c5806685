package sqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// sqlite keeps a store in SQLite. There is one writer, so what moves deliveries is plain
// steps in Go inside a transaction: see writing.
type sqlite struct {
	*Store

	stmts  map[string]*sql.Stmt // by text
	writer writer
}

func newSQLite(s *Store) {
	s.engine = &sqlite{Store: s}
	if s.opts.Now == nil {
		s.opts.Now = time.Now
	}
	names := strings.NewReplacer("@webhook", webhookColumns, "@.", s.opts.Schema+"_")
	s.sql = map[string][]step{}
	texts := named("sqlite/statements.sql")
	maps.Copy(texts, named("sqlite/audit.sql"))
	for name, text := range texts {
		s.sql[name] = steps(names.Replace(text))
	}
}

var parameter = regexp.MustCompile(`\?\d+`)

// steps cuts a statement into its steps. Each gets those of the numbered arguments that it
// names, since drivers want exactly as many as a statement has.
func steps(text string) (out []step) {
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "--") {
			lines = append(lines, line)
		}
	}
	for one := range strings.SplitSeq(strings.TrimSpace(strings.Join(lines, "")), ";\n") {
		if one == "" {
			continue
		}
		t := step{args: []int{}}
		t.text = parameter.ReplaceAllStringFunc(one, func(name string) string {
			n, _ := strconv.Atoi(name[1:]) // They are digits.
			t.args = append(t.args, n-1)
			return "?"
		})
		out = append(out, t)
	}
	return out
}

// prepare prepares all statements. The database's connections keep them from then on.
func (s *sqlite) prepare(ctx context.Context) error {
	s.stmts = map[string]*sql.Stmt{}
	for _, list := range s.sql {
		for _, t := range list {
			stmt, err := s.db.PrepareContext(ctx, t.text)
			if err != nil {
				return explain(err)
			}
			s.stmts[t.text] = stmt
		}
	}
	s.reads = reader(s.stmts)
	return nil
}

// reader runs prepared statements on any connection.
type reader map[string]*sql.Stmt

// ExecContext implements [Tx].
func (r reader) ExecContext(ctx context.Context, text string, args ...any) (sql.Result, error) {
	return r[text].ExecContext(ctx, args...)
}

// QueryContext implements [Tx].
func (r reader) QueryContext(ctx context.Context, text string, args ...any) (*sql.Rows, error) {
	return r[text].QueryContext(ctx, args...)
}

// write writes down what is known of lines, for f reads and changes the tables themselves.
func (s *sqlite) write(ctx context.Context, f func(q querier) error) error {
	return s.run(ctx, 1, func(w *writing) error {
		if err := w.flush(ctx); err != nil {
			return err
		}
		w.forget()
		defer w.forget()
		return f(w)
	})
}

// transact undoes what f has done if it fails, and leaves the others in its transaction alone.
func (s *sqlite) transact(ctx context.Context, f func(tx querier) error) error {
	var failed error
	err := s.write(ctx, func(w querier) error {
		if _, err := s.exec(ctx, w, "save"); err != nil {
			return err
		}
		if failed = f(w); failed != nil {
			_, err := s.exec(ctx, w, "undo")
			return err
		}
		_, err := s.exec(ctx, w, "saved")
		return err
	})
	return cmp.Or(err, failed)
}

// writingOf returns what transact has made a transaction of.
func writingOf(tx querier) *writing {
	w, _ := tx.(*writing)
	return w
}

func (s *sqlite) lock(ctx context.Context, tx querier, merchantID, webhookID string) (found bool, err error) {
	w := writingOf(tx)
	var wh int64
	found, err = s.one(ctx, tx, "webhook_place", func(r scan) error { return r(&wh) }, encode(merchantID), encode(webhookID))
	if err != nil || !found {
		return false, err
	}
	if _, err = w.line(ctx, wh); err == nil { // It takes back what was leased for too long.
		err = w.flush(ctx)
	}
	w.forget()
	return true, err
}

func (s *sqlite) lineUp(ctx context.Context, tx querier, wh int64) error {
	w := writingOf(tx)
	l, err := w.line(ctx, wh)
	if err != nil {
		return err
	}
	l.ask()
	return w.flush(ctx)
}

func (s *sqlite) publish(ctx context.Context, events []newEvent) (out []store.Published, err error) {
	var nobody error
	err = s.run(ctx, len(events), func(w *writing) error {
		out, nobody, err = w.publish(ctx, events)
		return err
	})
	if err == nil {
		err = nobody
	}
	return out, err
}

func (s *sqlite) enqueue(ctx context.Context, merchantID, webhookID string, eventIDs []string, nonce string, maxPending int) (out []store.Enqueued, err error) {
	err = s.run(ctx, len(eventIDs), func(w *writing) error {
		out, err = w.enqueue(ctx, merchantID, webhookID, eventIDs, nonce, maxPending)
		return err
	})
	return out, err
}

// claim looks first whether there is anything to write.
func (s *sqlite) claim(ctx context.Context, c store.ClaimRequest) (out store.Claimed, err error) {
	at := s.opts.Now().UnixMilli()
	seen, err := s.look(ctx, s.reads, at, c.Key)
	if err != nil || seen.next > at && !seen.known {
		return seen.claimed(at), err
	}
	err = s.run(ctx, c.Limit, func(w *writing) error {
		out, err = w.claim(ctx, c)
		return err
	})
	return out, err
}

func (s *sqlite) finish(ctx context.Context, results []store.Result) (out []store.Finished, err error) {
	err = s.run(ctx, len(results), func(w *writing) error {
		out = make([]store.Finished, len(results))
		for i := range results {
			if out[i], err = w.finish(ctx, &results[i]); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}
