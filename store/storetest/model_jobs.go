package storetest

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

type modelJob struct {
	store.Job

	number int       // in the order of adding
	ended  int       // in the order of ending
	from   time.Time // when it is claimable
}

func (m *model) job(merchantID, jobID string) *modelJob {
	return find(m.jobs, func(j *modelJob) bool { return j.MerchantID == merchantID && j.ID == jobID })
}

func (j *modelJob) open() bool { return j.EndedAt.IsZero() }

func (j *modelJob) shown() store.Job {
	out := j.Job
	out.State = slices.Clone(j.State)
	return out
}

// claimableJobs lists the jobs of these kinds that can be claimed, those that have been so for
// longest first.
func (m *model) claimableJobs(kinds []string) []*modelJob {
	list := slices.DeleteFunc(slices.Clone(m.jobs), func(j *modelJob) bool {
		return !j.open() || !m.over(j.from) || !slices.Contains(kinds, j.Kind)
	})
	slices.SortStableFunc(list, func(a, b *modelJob) int { return millis(a.from, b.from) })
	return list
}

// kinds are those of all jobs.
func (m *model) kinds() []string { return pick(m.jobs, func(j *modelJob) string { return j.Kind }) }

// AddJob implements [store.Jobs].
func (m *model) AddJob(_ context.Context, merchantID string, given store.Job) (store.Job, error) {
	defer m.change()()
	if j := m.job(merchantID, given.ID); j != nil {
		return j.shown(), nil
	}
	same := func(j *modelJob) bool { return j.MerchantID == merchantID && j.Scope == given.Scope && j.open() }
	if j := find(m.jobs, same); j != nil {
		return j.shown(), nil
	}
	j := &modelJob{number: m.number(), from: m.now, Job: store.Job{
		ID: given.ID, MerchantID: merchantID, Scope: given.Scope, Kind: given.Kind, State: slices.Clone(given.State),
		Version: 1, CreatedAt: m.now, UpdatedAt: m.now,
	}}
	m.jobs = append(m.jobs, j)
	return j.shown(), nil
}

// Job implements [store.Jobs].
func (m *model) Job(_ context.Context, merchantID, jobID string) (store.Job, error) {
	defer m.lock()()
	j := m.job(merchantID, jobID)
	if j == nil {
		return store.Job{}, store.ErrNotFound
	}
	return j.shown(), nil
}

// ListJobs implements [store.Jobs].
func (m *model) ListJobs(_ context.Context, merchantID string, q store.JobQuery) (store.JobPage, error) {
	defer m.lock()()
	all := slices.DeleteFunc(slices.Clone(m.jobs), func(j *modelJob) bool {
		return j.MerchantID != merchantID || q.Scope != "" && q.Scope != j.Scope
	})
	slices.Reverse(all)
	place := func(j *modelJob) string { return fmt.Sprintf("j%019d", math.MaxInt64-j.number) }
	list, next, err := page(all, "j", q.Cursor, q.Limit, place)
	return store.JobPage{Jobs: pick(list, (*modelJob).shown), Next: next}, err
}

// UpdateJob implements [store.Jobs].
func (m *model) UpdateJob(_ context.Context, merchantID, jobID string, u store.JobUpdate) (store.Job, error) {
	defer m.change()()
	j := m.job(merchantID, jobID)
	if j == nil {
		return store.Job{}, store.ErrNotFound
	}
	if u.IfVersion != 0 && u.IfVersion != j.Version {
		return store.Job{}, store.ErrVersion
	}
	j.Version++
	j.UpdatedAt, j.from = m.now, m.now.Add(u.Delay)
	if u.State != nil {
		j.State = slices.Clone(u.State)
	}
	if u.End && j.open() {
		j.EndedAt, j.ended = m.now, m.number()
		m.dropJobs(merchantID)
	}
	return j.shown(), nil
}

// dropJobs forgets those of a merchant's jobs that ended first, beyond what is kept.
func (m *model) dropJobs(merchantID string) {
	ended := slices.DeleteFunc(slices.Clone(m.jobs), func(j *modelJob) bool { return j.MerchantID != merchantID || j.open() })
	slices.SortFunc(ended, func(a, b *modelJob) int { return cmp.Compare(a.ended, b.ended) })
	for len(ended) > store.MaxEndedJobs {
		m.jobs, ended = without(m.jobs, ended[0]), ended[1:]
	}
}

// ClaimJobs implements [store.Jobs].
func (m *model) ClaimJobs(_ context.Context, kinds []string, limit int, lease time.Duration) ([]store.Job, error) {
	defer m.lock()()
	list := m.claimableJobs(kinds)
	list = list[:min(limit, len(list))]
	for _, j := range list {
		j.from = m.now.Add(lease)
	}
	return pick(list, (*modelJob).shown), nil
}
