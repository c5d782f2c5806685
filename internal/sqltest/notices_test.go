package sqltest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/sqltest"
	"github.com/rag-assistant/webhooks/store"
)

// A claim of notices takes no more than its limit, also where the planner believes that the
// table has one row and would look for them once for each row that there is.
func TestNoticesOfOneClaim(t *testing.T) {
	t.Parallel()
	s := newShop(t, sqltest.Postgres(t, "pgx"))
	for i := range 5 {
		_, err := s.AddNotice(t.Context(), "m", store.Notice{Kind: store.NoticeWarning, WebhookID: "whk"}, "", "")
		require.NoError(t, err)
		if i == 0 {
			_, err = s.db.ExecContext(t.Context(), "analyze "+s.schema+".notice")
			require.NoError(t, err)
		}
	}
	got, err := s.ClaimNotices(t.Context(), 2, time.Minute)
	require.NoError(t, err)
	require.Len(t, got, 2)
}
