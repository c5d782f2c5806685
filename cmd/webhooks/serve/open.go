package serve

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
)

// State says where the state of a service lives, in the words of its flags. What is empty is
// taken from the same variables, and from the same files in the working directory.
type State struct {
	Store     string   // -store
	SecretKey []string // -secret-key
	Migrate   bool     // -migrate; without it, nothing is made where there is nothing
}

// Open opens the store of a service, beside the service or without it. The keys are those
// that open its secrets, the first of which seals; a store in memory may have none. The
// function closes the store.
func (s State) Open(ctx context.Context, log *slog.Logger) (store.Store, []webhook.SecretKey, func(), error) {
	c, err := s.config()
	if err != nil {
		return nil, nil, nil, err
	}
	if _, missing := os.Stat(ownStore); c.own && !c.migrate && missing != nil {
		return nil, nil, nil, fmt.Errorf("there is no %s in the working directory: name the store with -store", ownStore)
	}
	st, closeStore, err := c.open(ctx, log)
	return st, c.service.SecretKeys, closeStore, err
}

// SecretKeys reads keys as -secret-key takes them: id:base64 of 32 bytes, with commas
// between several. No error quotes them.
func SecretKeys(text string) ([]webhook.SecretKey, error) { return secretKeys(text) }

func (s State) config() (*config, error) {
	c := &config{}
	var bad []error
	fs := flag.NewFlagSet("store", flag.ContinueOnError)
	c.storageFlags(fs, &bad)
	given := map[string][]string{"secret-key": s.SecretKey}
	if s.Store != "" {
		given["store"] = []string{s.Store}
	}
	if s.Migrate {
		given["migrate"] = []string{"true"}
	}
	for name, values := range given {
		for _, value := range values {
			bad = append(bad, fs.Set(name, value))
		}
	}
	bad = append(bad, fromEnvironment(fs), c.place())
	if err := errors.Join(bad...); err != nil {
		return nil, err
	}
	return c, c.sealed()
}
