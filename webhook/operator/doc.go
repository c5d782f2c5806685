// Package operator answers what a person on call asks about the webhooks of all
// merchants, and does for many of them at once what package webhook does for one.
//
//	ops, err := operator.New(st, svc, nil)
//	disp, err := webhook.NewDispatcher(st, &webhook.DispatcherOptions{Jobs: ops.Jobs()})
//	h, err := api.New(svc, authenticate, &api.Options{Operator: ops})
//
// Questions are answered from the store as it is, in bounded steps: a page may be short,
// and says where the next one goes on. They need no index beside that of the store for
// webhooks in trouble, see [store.Directory].
//
// # Jobs
//
// A [Job] is what an operator does to a [Selection] of webhooks: enable, disable, replay
// what they missed, cancel what is pending, seal anew, or delete. A dispatcher whose
// [webhook.DispatcherOptions].Jobs are [Operator.Jobs] does it in steps, and another one
// goes on if that one dies. A step can be repeated: it finds done what was done. So a crash
// changes nothing twice, and the job may count what the step that was cut short had done
// as skipped, or not at all.
//
// Jobs do not lock webhooks. Each change is made to the version of the webhook that the
// job has looked at, so of two jobs, or a job and an owner, each change is whole, and the
// last one counts.
//
// Who has begun a job, and what became of it, is kept with it: the list of jobs is the log
// of what operators did, for [webhook.Retention].Jobs and for the last
// [store.MaxEndedJobs] of them. [Options].Logger gets a line for each that lasts longer.
// A change of a webhook has the job's actor, too: see [webhook.Service.Changes].
package operator
