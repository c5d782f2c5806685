package operator_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/operator"
)

func TestRequestsAreChecked(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(d *desk) {
		t := d.t
		now := time.Now()
		for name, c := range map[string]struct {
			request operator.Request
			want    []string
		}{
			"nothing":             {operator.Request{}, []string{"kind", "selection"}},
			"an empty selection":  {operator.Request{Kind: operator.KindDisable}, []string{"selection"}},
			"all and some":        {operator.Request{Kind: operator.KindDisable, Selection: operator.Selection{All: true, Merchants: []string{"a"}}}, []string{"selection.all"}},
			"healthy in trouble":  {operator.Request{Kind: operator.KindDisable, Selection: operator.Selection{Health: webhook.ConditionHealthy}}, []string{"selection.health"}},
			"words that are none": {operator.Request{Kind: "x", Selection: operator.Selection{Status: "x", Health: "x", Reason: "x"}}, []string{"kind", "selection.status", "selection.health", "selection.reason"}},
			"ids that are none":   {operator.Request{Kind: operator.KindCancel, Selection: operator.Selection{Merchants: []string{"a", "~operator"}, Webhooks: []string{""}}}, []string{"selection.merchants[1]", "selection.webhooks[0]"}},
			"delete all":          {operator.Request{Kind: operator.KindDelete, Selection: operator.Selection{All: true}}, []string{"selection"}},
			"delete by a filter":  {operator.Request{Kind: operator.KindDelete, Selection: operator.Selection{Merchants: []string{"a"}, Host: "x"}}, []string{"selection"}},
			"a range to enable":   {operator.Request{Kind: operator.KindEnable, Since: now, Selection: operator.Selection{All: true}}, []string{"since"}},
			"a range backwards":   {operator.Request{Kind: operator.KindReplay, Since: now, Until: now, Selection: operator.Selection{All: true}}, []string{"until"}},
			"a rate and a note":   {operator.Request{Kind: operator.KindEnable, Rate: -1, Note: "a\nb", Selection: operator.Selection{All: true}}, []string{"rate", "note"}},
			"too many":            {operator.Request{Kind: operator.KindEnable, Selection: operator.Selection{Merchants: strings.Split(strings.Repeat("merchant,", 500)+"a", ",")}}, []string{"selection"}},
		} {
			_, err := d.Begin(t.Context(), c.request)
			var wrong *webhook.InvalidError
			require.ErrorAs(t, err, &wrong, name)
			var got []string
			for _, f := range wrong.Faults {
				got = append(got, f.Path)
			}
			require.Equal(t, c.want, got, name)
		}
		jobs, err := d.List(t.Context(), operator.Page{Limit: 10})
		require.NoError(t, err)
		require.Empty(t, jobs.Jobs)
	})
}

// Each kind does what it says to what is selected, and a dry run counts the same and does
// nothing.
func TestKinds(t *testing.T) {
	t.Parallel()
	type counts = operator.Counts
	for name, c := range map[string]struct {
		kind      operator.Kind
		selection operator.Selection
		want      counts
	}{
		// Of a, one webhook was disabled by failures, one by its owner, one fails. b is well.
		"enable those in trouble":    {operator.KindEnable, operator.Selection{Status: webhook.Disabled}, counts{Merchants: 1, Webhooks: 2, Changed: 1, Skipped: 1}},
		"enable those paused":        {operator.KindEnable, operator.Selection{Reason: webhook.ReasonRequest}, counts{Merchants: 1, Webhooks: 1, Changed: 1}},
		"enable all":                 {operator.KindEnable, operator.Selection{All: true}, counts{Merchants: 2, Webhooks: 5, Changed: 1, Skipped: 4}},
		"disable a host in trouble":  {operator.KindDisable, operator.Selection{Host: "A.example.com"}, counts{Merchants: 1, Webhooks: 3, Changed: 1, Skipped: 2}},
		"disable a host":             {operator.KindDisable, operator.Selection{All: true, Host: "b.example.com"}, counts{Merchants: 1, Webhooks: 2, Changed: 2}},
		"disable what fails":         {operator.KindDisable, operator.Selection{Health: webhook.ConditionFailing}, counts{Merchants: 1, Webhooks: 1, Changed: 1}},
		"disable an unknown one's":   {operator.KindDisable, operator.Selection{Merchants: []string{"c"}}, counts{}},
		"replay a":                   {operator.KindReplay, operator.Selection{Merchants: []string{"a"}}, counts{Merchants: 1, Webhooks: 3, Changed: 3, Deliveries: 8}},
		"cancel what is pending":     {operator.KindCancel, operator.Selection{All: true}, counts{Merchants: 2, Webhooks: 5, Changed: 3, Skipped: 2, Deliveries: 3}},
		"seal anew what is sealed":   {operator.KindRewrap, operator.Selection{Merchants: []string{"b"}}, counts{Merchants: 1, Webhooks: 2, Skipped: 2}},
		"delete a":                   {operator.KindDelete, operator.Selection{Merchants: []string{"a", "c"}}, counts{Merchants: 1, Webhooks: 3, Changed: 3, Deliveries: 3}},
		"disable two by their names": {operator.KindDisable, operator.Selection{Merchants: []string{"b", "a"}, Status: webhook.Active}, counts{Merchants: 2, Webhooks: 3, Changed: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			onEachStore(t, func(d *desk) {
				t := d.t
				a, b := d.register("a", 3), d.register("b", 2)
				d.set(webhook.Disabled, a[1], a[2])
				d.publish("a")
				d.fail(1) // disables a[0]
				d.set(webhook.Active, a[2])
				d.publish("a")
				d.fail(0) // and makes a[2] fail
				d.publish("a")
				d.publish("b")
				r := operator.Request{Kind: c.kind, Selection: c.selection, Note: "INC-1"}
				before := d.seen(append(a, b...))
				r.DryRun = true
				j := d.finish(r)
				require.Equal(t, operator.JobDone, j.Status)
				require.Equal(t, c.want, j.Counts)
				require.Equal(t, before, d.seen(append(a, b...)), "a dry run changes nothing")
				r.DryRun = false
				j = d.finish(r)
				require.Equal(t, operator.JobDone, j.Status)
				require.Equal(t, c.want, j.Counts)
				require.Equal(t, "ann", j.By)
				require.Equal(t, "INC-1", j.Note)
				require.Equal(t, c.want.Changed == 0, fmt.Sprint(before) == fmt.Sprint(d.seen(append(a, b...))))
			})
		})
	}
}

// seen is what the store has of webhooks, with what was done to them.
func (d *desk) seen(webhooks []webhook.Webhook) (out []any) {
	d.t.Helper()
	for _, w := range webhooks {
		kept, err := d.st.Webhook(d.t.Context(), w.MerchantID, w.ID)
		stats, _ := d.st.Stats(d.t.Context(), w.MerchantID, w.ID)
		changes, _ := d.st.Changes(d.t.Context(), w.MerchantID, w.ID)
		out = append(out, kept, err, stats, changes)
	}
	return out
}

// crowded is a store in which so many calls of Cancel give a delivery up.
type crowded struct {
	store.Store

	left int
}

func (c *crowded) Cancel(context.Context, string, string, store.CancelRequest) (store.Cancelled, error) {
	if c.left--; c.left < 0 {
		return store.Cancelled{}, nil
	}
	return store.Cancelled{Deliveries: 1, Next: "more"}, nil
}

// What a job has cancelled counts as a change even if the last part of it was empty.
func TestCancelInParts(t *testing.T) {
	t.Parallel()
	for left, want := range map[int]operator.Counts{
		0:    {Merchants: 1, Webhooks: 2, Skipped: 2},
		2500: {Merchants: 1, Webhooks: 2, Changed: 1, Skipped: 1, Deliveries: 2500},
		3000: {Merchants: 1, Webhooks: 2, Changed: 1, Skipped: 1, Deliveries: 3000},
	} {
		d := newDesk(t, &crowded{memstore.New(nil), left})
		d.register("a", 2)
		j := d.finish(operator.Request{Kind: operator.KindCancel, Selection: operator.Selection{All: true}})
		require.Equal(t, want, j.Counts, left)
	}
}

func TestWebhooksByTheirIDs(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(d *desk) {
		t := d.t
		a, b := d.register("a", 3), d.register("b", 3)
		d.set(webhook.Disabled, a[1])
		j := d.finish(operator.Request{Kind: operator.KindEnable, Selection: operator.Selection{Webhooks: []string{a[1].ID, b[0].ID}}})
		require.Equal(t, operator.Counts{Merchants: 2, Webhooks: 2, Changed: 1, Skipped: 1}, j.Counts)
		require.Equal(t, webhook.Active, d.webhook(a[1]).Status, "who names a webhook that was paused means it")
	})
}

// Enabling takes a webhook out of the index that the walk goes along, and the cursor
// leaves none out.
func TestAWalkLeavesNoneOut(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(d *desk) {
		t := d.t
		var all []webhook.Webhook
		for i := range 17 {
			all = append(all, d.register(fmt.Sprintf("m%d", i), 5)...)
		}
		for i := range 17 {
			d.publish(fmt.Sprintf("m%d", i))
		}
		d.fail(1)
		j := d.finish(operator.Request{Kind: operator.KindEnable, Selection: operator.Selection{Health: webhook.ConditionDisabled}})
		require.Equal(t, 85, j.Webhooks)
		require.Equal(t, 85, j.Changed)
		for _, w := range all {
			require.Equal(t, webhook.Active, d.webhook(w).Status)
		}
	})
}

// Of several operators at once, each change is whole, and none is made twice.
func TestOperatorsAtOnce(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(d *desk) {
		t := d.t
		all := d.register("a", 40)
		d.publish("a")
		d.fail(1)
		enable := operator.Request{Kind: operator.KindEnable, Selection: operator.Selection{Status: webhook.Disabled}}
		disable := operator.Request{Kind: operator.KindDisable, Selection: operator.Selection{All: true}}
		var ids []string
		for _, r := range []operator.Request{enable, disable, enable} {
			j, err := d.Begin(t.Context(), r)
			require.NoError(t, err)
			ids = append(ids, j.ID)
		}
		var crews sync.WaitGroup // which take one another's jobs
		for range 3 {
			crews.Go(func() { d.work() })
		}
		crews.Wait()
		changed := 0
		for _, id := range ids {
			j, err := d.Job(t.Context(), id)
			require.NoError(t, err)
			require.Equal(t, operator.JobDone, j.Status)
			require.Zero(t, j.Failed)
			changed += j.Changed
		}
		entries := 0
		for _, w := range all {
			changes, err := d.svc.Changes(t.Context(), w.MerchantID, w.ID)
			require.NoError(t, err)
			for i, c := range changes[:len(changes)-2] { // registered, and disabled by failures
				require.NotEqual(t, c.Status, changes[i+1].Status)
				entries++
			}
		}
		require.Equal(t, entries, changed)
	})
}

// work does jobs until none is left, as a dispatcher does.
func (d *desk) work() {
	for {
		jobs, err := d.st.ClaimJobs(d.t.Context(), slices.Collect(maps.Keys(d.Jobs())), 1, time.Minute)
		if err != nil || len(jobs) == 0 && d.idle() {
			return
		}
		for _, j := range jobs {
			u, err := d.Jobs()[j.Kind](d.t.Context(), j)
			if err == nil {
				u.IfVersion = j.Version
				_, _ = d.st.UpdateJob(d.t.Context(), j.MerchantID, j.ID, u)
			}
		}
	}
}

func (d *desk) idle() bool {
	page, err := d.List(d.t.Context(), operator.Page{Limit: 10})
	for _, j := range page.Jobs {
		if j.Status == operator.JobRunning {
			return false
		}
	}
	return err == nil
}

// A step that is done a second time, because its process died before it was stored, finds
// done what was done.
func TestAStepIsRepeated(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(d *desk) {
		t := d.t
		all := d.register("a", 30)
		d.publish("a")
		d.fail(1)
		event := d.publish("a")
		for _, kind := range []operator.Kind{operator.KindEnable, operator.KindReplay} {
			begun, err := d.Begin(t.Context(), operator.Request{Kind: kind, Selection: operator.Selection{Merchants: []string{"a"}}})
			require.NoError(t, err)
			dead, err := d.st.Job(t.Context(), "~operator", begun.ID)
			require.NoError(t, err)
			for range 3 {
				d.after(dead, 2) // Nobody stores what these have done.
			}
			for running := true; running; {
				d.finishReplays()
				j, err := d.st.Job(t.Context(), "~operator", begun.ID)
				require.NoError(t, err)
				u, err := d.Jobs()[j.Kind](t.Context(), j)
				require.NoError(t, err)
				_, err = d.st.UpdateJob(t.Context(), "~operator", j.ID, u)
				require.NoError(t, err)
				running = !u.End
			}
			j, err := d.Job(t.Context(), begun.ID)
			require.NoError(t, err)
			require.Equal(t, 30, j.Webhooks)
			require.Equal(t, 30, j.Changed+j.Skipped)
		}
		for _, w := range all {
			changes, err := d.svc.Changes(t.Context(), "a", w.ID)
			require.NoError(t, err)
			require.Len(t, changes, 3, "registered, disabled, enabled once")
			page, err := d.svc.Deliveries(t.Context(), "a", w.ID, webhook.DeliveryQuery{EventID: event, Limit: 10})
			require.NoError(t, err)
			require.Len(t, page.Deliveries, 1)
			replays, err := d.svc.Replays(t.Context(), "a", w.ID, webhook.ReplayQuery{Limit: 10})
			require.NoError(t, err)
			require.Len(t, replays.Replays, 1)
		}
	})
}

// after is the state of a job after n steps that nobody has stored.
func (d *desk) after(j store.Job, n int) []byte {
	d.t.Helper()
	for range n {
		u, err := d.Jobs()[j.Kind](d.t.Context(), j)
		require.NoError(d.t, err)
		j.State = u.State
	}
	return j.State
}

// finishReplays runs a dispatcher until no replay of a's is running.
func (d *desk) finishReplays() {
	d.t.Helper()
	list, err := d.svc.Webhooks(d.t.Context(), "a", webhook.WebhookQuery{})
	require.NoError(d.t, err)
	harness.DoJobs(d.t, d.st, nil, func() bool {
		for _, w := range list.Webhooks {
			page, err := d.svc.Replays(d.t.Context(), "a", w.ID, webhook.ReplayQuery{Limit: 10})
			require.NoError(d.t, err)
			for _, r := range page.Replays {
				if r.Status == webhook.ReplayRunning {
					return false
				}
			}
		}
		return true
	})
}

// Stop ends a job and the replays that it has begun.
func TestStop(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(d *desk) {
		t := d.t
		all := d.register("a", 30)
		begun, err := d.Begin(t.Context(), operator.Request{Kind: operator.KindReplay, Selection: operator.Selection{All: true}})
		require.NoError(t, err)
		j, err := d.st.Job(t.Context(), "~operator", begun.ID)
		require.NoError(t, err)
		_, err = d.st.UpdateJob(t.Context(), "~operator", j.ID, store.JobUpdate{State: d.after(j, 2)})
		require.NoError(t, err)
		for range 2 {
			stopped, err := d.Stop(t.Context(), begun.ID)
			require.NoError(t, err)
			require.Equal(t, operator.JobStopped, stopped.Status)
			require.Equal(t, 8, stopped.Webhooks)
		}
		stopped := 0
		for _, w := range all {
			page, err := d.svc.Replays(t.Context(), "a", w.ID, webhook.ReplayQuery{Limit: 10})
			require.NoError(t, err)
			for _, r := range page.Replays {
				require.Equal(t, webhook.ReplayStopped, r.Status)
				stopped++
			}
		}
		require.Equal(t, 8, stopped)
		_, err = d.Stop(t.Context(), "opj_unknown")
		require.ErrorIs(t, err, webhook.ErrNotFound)
		d.finishReplays()
		require.True(t, d.idle(), "a job that was stopped is not claimed any more")
	})
}
