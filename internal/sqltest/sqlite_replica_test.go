//go:build !race

package sqltest_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/sqltest"
	"github.com/rag-assistant/webhooks/store/sqlstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// A program that copies the WAL file as it grows decides itself when the file is emptied:
// the store leaves wal_autocheckpoint as it is, asks for no checkpoint of its own, and keeps
// the file when it is closed while the other has it open.
func TestTheWALIsLeftToAReplicator(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "webhooks.db")
	db, err := sql.Open("sqlite", sqltest.DSN(file)+"&_pragma=wal_autocheckpoint(0)")
	require.NoError(t, err)
	require.NoError(t, sqlstore.Migrate(t.Context(), db, nil))
	st, err := sqlstore.Open(t.Context(), db, nil)
	require.NoError(t, err)
	before := readWAL(t, file)

	svc, err := webhook.NewService(st, &webhook.ServiceOptions{SecretKeys: []webhook.SecretKey{{ID: "k1", Key: [32]byte{1}}}})
	require.NoError(t, err)
	for range 100 {
		_, err := svc.Publish(t.Context(), "merchant_42", event.New(event.DocumentCreated{DocumentID: "doc_1", Title: strings.Repeat("x", 100_000)}))
		require.NoError(t, err)
	}
	var pages int
	require.NoError(t, db.QueryRowContext(t.Context(), "pragma wal_autocheckpoint").Scan(&pages))
	require.Zero(t, pages)
	require.Equal(t, before, readWAL(t, file)[:len(before)], "nobody has emptied it")

	replicator, err := sqltest.SQLiteFile(t, file, 1).BeginTx(t.Context(), &sql.TxOptions{ReadOnly: true})
	require.NoError(t, err)
	defer func() { require.NoError(t, replicator.Rollback()) }()
	var tables int
	require.NoError(t, replicator.QueryRowContext(t.Context(), "select count(*) from sqlite_master").Scan(&tables))
	require.NoError(t, db.Close())
	after := readWAL(t, file)
	require.Greater(t, len(after), 10<<20)
	require.Equal(t, before, after[:len(before)], "what was there to be copied still is")
}

func readWAL(t *testing.T, file string) []byte {
	t.Helper()
	text, err := os.ReadFile(file + "-wal")
	require.NoError(t, err)
	require.NotEmpty(t, text)
	return text
}
