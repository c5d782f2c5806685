package store

import "time"

// Job is work that a dispatcher does in steps, each a bounded one. Between two steps
// everything that the next one needs is in State, so that any process goes on with it.
type Job struct {
	ID         string // the caller's; unique within the merchant
	MerchantID string // empty: an operator's
	Scope      string // opaque; of a merchant and scope at most one job has not ended
	Kind       string // opaque; says who can read State
	State      []byte // opaque; up to [MaxJobState] bytes

	Version   int64 // 1 at first, and one more with each UpdateJob
	CreatedAt time.Time
	UpdatedAt time.Time // when it was added, or of the last UpdateJob
	EndedAt   time.Time // zero while it has not ended
}

const (
	// MaxJobState is how long a job's State may be, in bytes. Callers keep to it.
	MaxJobState = 8 << 10
	// MaxEndedJobs is how many jobs that have ended are kept of one merchant.
	MaxEndedJobs = 200
)

// JobUpdate is a change of a job.
type JobUpdate struct {
	IfVersion int64  // 0: any version
	State     []byte // nil: as it is

	// Delay hides the job from ClaimJobs for so long from now, whatever lease it had;
	// 0 makes it claimable at once. It is ignored if the job has ended.
	Delay time.Duration

	// End ends the job: it is not claimable any more, and its scope is free. A job that
	// has ended stays so, with the EndedAt of the first time.
	End bool
}

// JobQuery selects a page of jobs.
type JobQuery struct {
	Scope  string // empty: any
	Limit  int    // at least 1
	Cursor string // from a page's Next
}

// JobPage is a page of jobs, newest first.
type JobPage struct {
	Jobs []Job
	Next string
}
