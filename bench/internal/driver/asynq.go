package driver

import (
	"context"
	"encoding/json"
	"time"

	"github.com/hibiken/asynq"
)

// tasks has one asynq task for each delivery. They are enqueued one by one, because
// asynq knows no batches.
type tasks struct {
	*poster

	spec      Spec
	redis     asynq.RedisClientOpt
	client    *asynq.Client
	addresses addresses
}

type payload struct {
	URL  string `json:"url"`
	Body []byte `json:"body"` // base64, so that the bytes stay as they are
}

const taskType = "webhook"

func newAsynq(s Spec) (*tasks, error) {
	p, err := newPoster(s)
	if err != nil {
		return nil, err
	}
	opt := asynq.RedisClientOpt{Addr: s.Redis[0]}
	return &tasks{poster: p, spec: s, redis: opt, client: asynq.NewClient(opt)}, nil
}

// Register implements [Driver].
func (t *tasks) Register(_ context.Context, endpoints []Endpoint) error {
	t.addresses = newAddresses(endpoints)
	return nil
}

// Publish implements [Driver].
func (t *tasks) Publish(ctx context.Context, merchant string, sent []time.Time) error {
	for _, at := range sent {
		b := body(at)
		for _, url := range t.addresses[merchant] {
			raw, err := json.Marshal(payload{url, b})
			if err != nil {
				return err
			}
			_, err = t.client.EnqueueContext(ctx, asynq.NewTask(taskType, raw), asynq.MaxRetry(3), asynq.Timeout(2*timeout))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// Deliver implements [Driver].
func (t *tasks) Deliver(ctx context.Context) error {
	server := asynq.NewServer(t.redis, asynq.Config{
		Concurrency: t.spec.Concurrency, LogLevel: asynq.FatalLevel, ShutdownTimeout: time.Second,
		RetryDelayFunc: func(int, error, *asynq.Task) time.Duration { return time.Minute },
	})
	err := server.Start(asynq.HandlerFunc(func(ctx context.Context, task *asynq.Task) error {
		var p payload
		if err := json.Unmarshal(task.Payload(), &p); err != nil {
			return err
		}
		return t.post(ctx, p.URL, p.Body)
	}))
	if err != nil {
		return err
	}
	<-ctx.Done()
	server.Shutdown()
	return nil
}

// Close implements [Driver].
func (t *tasks) Close() { _ = t.client.Close() } // The process ends soon.
