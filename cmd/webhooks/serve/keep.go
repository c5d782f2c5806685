package serve

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook"
)

// Without -store, this process keeps its state in the working directory, and without
// -secret-key it makes one once.
const (
	ownStore = "webhooks.db"
	ownKey   = "webhooks.key"
)

// open opens the store. Where nothing says what seals secrets, it sees to that first.
func (c *config) open(ctx context.Context, log *slog.Logger) (store.Store, func(), error) {
	if c.own && len(c.service.SecretKeys) == 0 {
		keys, err := ownKeys(ctx, ".", log)
		if err != nil {
			return nil, nil, err
		}
		c.service.SecretKeys, c.dispatcher.SecretKeys = keys, keys
	}
	st, closeStore, err := openStore(ctx, c.store, c.migrate)
	if err != nil && c.own {
		err = elsewhere(err)
	}
	return st, closeStore, err
}

// elsewhere says what else there is when the working directory does not do.
func elsewhere(err error) error {
	return fmt.Errorf("without -store, state is kept in the working directory: %w; name another place with -store, or try with -store memory, which ends with the process", err)
}

// ownKeys reads the keys that seal secrets from a directory, and makes one if there is
// no state yet.
func ownKeys(ctx context.Context, dir string, log *slog.Logger) ([]webhook.SecretKey, error) {
	file := filepath.Join(dir, ownKey)
	keys, err := readKeys(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	if _, lost := os.Stat(filepath.Join(dir, ownStore)); lost == nil {
		// The key is made first. So of two processes that start here at once, one may have
		// made both since readKeys looked.
		if keys, err = readKeys(file); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s is missing, and nothing else opens the secrets in %s: bring it back, or give -secret-key", ownKey, ownStore)
		}
		return keys, err
	}
	made, err := makeKey(file)
	if err != nil {
		return nil, elsewhere(err)
	}
	if made {
		log.WarnContext(ctx, "made a key that seals the secrets of webhooks: keep a copy of it, apart from the state, which is worth nothing without it",
			slog.String("key", ownKey), slog.String("state", ownStore))
	}
	return readKeys(file)
}

// readKeys reads a file of keys, in the form of -secret-key. It fails with
// [fs.ErrNotExist] if there is none.
func readKeys(file string) ([]webhook.SecretKey, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%s can be used by others than its owner: chmod 600 %s", ownKey, file)
	}
	text, err := secretIn(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: bring it back, or give -secret-key", ownKey, err)
	}
	keys, err := secretKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged: it %w; bring it back, or give -secret-key", ownKey, err)
	}
	return keys, nil
}

// makeKey makes a file with a new key and reports whether it did. One that is there
// stays. The file appears whole or not at all, so whoever else starts here finds it
// complete.
func makeKey(file string) (made bool, err error) {
	var key [32]byte
	_, _ = rand.Read(key[:])                                     // Never fails.
	f, err := os.CreateTemp(filepath.Dir(file), "."+ownKey+"-*") // with O_EXCL and mode 0600
	if err != nil {
		return false, err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.WriteString("k1:" + base64.StdEncoding.EncodeToString(key[:]) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return false, err
	}
	err = os.Link(f.Name(), file)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

// secretKeys reads keys with commas between them, the first of which seals.
func secretKeys(text string) (keys []webhook.SecretKey, err error) {
	for part := range strings.SplitSeq(text, ",") {
		key, wrong := secretKey(part)
		keys, err = append(keys, key), errors.Join(err, wrong)
	}
	return keys, err
}
