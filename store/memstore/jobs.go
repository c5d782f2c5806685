package memstore

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// job is work that is done in steps.
type job struct {
	store.Job

	owner  *agenda
	number uint64
	place  int32 // in claimable, or in outdated once it has ended
	turn   int32 // in ended of the owner
}

// agenda is a merchant's jobs.
type agenda struct {
	merchantID string
	jobs       series[job] // in the order of adding
	byID       map[string]*job
	open       map[string]*job // those that have not ended, by scope
	ended      heap[*job]      // in the order of ending
}

// agenda returns the jobs of a merchant, which it makes if there are none.
func (s *Store) agenda(merchantID string) *agenda {
	a := s.agendas[merchantID]
	if a == nil {
		a = &agenda{
			merchantID: merchantID, jobs: series[job]{prefix: "job-", gone: s.lastJob},
			byID: map[string]*job{}, open: map[string]*job{}, ended: newHeap(func(j *job) *int32 { return &j.turn }),
		}
		s.agendas[merchantID] = a
	}
	return a
}

// job returns a job, or nil.
func (s *Store) job(merchantID, jobID string) *job {
	if a := s.agendas[merchantID]; a != nil {
		return a.byID[jobID]
	}
	return nil
}

func (j *job) view() store.Job {
	out := j.Job
	out.State = bytes.Clone(j.State)
	return out
}

// offerJob makes a job claimable from a moment on. If that has come, the watchers are woken.
func (s *Store) offerJob(j *job, at, now int64) {
	s.seq++
	s.claimable.set(j, key{at, s.seq})
	s.noticed = s.noticed || at <= now
}

// AddJob implements [store.Jobs].
func (s *Store) AddJob(ctx context.Context, merchantID string, given store.Job) (store.Job, error) {
	now, err := s.lock(ctx)
	if err != nil {
		return store.Job{}, err
	}
	defer s.unlock()
	a := s.agenda(merchantID)
	if known := a.byID[given.ID]; known != nil {
		return known.view(), nil
	}
	if open := a.open[given.Scope]; open != nil {
		return open.view(), nil
	}
	j := &job{owner: a, Job: store.Job{
		ID: given.ID, MerchantID: merchantID, Scope: given.Scope, Kind: given.Kind, State: bytes.Clone(given.State),
		Version: 1, CreatedAt: stamp(now), UpdatedAt: stamp(now),
	}}
	j.number = a.jobs.add(j)
	a.byID[j.ID], a.open[j.Scope] = j, j
	s.offerJob(j, now, now)
	return j.view(), nil
}

// Job implements [store.Jobs].
func (s *Store) Job(ctx context.Context, merchantID, jobID string) (store.Job, error) {
	if _, err := s.lock(ctx); err != nil {
		return store.Job{}, err
	}
	defer s.unlock()
	if j := s.job(merchantID, jobID); j != nil {
		return j.view(), nil
	}
	return store.Job{}, noJob(jobID)
}

func noJob(id string) error {
	return fmt.Errorf("memstore: find job %s: %w", id, store.ErrNotFound)
}

// ListJobs implements [store.Jobs]. A cursor is the number of the last job that a page
// has looked at.
func (s *Store) ListJobs(ctx context.Context, merchantID string, q store.JobQuery) (page store.JobPage, err error) {
	if _, err := s.lock(ctx); err != nil {
		return page, err
	}
	defer s.unlock()
	list := &series[job]{prefix: "job-", gone: s.lastJob}
	if a := s.agendas[merchantID]; a != nil {
		list = &a.jobs
	}
	from := list.last() + 1
	if q.Cursor != "" {
		var ok bool
		if from, ok = list.number(q.Cursor); !ok {
			return page, store.ErrCursor
		}
	}
	last, more := look(list.before(from), q.Limit, func(j *job) bool {
		if q.Scope != "" && q.Scope != j.Scope {
			return false
		}
		page.Jobs = append(page.Jobs, j.view())
		return true
	})
	if more {
		page.Next = list.id(last.number)
	}
	return page, nil
}

// UpdateJob implements [store.Jobs].
func (s *Store) UpdateJob(ctx context.Context, merchantID, jobID string, u store.JobUpdate) (store.Job, error) {
	now, err := s.lock(ctx)
	if err != nil {
		return store.Job{}, err
	}
	defer s.unlock()
	j := s.job(merchantID, jobID)
	if j == nil {
		return store.Job{}, noJob(jobID)
	}
	if u.IfVersion != 0 && u.IfVersion != j.Version {
		return store.Job{}, fmt.Errorf("memstore: change job %s of version %d: %w", jobID, j.Version, store.ErrVersion)
	}
	if u.State != nil {
		j.State = bytes.Clone(u.State)
	}
	j.Version++
	j.UpdatedAt = stamp(now)
	switch {
	case !j.EndedAt.IsZero():
	case u.End:
		s.endJob(j, now)
	default:
		s.offerJob(j, now+u.Delay.Milliseconds(), now)
	}
	return j.view(), nil
}

// endJob ends a job, and forgets the merchant's first one that has ended if there are
// too many.
func (s *Store) endJob(j *job, now int64) {
	j.EndedAt = stamp(now)
	s.claimable.remove(j)
	delete(j.owner.open, j.Scope)
	s.outdated.set(j, key{now, j.number})
	s.seq++
	j.owner.ended.set(j, key{number: s.seq})
	if len(j.owner.ended.nodes) > store.MaxEndedJobs {
		s.forgetJob(j.owner.ended.first())
	}
}

// forgetJob forgets a job that has ended.
func (s *Store) forgetJob(j *job) {
	a := j.owner
	s.outdated.remove(j)
	a.ended.remove(j)
	a.jobs.remove(j.number)
	delete(a.byID, j.ID)
	if len(a.byID) == 0 {
		delete(s.agendas, a.merchantID)
		s.lastJob = max(s.lastJob, a.jobs.last())
	}
}

// ClaimJobs implements [store.Jobs]. It passes over those of other kinds that are due.
func (s *Store) ClaimJobs(ctx context.Context, kinds []string, limit int, lease time.Duration) ([]store.Job, error) {
	now, err := s.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer s.unlock()
	var claimed []*job
	passed := map[*job]key{}
	for j := s.claimable.until(now); j != nil && len(claimed) < limit; j = s.claimable.until(now) {
		if slices.Contains(kinds, j.Kind) {
			claimed = append(claimed, j)
		} else {
			passed[j], _ = s.claimable.key(j)
		}
		s.claimable.remove(j)
	}
	for j, k := range passed {
		s.claimable.set(j, k)
	}
	out := make([]store.Job, len(claimed))
	for i, j := range claimed {
		s.seq++
		s.claimable.set(j, key{now + lease.Milliseconds(), s.seq})
		out[i] = j.view()
	}
	return out, nil
}
