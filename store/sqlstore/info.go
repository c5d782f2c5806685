package sqlstore

import (
	"context"
	"fmt"

	"github.com/rag-assistant/webhooks/store"
)

// Info describes the database behind a store, for a start-up log or a status page.
type Info struct {
	Dialect Dialect
	Version string // of the server, or of the library

	// Intake counts the events of callers' transactions that have committed and wait
	// for the next claim. SQLite needs no such place.
	Intake int64
	// SetAside counts the events of callers' transactions whose id stood for another
	// event, or whose webhook was gone, by the time they were taken in.
	SetAside int64

	// Damaged names what was found damaged or gone, at most a hundred things. Delete the
	// rows of the table damage once you have seen to them.
	Damaged []store.Damage

	// Durability says in words what can be lost when.
	Durability string
}

// Info asks the database how it keeps what it acknowledges.
func (s *Store) Info(ctx context.Context) (Info, error) {
	out, err := s.engine.info(ctx)
	out.Dialect = s.opts.Dialect
	if err == nil {
		out.Damaged, _, err = s.damage(ctx, true)
	}
	if err != nil {
		return Info{}, fmt.Errorf("sqlstore: info: %w", explain(err))
	}
	return out, nil
}

func (s *postgres) info(ctx context.Context) (out Info, err error) {
	var commit, standbys string
	var fsync bool
	_, err = s.one(ctx, s.db, "info", func(r scan) error {
		return r(&out.Version, &commit, &standbys, &fsync, &out.Intake, &out.SetAside)
	})
	switch {
	case !fsync:
		out.Durability = "fsync is off: a power failure may lose everything"
	case standbys != "" && commit != "local":
		out.Durability = "synchronous_commit " + commit + " with standbys " + standbys + ": nothing is lost when a process or the power fails, nor in a failover to one of these"
	default:
		out.Durability = "synchronous_commit " + commit + ": nothing is lost when a process or the power fails; a failover loses what the standby had not received"
	}
	return out, err
}

func (s *sqlite) info(ctx context.Context) (out Info, err error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return out, err
	}
	defer conn.Close()
	is, err := ask(ctx, conn)
	out.Version = is.version
	out.Durability = "synchronous full: nothing is lost when a process or the power fails; everything is when the disk does"
	if is.synchronous < synchronousFull {
		out.Durability = "synchronous is less than full: nothing is lost when a process fails, the last commits when the power does"
	}
	return out, err
}
