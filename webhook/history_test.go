package webhook_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/event"
)

// sparse has a log of which a filter lets one delivery through on every tenth page.
type sparse struct{ *memstore.Store }

func (sparse) Deliveries(_ context.Context, _, _ string, q store.DeliveryQuery) (page store.DeliveryPage, err error) {
	n, _ := strconv.Atoi(q.Cursor)
	if n%10 == 0 {
		page.Deliveries = []store.Delivery{{ID: fmt.Sprintf("whdel_%d", n/10)}}
	}
	if n < 200 {
		page.Next = strconv.Itoa(n + 1)
	}
	return page, nil
}

func TestDeliveriesOfASparseLog(t *testing.T) {
	t.Parallel()
	svc, err := webhook.NewService(sparse{memstore.New(nil)}, nil)
	require.NoError(t, err)
	ask := func(q webhook.DeliveryQuery) (ids []string, next string) {
		page, err := svc.Deliveries(t.Context(), harness.Merchant, "whk", q)
		require.NoError(t, err)
		for _, d := range page.Deliveries {
			ids = append(ids, d.ID)
		}
		return ids, page.Next
	}
	ids, next := ask(webhook.DeliveryQuery{Limit: 10})
	require.Less(t, len(ids), 10, "one call looks at so much and no more")
	require.NotEmpty(t, next)
	for next != "" {
		var more []string
		more, next = ask(webhook.DeliveryQuery{Limit: 10, Cursor: next})
		ids = append(ids, more...)
	}
	require.Len(t, ids, 21, "and what follows has the others")

	ids, _ = ask(webhook.DeliveryQuery{Limit: 1, Offset: 15})
	require.Equal(t, []string{"whdel_15"}, ids, "an offset is left out whole, however far that is")
}

// cutting cuts all texts of a delivery from one record, as a store may.
type cutting struct {
	*memstore.Store

	record string
}

func (c cutting) Deliveries(context.Context, string, string, store.DeliveryQuery) (store.DeliveryPage, error) {
	r := c.record
	return store.DeliveryPage{Deliveries: []store.Delivery{{EventID: r[:5], EventType: r[5:10], Code: r[10:15], ResponseBody: r[15:20]}}}, nil
}

// TestAListKeepsNoRecords looks where the texts of a list are.
func TestAListKeepsNoRecords(t *testing.T) {
	t.Parallel()
	record := strings.Repeat("x", 1000)
	svc, err := webhook.NewService(cutting{memstore.New(nil), record}, nil)
	require.NoError(t, err)
	page, err := svc.Deliveries(t.Context(), harness.Merchant, "whk", webhook.DeliveryQuery{Limit: 1})
	require.NoError(t, err)
	d := page.Deliveries[0]
	from := uintptr(unsafe.Pointer(unsafe.StringData(record)))
	for name, text := range map[string]string{"event": d.EventID, "type": d.EventType, "code": string(d.Code), "body": d.ResponseBody} {
		require.Equal(t, "xxxxx", text)
		at := uintptr(unsafe.Pointer(unsafe.StringData(text)))
		require.False(t, from <= at && at < from+uintptr(len(record)), name)
	}
}

// endless has deliveries of which no filter lets any through.
type endless struct {
	*memstore.Store

	asked int
}

func (e *endless) Deliveries(context.Context, string, string, store.DeliveryQuery) (store.DeliveryPage, error) {
	e.asked++
	return store.DeliveryPage{Next: "more"}, nil
}

// TestAListEnds asks for what is far behind, and for what is nowhere.
func TestAListEnds(t *testing.T) {
	t.Parallel()
	st := &endless{Store: memstore.New(nil)}
	svc, err := webhook.NewService(st, &webhook.ServiceOptions{InsecurePlaintextSecrets: true})
	require.NoError(t, err)
	reg := harness.Register(t, svc, harness.Merchant, "document.created")
	_, err = svc.Deliveries(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.DeliveryQuery{Limit: 10, Offset: 5, EventType: "document.deleted"})
	require.Contains(t, fields(t, err), "offset")
	require.Equal(t, 256, st.asked)
	page, err := svc.Deliveries(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.DeliveryQuery{Limit: 10, EventType: "document.deleted"})
	require.NoError(t, err)
	require.Equal(t, webhook.DeliveryPage{Next: "more"}, page)
	require.Equal(t, 256+32, st.asked)
}

// TestAListIsShort has an endpoint with much to say.
func TestAListIsShort(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := harness.NewRig(t, nil, nil)
		said := strings.Repeat("日", 1000)
		r.Endpoint.Set(func(harness.Call) (harness.Answer, error) { return harness.Reply(http.StatusTeapot, said), nil })
		reg := r.Register(event.TypeDocumentCreated)
		p := r.Publish()
		harness.Pass(time.Second)
		page, err := r.Svc.Deliveries(t.Context(), harness.Merchant, reg.Webhook.ID, webhook.DeliveryQuery{Limit: 1})
		require.NoError(t, err)
		require.Equal(t, said[:3*200], page.Deliveries[0].ResponseBody)
		require.Equal(t, said, r.Delivery(reg.Webhook.ID, p.Deliveries[0].ID).ResponseBody)
		r.Close()
	})
}
