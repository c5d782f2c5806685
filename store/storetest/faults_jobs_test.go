package storetest

import (
	"cmp"
	"slices"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// theJob is the job that a call names, or an empty one that has not ended.
func (c *call) theJob() *modelJob { return cmp.Or(c.m.job(c.merchant, c.id), &modelJob{}) }

// jobFault makes a fault that changes the job that a call has changed or added.
func jobFault(change func(c *call, j *modelJob)) func(c *call) {
	return done(func(c *call) {
		if j := c.m.job(c.merchant, c.job.ID); j != nil {
			change(c, j)
			c.job = j.shown()
		}
	})
}

func jobFaults() []fault {
	return []fault{
		{"a known id of a job is anew", "", "AddJob", func(c *call) {
			set(len(c.m.jobs) > 0 && !c.theJob().open(), &c.m.jobs, slices.DeleteFunc(slices.Clone(c.m.jobs), func(j *modelJob) bool { return j == c.theJob() }))
			c.do()
		}},
		{"a job is known by its id in all merchants", "", "AddJob", func(c *call) {
			if j := find(c.m.jobs, func(j *modelJob) bool { return j.ID == c.id }); j != nil {
				c.job = j.shown()
				return
			}
			c.do()
		}},
		{"scopes are of all merchants", "", "AddJob", func(c *call) {
			if j := find(c.m.jobs, func(j *modelJob) bool { return j.Scope == c.job.Scope && j.open() }); j != nil {
				c.job = j.shown()
				return
			}
			c.do()
		}},
		{"two jobs of a scope", "", "AddJob", func(c *call) {
			scope := c.job.Scope
			c.job.Scope += c.id
			c.do()
			for _, j := range c.m.jobs {
				set(j.ID == c.id && j.MerchantID == c.merchant, &j.Scope, scope)
			}
			c.job.Scope = scope
		}},
		{"an ended job holds its scope", "", "AddJob", instead(func(c *call) bool {
			return slices.ContainsFunc(c.m.jobs, func(j *modelJob) bool { return j.MerchantID == c.merchant && j.Scope == c.job.Scope })
		}, func(c *call) {
			c.job = find(c.m.jobs, func(j *modelJob) bool { return j.MerchantID == c.merchant && j.Scope == c.job.Scope }).shown()
		})},
		{"a scope that is taken is a conflict", "", "AddJob", func(c *call) { c.do(); set(c.job.ID != c.id, &c.err, store.ErrConflict) }},
		{"a new job has the caller's time", "", "AddJob", func(c *call) {
			at := c.job.CreatedAt
			jobFault(func(_ *call, j *modelJob) { set(j.Version == 1 && j.number == c.m.made, &j.CreatedAt, at) })(c)
		}},
		{"a new job has no kind", "", "AddJob", func(c *call) { c.job.Kind = ""; c.do() }},
		{"a state is cut", "", "AddJob UpdateJob", func(c *call) {
			c.job.State, c.jobU.State = c.job.State[:min(len(c.job.State), 4096)], c.jobU.State[:min(len(c.jobU.State), 4096)]
			c.do()
		}},
		{"a new job waits for a lease", "", "AddJob", jobFault(func(c *call, j *modelJob) { set(j.Version == 1, &j.from, c.m.now.Add(duelLease)) })},
		{"any version of a job", "", "UpdateJob", func(c *call) { c.jobU.IfVersion = 0; c.do() }},
		{"another version is not found", "", "UpdateJob", func(c *call) { c.do(); set(c.err != nil, &c.err, store.ErrNotFound) }},
		{"a job's version stays", "", "UpdateJob", jobFault(func(_ *call, j *modelJob) { j.Version-- })},
		{"a job's change has no time", "", "UpdateJob", jobFault(func(_ *call, j *modelJob) { j.UpdatedAt = j.CreatedAt })},
		{"no state empties it", "", "UpdateJob", func(c *call) { set(c.jobU.State == nil, &c.jobU.State, []byte{}); c.do() }},
		{"an empty state is none", "", "UpdateJob", func(c *call) { set(len(c.jobU.State) == 0, &c.jobU.State, nil); c.do() }},
		{"a job has no delay", "", "UpdateJob", func(c *call) { c.jobU.Delay = 0; c.do() }},
		{"a job keeps its lease", "", "UpdateJob", func(c *call) {
			from := c.theJob().from
			jobFault(func(c *call, j *modelJob) { set(c.jobU.Delay == 0, &j.from, later(from, j.from)) })(c)
		}},
		{"a job ends again", "", "UpdateJob", func(c *call) { set(c.jobU.End, &c.theJob().EndedAt, time.Time{}); c.do() }},
		{"an ended job begins again", "", "UpdateJob", func(c *call) { set(!c.jobU.End, &c.theJob().EndedAt, time.Time{}); c.do() }},
		{"an ended job cannot be changed", "", "UpdateJob", func(c *call) { set(!c.theJob().open(), &c.jobU.State, nil); c.do() }},
		{"a job never ends", "", "UpdateJob", func(c *call) { c.jobU.End = false; c.do() }},
		{"anybody's job is changed", "", "UpdateJob", func(c *call) {
			if j := find(c.m.jobs, func(j *modelJob) bool { return j.ID == c.id }); j != nil {
				c.merchant = j.MerchantID
			}
			c.do()
		}},
		{"anybody's job is shown", "", "Job", func(c *call) {
			if j := find(c.m.jobs, func(j *modelJob) bool { return j.ID == c.id }); j != nil {
				c.merchant = j.MerchantID
			}
			c.do()
		}},
		{"jobs are oldest first", "", "ListJobs", func(c *call) { slices.Reverse(c.m.jobs); c.do(); slices.Reverse(c.m.jobs) }},
		{"a page of jobs begins anew", "", "ListJobs", func(c *call) {
			set(c.jobQ.Cursor != "", &c.jobQ.Limit, c.jobQ.Limit+1)
			c.jobQ.Cursor = ""
			c.do()
			c.jobP.Jobs = c.jobP.Jobs[:min(len(c.jobP.Jobs), 1)]
			c.jobP.Next = ""
		}},
		{"jobs of any scope", "", "ListJobs", func(c *call) { c.jobQ.Scope = ""; c.do() }},
		{"ended jobs are not listed", "", "ListJobs", done(func(c *call) {
			c.jobP.Jobs = slices.DeleteFunc(c.jobP.Jobs, func(j store.Job) bool { return !j.EndedAt.IsZero() })
		})},
		{"jobs are not hidden", "", "ClaimJobs", func(c *call) { c.lease = 0; c.do() }},
		{"jobs of any kind", "", "ClaimJobs", func(c *call) { c.kinds = jobKinds(); c.do() }},
		{"jobs of the first kind alone", "", "ClaimJobs", func(c *call) { c.kinds = c.kinds[:min(1, len(c.kinds))]; c.do() }},
		{"the limit counts jobs of other kinds", "", "ClaimJobs", func(c *call) {
			looked := c.m.claimableJobs(jobKinds())
			looked = looked[:min(c.limit, len(looked))]
			c.limit = count(looked, func(j *modelJob) bool { return slices.Contains(c.kinds, j.Kind) })
			c.do()
		}},
		{"jobs of other kinds are hidden too", "", "ClaimJobs", func(c *call) {
			for _, j := range c.m.claimableJobs(jobKinds()) {
				set(!slices.Contains(c.kinds, j.Kind), &j.from, c.m.now.Add(c.lease))
			}
			c.do()
		}},
		{"jobs are claimed once", "", "ClaimJobs", func(c *call) { c.lease = 1e6 * time.Hour; c.do() }},
		{"one job at a time", "", "ClaimJobs", func(c *call) { c.limit = 1; c.do() }},
		{"jobs ignore the limit", "", "ClaimJobs", func(c *call) { c.limit = endless; c.do() }},
		{"no jobs are an error", "", "ClaimJobs", func(c *call) { c.do(); set(len(c.jobs) == 0, &c.err, store.ErrNotFound) }},
		{"a claim is a new version of a job", "", "ClaimJobs", after(func(c *call) {
			for _, j := range c.jobs {
				c.m.job(j.MerchantID, j.ID).Version++
			}
		})},
		{"jobs take no turns", "", "ClaimJobs", func(c *call) {
			was := pick(c.m.jobs, func(j *modelJob) time.Time { return j.from })
			for _, j := range c.m.jobs {
				set(c.m.over(j.from), &j.from, j.CreatedAt)
			}
			c.do()
			for i, j := range c.m.jobs {
				set(c.m.over(j.from), &j.from, was[i])
			}
		}},
		{"ended jobs are claimable", "", "ClaimJobs", func(c *call) {
			if c.do(); len(c.jobs) == 0 {
				for _, j := range c.m.jobs {
					set(!j.open(), &c.jobs, []store.Job{j.shown()})
				}
			}
		}},
		{"no word of jobs", "", "Claim", func(c *call) { c.do(); c.claimed.Jobs = false }},
		{"always a word of jobs", "", "Claim", func(c *call) { c.do(); c.claimed.Jobs = true }},
		{"ended jobs are kept for ever", "", "Prune", func(c *call) { c.prune.JobAge = 0; c.do() }},
		{"jobs age from their beginning", "", "Prune", func(c *call) {
			for _, j := range c.m.jobs {
				set(c.prune.JobAge > 0 && !j.open() && c.m.olderThan(j.CreatedAt, c.prune.JobAge), &j.EndedAt, j.CreatedAt)
			}
			c.do()
		}},
		{"jobs that have not ended are pruned", "", "Prune", done(func(c *call) {
			c.m.jobs = slices.DeleteFunc(c.m.jobs, func(j *modelJob) bool { return j.open() && c.m.olderThan(j.CreatedAt, c.prune.JobAge) })
		})},
		{"ended jobs pile up", "jobs/many that have ended", "UpdateJob", func(c *call) {
			kept := slices.Clone(c.m.jobs)
			c.do()
			c.m.jobs = kept
		}},
		{"jobs go in the order of adding", "jobs/many that have ended", "UpdateJob", func(c *call) {
			for _, j := range c.m.jobs {
				set(j.ended > 0, &j.ended, j.number)
			}
			c.jobU.End = c.jobU.End && c.theJob().open()
			c.do()
			for _, j := range c.m.jobs {
				set(j.ended > 0, &j.ended, j.number)
			}
			ended := count(c.m.jobs, func(j *modelJob) bool { return !j.open() })
			set(ended == store.MaxEndedJobs && c.id == c.m.jobs[0].ID, &c.m.jobs, c.m.jobs[1:])
		}},
		{"AddJob looks and then adds", "concurrency/one job of a scope from everybody", "AddJob", looking(
			func(c *call) bool {
				return !slices.ContainsFunc(c.m.jobs, func(j *modelJob) bool { return j.Scope == c.job.Scope && j.open() })
			},
			func(c *call, free bool) {
				if free {
					c.job.Scope += c.id
				}
				c.do()
			})},
	}
}
