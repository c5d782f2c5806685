package sqlstore

import (
	"context"

	"github.com/rag-assistant/webhooks/store"
)

// result is what finish_1 reads of a result.
type result struct {
	WH       int64  `json:"wh"`
	ID       int64  `json:"id"`
	Merchant string `json:"m"`
	Webhook  string `json:"w"`
	Token    int64  `json:"token"`
	Outcome  string `json:"outcome"`
	Delay    int64  `json:"delay"`
	Fault    bool   `json:"fault"`
	Hold     int64  `json:"hold"`
	Duration int64  `json:"duration"`
	Status   int    `json:"status"`
	Code     string `json:"code"`
	Answer   string `json:"answer"`
	Exchange []byte `json:"exchange,omitempty"`
	Streak   int    `json:"streak"`
	After    int    `json:"after"`
	Failing  int64  `json:"failing"`
	Reason   string `json:"reason"`
}

func (s *postgres) result(r *store.Result) result {
	at := s.placeOf(r.DeliveryID)
	return result{
		WH: at.wh, ID: at.id, Merchant: encode(r.MerchantID), Webhook: encode(r.WebhookID), Token: r.Token,
		Outcome: string(r.Outcome), Delay: max(r.Delay, 0).Milliseconds(), Fault: r.Fault, Hold: max(r.Hold, 0).Milliseconds(),
		Duration: r.Attempt.Duration.Milliseconds(), Status: r.Attempt.StatusCode, Code: encode(r.Attempt.Code), Answer: encode(r.Attempt.ResponseBody),
		Exchange: []byte(r.Attempt.Exchange),
		Streak:   int(r.Streak), After: r.DisableAfter, Failing: r.DisableAfterFailingFor.Milliseconds(), Reason: encode(r.DisableReason),
	}
}

func (s *postgres) finish(ctx context.Context, results []store.Result) (out []store.Finished, err error) {
	err = insist(ctx, func() error {
		out, err = s.finishOnce(ctx, results)
		return err
	})
	return out, err
}

func (s *postgres) finishOnce(ctx context.Context, results []store.Result) ([]store.Finished, error) {
	list := make([]result, len(results))
	for i := range results {
		list[i] = s.result(&results[i])
	}
	out := make([]store.Finished, 0, len(results))
	err := s.each(ctx, s.db, "finish", func(r scan) error {
		var f store.Finished
		var disabled, active *bool
		var streak *int
		var failing, disablings *int64
		var mark *string
		if err := r(&f.State, &disabled, &active, &streak, &failing, &disablings, &mark); err != nil {
			return err
		}
		f.Disabled = disabled != nil && *disabled
		if active != nil {
			f.Standing = &store.Standing{
				Active: *active, ConsecutiveFailures: *streak, FailingSince: stamp(*failing), Disablings: *disablings, Mark: decode(*mark),
			}
		}
		out = append(out, f)
		return nil
	}, s.now(), marshal(list))
	return out, err
}
