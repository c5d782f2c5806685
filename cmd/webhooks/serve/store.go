package serve

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
	"github.com/redis/go-redis/v9"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/store/redisstore"
	"github.com/rag-assistant/webhooks/store/sqlstore"
)

const (
	inMemory      = "memory"
	sqlitePrefix  = "sqlite:"
	clusterScheme = "redis+cluster"
)

// openStore opens what -store names: see config. With migrate, it prepares a database of
// SQL first.
func openStore(ctx context.Context, address string, migrate bool) (store.Store, func(), error) {
	scheme, _, _ := strings.Cut(address, ":")
	var st store.Store
	var closeStore func()
	var err error
	switch scheme {
	case inMemory:
		return memstore.New(nil), func() {}, nil
	case "postgres", "postgresql", "sqlite":
		st, closeStore, err = openSQL(ctx, address, migrate)
	default:
		st, closeStore, err = openRedis(ctx, address)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("-store: %w", err)
	}
	return st, closeStore, nil
}

func openRedis(ctx context.Context, address string) (store.Store, func(), error) {
	client, err := redisClient(address)
	if err != nil {
		return nil, nil, err
	}
	st, err := redisstore.Open(ctx, client, nil)
	if err != nil {
		_ = client.Close() // The first error says more.
		return nil, nil, err
	}
	return st, func() { _ = client.Close() }, nil
}

// connections is how many a process opens to PostgreSQL at once.
const connections = 16

func openSQL(ctx context.Context, address string, migrate bool) (store.Store, func(), error) {
	driver, dsn := "pgx", address
	if file, ok := strings.CutPrefix(address, sqlitePrefix); ok {
		driver, dsn = "sqlite", "file:"+file+"?_pragma=busy_timeout(5000)&_pragma=synchronous(full)&_txlock=immediate"
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	if migrate {
		err = sqlstore.Migrate(ctx, db, nil)
	}
	var st *sqlstore.Store
	if err == nil {
		st, err = sqlstore.Open(ctx, db, nil)
	}
	if err != nil {
		_ = db.Close() // The first error says more.
		if errors.Is(err, sqlstore.ErrMigrate) {
			err = fmt.Errorf("%w (-migrate does)", err)
		}
		return nil, nil, err
	}
	return st, func() { _ = db.Close() }, nil
}

// checkAddress returns what is wrong with an address, without connecting.
func checkAddress(address string) error {
	scheme, rest, _ := strings.Cut(address, ":")
	switch scheme {
	case inMemory:
		if address != inMemory {
			return errors.New("memory has no address: nothing may stand behind it")
		}
		return nil
	case "postgres", "postgresql":
		if _, err := pgx.ParseConfig(address); err != nil {
			return errPostgres
		}
		return nil
	case "sqlite":
		if rest == "" || strings.ContainsAny(rest, "?#%") {
			return errors.New("sqlite: needs the path of a file, such as sqlite:webhooks.db")
		}
		return nil
	}
	client, err := redisClient(address)
	if err != nil {
		return err
	}
	return client.Close()
}

// Neither quotes the address, which may hold a password.
var (
	errRedis    = errors.New("is not an address of a Redis, such as redis://:password@host:6379/0")
	errPostgres = errors.New("is not an address of a PostgreSQL, such as postgres://user:password@host:5432/database")
)

func redisClient(address string) (redis.UniversalClient, error) {
	scheme, rest, _ := strings.Cut(address, "://")
	switch scheme {
	case "redis", "rediss":
		o, err := redis.ParseURL(address)
		if err != nil {
			return nil, errRedis
		}
		o.ContextTimeoutEnabled = true
		return redis.NewClient(o), nil
	case clusterScheme, clusterScheme + "s":
		o, err := redis.ParseClusterURL(strings.Replace(scheme, clusterScheme, "redis", 1) + "://" + rest)
		if err != nil {
			return nil, errRedis
		}
		o.ContextTimeoutEnabled = true
		return redis.NewClusterClient(o), nil
	}
	return nil, fmt.Errorf("%q is none of memory, postgres://…, sqlite:PATH, redis://… and redis+cluster://…", scheme)
}
