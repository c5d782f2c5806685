package storetest

import (
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/store"
)

// jobOperations are calls about jobs, which no other method but Claim and Prune shows.
func jobOperations() []operation {
	return []operation{
		{6, "If the merchant has a job with this id, ended or not, AddJob changes nothing and returns that one as it is. Otherwise, if a job of the same scope has not ended, it changes nothing and returns that one.", (*duel).playAddJob},
		{8, "UpdateJob applies u in one step, adds 1 to Version, sets UpdatedAt and returns the result.", (*duel).playUpdateJob},
		{5, "ClaimJobs hides up to limit jobs of these kinds from every other caller until the lease ends, those that have been claimable for longest first.", (*duel).playClaimJobs},
		{2, "Jobs that ClaimJobs would, of one kind or another.", func(d *duel) bool { d.claim(); return true }},
		{4, "A job whose lease ended without an UpdateJob is claimable again at once.", func(d *duel) bool {
			d.wait(one(d, []time.Duration{tick, 10 * time.Second, 40 * time.Second, 2 * time.Minute}))
			d.compareBacklog()
			return true
		}},
		{2, "JobAge removes jobs that ended longer ago than this, and no other.", (*duel).playPruneJobs},
	}
}

// owner picks a merchant or, now and then, the operator.
func (d *duel) owner() string {
	if d.chance(10) {
		return ""
	}
	return d.merchant()
}

// jobID picks the id of a job, now and then one of another merchant or of nobody.
func (d *duel) jobID(merchantID string) string {
	j := one(d, d.model.jobs)
	for range 5 {
		if j != nil && j.MerchantID != merchantID {
			j = one(d, d.model.jobs)
		}
	}
	if j == nil || d.chance(5) {
		return d.x.id("job")
	}
	return j.ID
}

// state is any bytes, or none.
func (d *duel) state() []byte {
	return []byte(one(d, []string{"", " \x00\xff", d.x.id("state"), d.x.id("state"), strings.Repeat("\x00", store.MaxJobState)}))
}

// jobKinds are those that jobs of a sequence have.
func jobKinds() []string { return []string{"", "kind", "\xff"} }

func (d *duel) playAddJob() bool {
	m := d.owner()
	j := store.Job{
		ID: d.x.id("job"), Scope: one(d, []string{"scope", "another", "|a b\x00"}), Kind: one(d, jobKinds()), State: d.state(),
		MerchantID: "not the caller's", Version: 7, CreatedAt: d.model.now.Add(-time.Hour), EndedAt: d.moment(),
	}
	if d.chance(20) {
		j.ID = d.jobID(m)
	}
	d.call("AddJob %q %s of scope %q, kind %q", m, j.ID, j.Scope, j.Kind)
	answers(d, "the job", func(st store.Store) (store.Job, error) { return st.AddJob(d.x.Context(), m, j) })
	d.compareJobs()
	return true
}

func (d *duel) playUpdateJob() bool {
	m := d.owner()
	id := d.jobID(m)
	u := store.JobUpdate{Delay: one(d, []time.Duration{0, 0, tick, duelGrace}), End: d.chance(30)}
	if d.chance(60) {
		u.State = d.state()
	}
	if j := d.model.job(m, id); j != nil && d.chance(60) {
		u.IfVersion = max(1, j.Version+one(d, []int64{0, 0, 0, 1, -1}))
	}
	d.call("UpdateJob %q %s with version %d, %d bytes, delay %s, end %t", m, id, u.IfVersion, len(u.State), u.Delay, u.End)
	answers(d, "the job", func(st store.Store) (store.Job, error) { return st.UpdateJob(d.x.Context(), m, id, u) })
	d.compareJobs()
	return true
}

// playClaimJobs checks whose turn it was. The order of those that have been claimable
// since the same moment is open, and so is that of different merchants.
func (d *duel) playClaimJobs() bool {
	limit := 1 + d.rand.IntN(3)
	kinds := jobKinds()
	if d.someKinds {
		kinds = one(d, [][]string{kinds, kinds[:2], kinds[1:], {"kind", "kin", "kind"}, {"\xff"}, {"another", ""}, {}})
	}
	d.call("ClaimJobs %d of %q", limit, kinds)
	got, err := d.x.st.ClaimJobs(d.x.Context(), kinds, limit, duelLease)
	d.x.must(err, "ClaimJobs")
	waiting := d.model.claimableJobs(kinds)
	d.fatalIf(len(got) != min(limit, len(waiting)), "%d jobs of %d, limit %d", len(got), len(waiting), limit)
	for _, g := range got {
		j := find(waiting, func(j *modelJob) bool { return j.MerchantID == g.MerchantID && j.ID == g.ID })
		d.fatalIf(j == nil, "job %q %s is claimed, and must not be", g.MerchantID, g.ID)
		d.match("job "+g.ID, g, j.Job)
		waiting = without(waiting, j)
		for _, o := range waiting {
			d.fatalIf(o.MerchantID == j.MerchantID && millis(o.from, j.from) < 0, "job %s is claimed before %s", j.ID, o.ID)
		}
		defer func() { j.from = d.model.now.Add(duelLease) }()
	}
	return true
}

func (d *duel) playPruneJobs() bool {
	p := store.PruneRequest{JobAge: one(d, []time.Duration{time.Minute, time.Hour}) + tick/2, Limit: 1 + d.rand.IntN(3)}
	d.call("Prune %s", show(p))
	got := d.x.prune(p)
	p.Limit = endless
	want, _ := d.model.Prune(d.x.Context(), p)
	d.match("what Prune did", got, want)
	d.compareJobs()
	return true
}

// compareJobs compares what both stores show of jobs.
func (d *duel) compareJobs() {
	for _, m := range append([]string{""}, d.merchants...) {
		q := store.JobQuery{Scope: one(d, []string{"", "", "scope", "|a b\x00"}), Limit: 1 + d.rand.IntN(3)}
		whole := q
		whole.Limit = endless
		want, _ := d.model.ListJobs(d.x.Context(), m, whole)
		got := d.x.jobs(m, q)
		d.fatalIf(len(got) != len(want.Jobs), "%q shows %d jobs of scope %q, want %d", m, len(got), q.Scope, len(want.Jobs))
		for i, w := range want.Jobs {
			d.match(nth("job", i+1), got[i], w)
		}
		id := d.jobID(m)
		answers(d, "job "+id, func(st store.Store) (store.Job, error) { return st.Job(d.x.Context(), m, id) })
	}
	d.x.audit()
}
