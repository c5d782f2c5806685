package sqlstore

import (
	"context"
	"errors"
)

// Audit looks at every record and reports what does not fit together: counters, places in
// line, leases, changes, records of nothing. Nobody may use the store meanwhile. It is for tests and
// for whoever has restored or changed tables by hand.
func (s *Store) Audit(ctx context.Context) error {
	var wrong []error
	err := s.each(ctx, s.db, "audit", func(r scan) error {
		var line string
		err := r(&line)
		wrong = append(wrong, errors.New(line))
		return err
	}, s.now())
	return errors.Join(append(wrong, err)...)
}
