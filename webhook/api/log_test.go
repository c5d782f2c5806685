package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
)

func try(status int, code webhook.Code, body string) store.Attempt {
	return store.Attempt{Duration: 245 * time.Millisecond, StatusCode: status, Code: string(code), ResponseBody: body}
}

// A delivery shows what is of use in its state, and nothing else.
func TestDeliveryShowsWhatItsStateNeeds(t *testing.T) {
	t.Parallel()
	always := []string{"id", "webhookId", "eventType", "eventId", "status", "attemptCount", "createdAt"}
	for name, c := range map[string]struct {
		results []store.Result
		want    []string
		values  map[string]any
	}{
		"new": {
			want:   []string{"nextAttemptAt"},
			values: map[string]any{"status": "pending", "attemptCount": 0.0},
		},
		"to be tried again": {
			results: []store.Result{{Outcome: store.Retry, Delay: time.Minute, Attempt: try(503, webhook.CodeStatus, "busy")}},
			want:    []string{"statusCode", "responseBody", "lastAttemptAt", "nextAttemptAt"},
			values:  map[string]any{"status": "pending", "attemptCount": 1.0, "statusCode": 503.0, "responseBody": "busy"},
		},
		"success": {
			results: []store.Result{{Outcome: store.Succeeded, Attempt: try(204, "", "fine")}},
			want:    []string{"statusCode", "deliveredAt"},
			values:  map[string]any{"status": "success", "statusCode": 204.0},
		},
		"failed with a status": {
			results: []store.Result{{Outcome: store.Failed, Attempt: try(500, webhook.CodeStatus, "Internal Server Error")}},
			want:    []string{"statusCode", "responseBody", "lastAttemptAt"},
			values:  map[string]any{"status": "failed", "responseBody": "Internal Server Error"},
		},
		"failed with a redirect": {
			results: []store.Result{{Outcome: store.Failed, Attempt: try(302, webhook.CodeRedirect, "")}},
			want:    []string{"statusCode", "error", "lastAttemptAt"},
			values:  map[string]any{"error": "redirect"},
		},
		"failed without an answer": {
			results: []store.Result{{Outcome: store.Failed, Attempt: try(0, webhook.CodeTimeout, "")}},
			want:    []string{"error", "lastAttemptAt"},
			values:  map[string]any{"error": "timeout"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, nil, nil)
				one := hooks + "/" + s.hook(harness.Merchant)
				p := s.published(harness.Merchant)
				for _, r := range c.results {
					s.settle(r)
				}
				var list struct{ Deliveries []map[string]any }
				s.do(http.MethodGet, one+"/deliveries", "").is(http.StatusOK).data(&list)
				require.Len(t, list.Deliveries, 1)
				got := list.Deliveries[0]
				require.ElementsMatch(t, append(c.want, always...), keysOf(got))
				for k, v := range c.values {
					require.Equal(t, v, got[k], k)
				}

				detail := s.do(http.MethodGet, one+"/deliveries/"+p.Deliveries[0].ID, "").is(http.StatusOK).object()
				for k, v := range got {
					require.Equal(t, v, detail[k], "the detail says the same")
				}
				require.Len(t, detail, len(got)+2)
				require.Equal(t, p.EventID, detail["eventId"])
				payload, ok := detail["payload"].(map[string]any)
				require.True(t, ok)
				require.Equal(t, p.EventID, payload["id"])
				attempts, ok := detail["attempts"].([]any)
				require.True(t, ok, "an array, if only an empty one")
				require.Len(t, attempts, len(c.results))
			})
		})
	}
}

func TestDeliveryDetailListsAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil, nil)
		one := hooks + "/" + s.hook(harness.Merchant)
		p := s.published(harness.Merchant)
		s.settle(store.Result{Outcome: store.Retry, Delay: time.Minute, Attempt: try(0, webhook.CodeTLS, "")})
		time.Sleep(time.Minute)
		s.settle(store.Result{Outcome: store.Succeeded, Attempt: try(200, "", "OK")})
		var v struct{ Attempts []map[string]any }
		s.do(http.MethodGet, one+"/deliveries/"+p.Deliveries[0].ID, "").is(http.StatusOK).data(&v)
		require.Equal(t, []map[string]any{
			{"number": 1.0, "at": "2000-01-01T00:00:00Z", "durationMs": 245.0, "error": "tls"},
			{"number": 2.0, "at": "2000-01-01T00:01:00Z", "durationMs": 245.0, "statusCode": 200.0, "responseBody": "OK"},
		}, v.Attempts)
	})
}

func TestDeliveriesFilterAndPage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil, nil)
		id := harness.Register(t, s.svc, harness.Merchant, "*").Webhook.ID
		log := hooks + "/" + id + "/deliveries"
		publish := func(kind string) {
			s.do(http.MethodPost, "/api/merchants/"+harness.Merchant+"/events", `{"type":"`+kind+`","data":{}}`).is(http.StatusAccepted)
			time.Sleep(time.Second)
		}
		publish("document.created")
		s.settle(store.Result{Outcome: store.Succeeded, Attempt: try(200, "", "")})
		publish("document.created")
		s.settle(store.Result{Outcome: store.Failed, Attempt: try(500, webhook.CodeStatus, "")})
		publish("document.deleted")

		type list struct {
			Deliveries []struct{ ID, Status, EventType, CreatedAt string }
			Stats      struct {
				TotalDeliveries, SuccessfulDeliveries, FailedDeliveries, PendingDeliveries int
				AvgAttemptCount                                                            float64
			}
			Pagination map[string]any
		}
		for query, want := range map[string]int{
			"":                            3,
			"?status=success":             1,
			"?status=failed":              1,
			"?status=pending":             1,
			"?eventType=document.created": 2,
			"?eventType=document.created&status=failed":   1,
			"?eventType=gone.from.the_catalog":            0,
			"?since=2000-01-01T00:00:01Z":                 2,
			"?until=2000-01-01T00:00:01Z":                 1,
			"?since=2000-01-01T01:00:01%2B01:00&limit=10": 2,
			"?limit=2":      2,
			"?offset=2":     1,
			"?offset=10000": 0,
			"?limit=1000":   3,
		} {
			var got list
			s.do(http.MethodGet, log+query, "").is(http.StatusOK).data(&got)
			require.Len(t, got.Deliveries, want, query)
			_, counted := got.Pagination["total"]
			require.Equal(t, !strings.ContainsAny(query, "TU") && !strings.Contains(query, "since") && !strings.Contains(query, "until"), counted, query)
			require.Equal(t, 3, got.Stats.TotalDeliveries, "stats are of all")
			require.InDelta(t, 0.67, got.Stats.AvgAttemptCount, 0, "rounded")
		}

		var seen []string
		cursor := ""
		for range 3 {
			var got list
			s.do(http.MethodGet, log+"?limit=1&cursor="+url.QueryEscape(cursor), "").is(http.StatusOK).data(&got)
			require.Len(t, got.Deliveries, 1)
			seen = append(seen, got.Deliveries[0].EventType+" "+got.Deliveries[0].Status)
			cursor = fmt.Sprint(got.Pagination["nextCursor"])
		}
		require.Equal(t, []string{"document.deleted pending", "document.created failed", "document.created success"}, seen)
		require.Equal(t, "<nil>", cursor, "none at the end")
		require.Equal(t, []string{"cursor"}, s.do(http.MethodGet, log+"?cursor=!", "").faults())
	})
}

func TestStatsOfNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	a := s.do(http.MethodGet, hooks+"/"+s.hook(harness.Merchant)+"/deliveries", "").is(http.StatusOK)
	require.Contains(t, a.body, `"deliveries":[]`)
	require.Contains(t, a.body, `"avgAttemptCount":0}`)
}

func TestQueriesAreStrict(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	one := hooks + "/" + s.hook(harness.Merchant)
	numbers := []string{
		"0", "-1", "abc", "1e3", "+5", "%2B5", "05", "1.0", "0x10", "", "%201", "1001", "99999999999999999999", "1&limit=2",
	}
	for _, n := range numbers {
		require.Equal(t, []string{"limit"}, s.do(http.MethodGet, one+"/deliveries?limit="+n, "").faults(), n)
		require.Equal(t, []string{"limit"}, s.do(http.MethodGet, hooks+"?limit="+n, "").faults(), n)
	}
	for query, want := range map[string][]string{
		"offset=-1":                       {"offset"},
		"offset=10001":                    {"offset"},
		"offset=1&cursor=x":               {"offset"},
		"stauts=failed":                   {"stauts"},
		"status=":                         {"status"},
		"status=Failed":                   {"status"},
		"status=failed&status=failed":     {"status"},
		"eventType=":                      {"eventType"},
		"eventType=a%00b":                 {"eventType"},
		"since=yesterday":                 {"since"},
		"since=2025-11-04":                {"since"},
		"since=2025-11-04T12:00:00+01:00": {"since"}, // a plus that was not escaped is a space
		"since=2025-11-04T12:00:00Z&until=2025-11-04T12:00:00Z": {"until"},
		"limit=x&offset=x&status=x&eventType=X&since=x":         {"limit", "offset", "since", "status", "eventType"},
		"limit=%zz": {""},
		"a;b":       {""},
	} {
		require.Equal(t, want, s.do(http.MethodGet, one+"/deliveries?"+query, "").faults(), query)
	}
	for _, flag := range []string{"", "1", "TRUE", "yes", "true&activeOnly=true"} {
		require.Equal(t, []string{"activeOnly"}, s.do(http.MethodGet, hooks+"?activeOnly="+flag, "").faults(), flag)
	}
	require.Equal(t, []string{"wait"}, s.do(http.MethodPost, one+"/test?wait=1", "").faults())
}

func TestTestAnswersAtOnceOrWithTheOutcome(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil, nil)
		one := hooks + "/" + s.hook(harness.Merchant)
		began := time.Now()
		v := s.do(http.MethodPost, one+"/test", "").is(http.StatusAccepted).object()
		require.Zero(t, time.Since(began))
		require.Equal(t, "pending", v["status"])
		require.Equal(t, "webhook.test", v["eventType"])
		require.Regexp(t, `^evt_test_[0-9a-f]{32}$`, v["eventId"])
		s.settle(store.Result{Outcome: store.Succeeded, Attempt: try(200, "", "")})
		v = s.do(http.MethodPost, one+"/test?eventType=document.created", "").is(http.StatusAccepted).object()
		require.Equal(t, "document.created", v["eventType"])
		require.Regexp(t, `^evt_test_[0-9a-f]{32}$`, v["eventId"])
		var sent struct {
			Payload struct {
				ID   string
				Data struct{ DocumentID string }
			}
		}
		s.do(http.MethodGet, fmt.Sprintf("%s/deliveries/%s", one, v["id"]), "").is(http.StatusOK).data(&sent)
		require.Equal(t, v["eventId"], sent.Payload.ID)
		require.NotEmpty(t, sent.Payload.Data.DocumentID)
		require.Equal(t, []string{"eventType"}, s.do(http.MethodPost, one+"/test?eventType=no.such", "").is(http.StatusBadRequest).faults())
		require.Equal(t, []string{"eventType"}, s.do(http.MethodPost, one+"/test?eventType=document.created&detect=true", "").is(http.StatusBadRequest).faults())
		s.settle(store.Result{Outcome: store.Succeeded, Attempt: try(200, "", "")})

		began = time.Now()
		go func() {
			time.Sleep(2 * time.Second)
			s.settle(store.Result{Outcome: store.Failed, Attempt: try(500, webhook.CodeStatus, "no")})
		}()
		v = s.do(http.MethodPost, one+"/test?wait=true", "").is(http.StatusOK).object()
		require.Equal(t, "failed", v["status"])
		require.InDelta(t, 500, v["statusCode"], 0)
		require.Equal(t, "no", v["responseBody"])
		require.Less(t, time.Since(began), 3*time.Second)

		began = time.Now()
		v = s.do(http.MethodPost, one+"/test?wait=true", "{}").is(http.StatusAccepted).object()
		require.Equal(t, "pending", v["status"])
		require.Equal(t, 15*time.Second, time.Since(began).Round(time.Second))
	})
}

func TestRedeliverAndReplayAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, nil, nil)
		one := hooks + "/" + s.hook(harness.Merchant)
		p := s.published(harness.Merchant)
		s.settle(store.Result{Outcome: store.Failed, Attempt: try(500, webhook.CodeStatus, "")})
		for _, c := range []struct {
			body string
			made float64
		}{
			{`{"status":"missed"}`, 0},
			{`{"since":"2000-01-01T00:00:01Z"}`, 0},
			{`{"until":"2000-01-01T00:00:00Z","status":"failed"}`, 0},
			{`{"since":"1999-12-31T00:00:00Z","until":"2000-01-01T00:00:01Z","status":"failed"}`, 1},
			{``, 0}, // It is pending by now.
		} {
			dry := s.do(http.MethodPost, one+"/replay?dryRun=true", c.body).is(http.StatusOK).object()
			begun := s.do(http.MethodPost, one+"/replay", c.body).is(http.StatusAccepted).object()
			require.Equal(t, begun["begunAt"], begun["waitingSince"])
			id, _ := begun["id"].(string)
			harness.FinishReplay(t, s.svc, s.store.(webhook.DispatchStore), one[len(hooks)+1:], id) //nolint:forcetypeassert // as settle
			v := s.do(http.MethodGet, one+"/replays/"+id, "").is(http.StatusOK).object()
			require.Equal(t, "done", v["status"])
			require.NotContains(t, v, "waitingSince")
			require.NotEmpty(t, v["endedAt"])
			require.Equal(t, map[string]any{"events": v["events"], "deliveries": c.made, "dryRun": true}, dry, c.body)
			require.Equal(t, c.made, v["deliveries"], c.body)
			require.Equal(t, v, s.do(http.MethodPost, one+"/replays/"+id+"/stop", "").is(http.StatusOK).object(), "it is over")
		}
		require.Len(t, s.do(http.MethodGet, one+"/replays", "").is(http.StatusOK).object()["replays"], 5)
		page := s.do(http.MethodGet, one+"/replays?limit=4", "").is(http.StatusOK).object()
		next, _ := page["nextCursor"].(string)
		require.Len(t, s.do(http.MethodGet, one+"/replays?limit=4&cursor="+next, "").is(http.StatusOK).object()["replays"], 1)
		require.Equal(t, []string{"limit", "x"}, s.do(http.MethodGet, one+"/replays?limit=0&x=1", "").faults())
		require.Equal(t, []string{"cursor"}, s.do(http.MethodGet, one+"/replays?cursor=none", "").faults())

		v := s.do(http.MethodPost, one+"/deliveries/"+p.Deliveries[0].ID+"/redeliver", "").is(http.StatusAccepted).object()
		require.Equal(t, p.EventID, v["eventId"])
		require.Equal(t, "pending", v["status"])
		require.NotEqual(t, p.Deliveries[0].ID, v["id"])
		require.NotContains(t, v, "broughtForward")
		for range store.MaxEnqueued - 2 { // One was made by the replay.
			s.do(http.MethodPost, one+"/deliveries/"+p.Deliveries[0].ID+"/redeliver", "").is(http.StatusAccepted)
		}
		pending := s.do(http.MethodPost, fmt.Sprint(one, "/deliveries/", v["id"], "/redeliver"), "").is(http.StatusAccepted).object()
		require.Equal(t, true, pending["broughtForward"])
		require.Equal(t, v["id"], pending["id"])
		refused := s.do(http.MethodPost, one+"/deliveries/"+p.Deliveries[0].ID+"/redeliver", "").is(http.StatusConflict).refusal()
		require.Equal(t, "resent_too_often", refused.Code)
		require.Contains(t, refused.Message, fmt.Sprintf(" %d times.", webhook.MaxRedeliveries))

		for body, want := range map[string][]string{
			`{"status":"all","since":1,"until":"x","from":1}`:                 {"since", "until", "status", "from"},
			`{"since":"2025-11-04T12:00:00Z","until":"2025-11-04T12:00:00Z"}`: {"until"},
		} {
			require.Equal(t, want, s.do(http.MethodPost, one+"/replay", body).faults(), body)
		}
	})
}
