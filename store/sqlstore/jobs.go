package sqlstore

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// job reads the columns of the statements about jobs.
type job struct {
	store.Job

	seq     int64
	visible int64
	now     int64 // when it was read
}

func (j *job) scan(row scan) error {
	var created, updated int64
	var ended *int64
	err := row(&j.seq, &j.MerchantID, &j.ID, &j.Scope, &j.Kind, &j.State, &j.Version, &created, &updated, &ended, &j.visible, &j.now)
	for _, t := range []*string{&j.MerchantID, &j.ID, &j.Scope, &j.Kind} {
		*t = decode(*t)
	}
	j.CreatedAt, j.UpdatedAt = stamp(created), stamp(updated)
	if ended != nil {
		j.EndedAt = stamp(*ended)
	}
	return err
}

func (s *Store) readJob(ctx context.Context, q querier, name, merchantID, id string) (j job, found bool, err error) {
	found, err = s.one(ctx, q, name, j.scan, encode(merchantID), encode(id), s.now())
	return j, found, err
}

func noJob(id string) error { return fmt.Errorf("sqlstore: find job %s: %w", id, store.ErrNotFound) }

// AddJob implements [store.Jobs].
func (s *Store) AddJob(ctx context.Context, merchantID string, given store.Job) (store.Job, error) {
	for {
		added, err := s.change(ctx, "job_insert", encode(merchantID), encode(given.ID), encode(given.Scope), encode(given.Kind), append([]byte{}, given.State...), s.now())
		if err != nil {
			return store.Job{}, err
		}
		j, found, err := s.readJob(ctx, s.reads, "job", merchantID, given.ID)
		if err == nil && !found {
			j, found, err = s.readJob(ctx, s.reads, "job_of_scope", merchantID, given.Scope)
		}
		if added > 0 {
			s.Wake()
		}
		if err != nil || found { // The one that was in the way may have ended meanwhile.
			return j.Job, err
		}
	}
}

// Job implements [store.Jobs].
func (s *Store) Job(ctx context.Context, merchantID, jobID string) (store.Job, error) {
	j, found, err := s.readJob(ctx, s.reads, "job", merchantID, jobID)
	if err == nil && !found {
		err = noJob(jobID)
	}
	if err != nil {
		return store.Job{}, err
	}
	return j.Job, nil
}

// ListJobs implements [store.Jobs].
func (s *Store) ListJobs(ctx context.Context, merchantID string, q store.JobQuery) (page store.JobPage, err error) {
	before, err := readCursor(jobCursor, q.Cursor, math.MaxInt64)
	if err != nil {
		return page, err
	}
	var last int64
	err = s.each(ctx, s.reads, "jobs", func(r scan) error {
		var j job
		if err := j.scan(r); err != nil {
			return err
		}
		if len(page.Jobs) == q.Limit {
			page.Next = writeNumber(jobCursor, last)
			return nil
		}
		last = j.seq
		page.Jobs = append(page.Jobs, j.Job)
		return nil
	}, encode(merchantID), encode(q.Scope), before, q.Limit+1, s.now())
	return page, err
}

// UpdateJob implements [store.Jobs].
func (s *Store) UpdateJob(ctx context.Context, merchantID, jobID string, u store.JobUpdate) (out store.Job, err error) {
	err = s.transact(ctx, "update job", func(tx querier) error {
		j, found, err := s.readJob(ctx, tx, "job_lock", merchantID, jobID)
		switch {
		case err != nil:
			return err
		case !found:
			return noJob(jobID)
		case u.IfVersion != 0 && u.IfVersion != j.Version:
			return fmt.Errorf("sqlstore: update job %s of version %d: %w", jobID, j.Version, store.ErrVersion)
		}
		ends := u.End && j.EndedAt.IsZero()
		j.apply(u)
		var ended any
		if !j.EndedAt.IsZero() {
			ended = j.EndedAt.UnixMilli()
		}
		_, err = s.exec(ctx, tx, "job_update", j.seq, append([]byte{}, j.State...), j.Version, j.now, ended, j.visible)
		if err == nil && ends {
			_, err = s.exec(ctx, tx, "job_drop", encode(merchantID), store.MaxEndedJobs)
		}
		out = j.Job
		return err
	})
	if err != nil {
		return store.Job{}, err
	}
	s.Wake()
	return out, nil
}

func (j *job) apply(u store.JobUpdate) {
	j.Version++
	j.UpdatedAt, j.visible = stamp(j.now), j.now+max(u.Delay, 0).Milliseconds()
	if u.State != nil {
		j.State = bytes.Clone(u.State)
	}
	if u.End && j.EndedAt.IsZero() {
		j.EndedAt = stamp(j.now)
	}
}

// ClaimJobs implements [store.Jobs].
func (s *Store) ClaimJobs(ctx context.Context, kinds []string, limit int, lease time.Duration) (out []store.Job, err error) {
	err = s.transact(ctx, "claim jobs", func(tx querier) error {
		out = nil // It may be made again.
		var seqs []int64
		var now int64
		err := s.each(ctx, tx, "job_claim", func(r scan) error {
			var j job
			err := j.scan(r)
			out, seqs, now = append(out, j.Job), append(seqs, j.seq), j.now
			return err
		}, limit, s.now(), writeList(kinds))
		if err == nil && len(seqs) > 0 {
			_, err = s.exec(ctx, tx, "job_hide", marshal(seqs), now+lease.Milliseconds())
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
