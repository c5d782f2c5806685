package redisstore

import (
	"context"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// readJob reads a job as lua/jobs.lua shows it.
func readJob(r *reply) store.Job {
	j := store.Job{ID: r.text(), MerchantID: r.text(), Scope: r.text(), Kind: r.text(), State: []byte(r.text()), Version: r.int()}
	j.CreatedAt, j.UpdatedAt = r.time(), r.time()
	if ended := r.int(); ended > 0 {
		j.EndedAt = stamp(ended)
	}
	return j
}

// readJobs reads what is left of an answer.
func readJobs(r *reply) []store.Job {
	var out []store.Job
	for r.more() {
		f := r.part()
		out = append(out, readJob(&f))
		r.bad = r.bad || f.bad
	}
	return out
}

// job runs the script for one job.
func (s *Store) job(ctx context.Context, what, merchantID, jobID string, args ...any) (store.Job, error) {
	r, err := s.run(ctx, call{name: "jobs", on: s.at(merchantID), args: append([]any{what, merchantID, jobID}, args...)})
	if err != nil {
		return store.Job{}, named("job", jobID, err)
	}
	return readJob(&r), r.check("jobs")
}

// AddJob implements [store.Jobs].
func (s *Store) AddJob(ctx context.Context, merchantID string, j store.Job) (store.Job, error) {
	return s.job(ctx, "add", merchantID, j.ID, j.Scope, j.Kind, j.State)
}

// Job implements [store.Jobs].
func (s *Store) Job(ctx context.Context, merchantID, jobID string) (store.Job, error) {
	return s.job(ctx, "get", merchantID, jobID)
}

// ListJobs implements [store.Jobs]. It looks at two hundred jobs.
func (s *Store) ListJobs(ctx context.Context, merchantID string, q store.JobQuery) (store.JobPage, error) {
	var page store.JobPage
	below, err := readCursor(jobCursor, q.Cursor)
	if err != nil {
		return page, err
	}
	r, err := s.run(ctx, call{name: "jobs", on: s.at(merchantID), args: []any{"list", merchantID, q.Scope, max(q.Limit, 1), below}})
	if err != nil {
		return page, err
	}
	if next := r.int(); next >= 0 {
		page.Next = writeCursor(jobCursor, next)
	}
	page.Jobs = readJobs(&r)
	return page, r.check("jobs")
}

// UpdateJob implements [store.Jobs].
func (s *Store) UpdateJob(ctx context.Context, merchantID, jobID string, u store.JobUpdate) (store.Job, error) {
	return s.job(ctx, "update", merchantID, jobID,
		u.IfVersion, flag(u.State != nil), u.State, max(u.Delay.Milliseconds(), 0), flag(u.End), store.MaxEndedJobs)
}

// ClaimJobs implements [store.Jobs]. Shards take turns: each call begins at the next one. It
// reads those of other kinds that are due, two hundred in one script.
func (s *Store) ClaimJobs(ctx context.Context, kinds []string, limit int, lease time.Duration) ([]store.Job, error) {
	var out []store.Job
	start := int((s.jobTurn.Add(1) - 1) % int64(len(s.shards)))
	_, err := s.each(ctx, start, func(ctx context.Context, h shard) (bool, error) {
		for from := int64(0); from >= 0 && len(out) < limit; {
			args := []any{"claim", min(limit-len(out), batch), lease.Milliseconds(), from}
			for _, kind := range kinds {
				args = append(args, kind)
			}
			r, err := s.run(ctx, call{name: "jobs", on: h, args: args})
			if err != nil {
				return false, err
			}
			from = r.int()
			out = append(out, readJobs(&r)...)
			if err := r.check("jobs"); err != nil {
				return false, err
			}
		}
		return len(out) < limit, nil
	})
	if len(out) > 0 {
		return out, nil // What is claimed is claimed.
	}
	return nil, err
}
