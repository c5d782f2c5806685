package webhook

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/event"
	"github.com/rag-assistant/webhooks/webhook/internal/id"
	"github.com/rag-assistant/webhooks/webhook/internal/jcs"
	"github.com/rag-assistant/webhooks/webhook/internal/once"
	"github.com/rag-assistant/webhooks/webhook/internal/shape"
)

// MaxBody is the largest canonical event in bytes, and the largest body that an
// [event.Shape] may make of one. Express refuses bodies over 100 KiB unless it is told
// otherwise, so smaller is kinder.
const MaxBody = jcs.MaxSize

// Publish stores e and makes a delivery for each active webhook of the merchant
// that subscribes to its type, all in one step. When it returns nil, the event
// will be delivered at least once to each of them, in no order, but for those that miss
// it because too many deliveries wait for them already: see [Publication].Missed.
//
// An empty ID gets a new one, an empty Created the present. An event is
// published once per merchant: the same ID with the same content again answers
// the first result with Duplicate set, and with other content [ErrConflict]. Two
// events have the same content if type and data are equal JSON, and Created too
// where the caller set it. What is sent is made once, by the [event.Shape] of the catalog
// if there is one; an event that it fails on is an [*InvalidError].
func (s *Service) Publish(ctx context.Context, merchantID string, e event.Event) (Publication, error) {
	out, err := s.PublishBatch(ctx, merchantID, []event.Event{e})
	if err != nil {
		return Publication{}, err
	}
	return out[0], nil
}

// PublishBatch publishes several events in one round trip to the store. The
// answers are in their order. All events are checked before any is stored. Each
// one is stored whole or not at all; after an error, publishing the same events
// again is safe if they have IDs.
//
// An event that conflicts fails the call with [ErrConflict] after the others
// were published.
func (s *Service) PublishBatch(ctx context.Context, merchantID string, events []event.Event) ([]Publication, error) {
	return s.PublishTo(ctx, s.store, merchantID, events...)
}

// PublishTo is [Service.PublishBatch] through another Publisher than the service's
// own store, such as one that writes in a transaction of the host's database, so that
// the event is committed with what it is about, or not at all. What such a Publisher
// takes is Deferred: see [Publication]. Neither a refused event nor [ErrConflict] ends
// the transaction.
func (s *Service) PublishTo(ctx context.Context, p store.Publisher, merchantID string, events ...event.Event) ([]Publication, error) {
	if err := checkMerchant(merchantID); err != nil {
		return nil, err
	}
	var bad faults
	rows := make([]store.NewEvent, len(events))
	for i, e := range events {
		row, err := s.newEvent(ctx, e)
		if err != nil {
			refused, ok := errors.AsType[*InvalidError](err)
			if !ok {
				return nil, fmt.Errorf("webhook: publish: %w", err)
			}
			for _, f := range refused.Faults {
				if len(events) > 1 {
					f.Path = fmt.Sprintf("[%d].%s", i, f.Path)
				}
				bad = append(bad, f)
			}
		}
		rows[i] = row
	}
	if err := invalidIf(bad); err != nil {
		return nil, err
	}
	if len(rows) == 0 {
		return nil, nil
	}
	return s.publish(ctx, p, merchantID, rows)
}

func (s *Service) publish(ctx context.Context, p store.Publisher, merchantID string, rows []store.NewEvent) ([]Publication, error) {
	answers, err := s.hand(ctx, p, merchantID, rows)
	if err != nil {
		return nil, err
	}
	out := make([]Publication, len(rows))
	var conflicts []error
	for i, row := range rows {
		a := answers[i]
		out[i] = Publication{EventID: row.ID, Duplicate: a.Duplicate, Deferred: a.Deferred, Missed: a.Missed}
		for _, d := range a.Deliveries {
			out[i].Deliveries = append(out[i].Deliveries, PublishedDelivery(d))
		}
		if a.Conflict {
			conflicts = append(conflicts, fmt.Errorf("webhook: publish %s: %w", row.ID, ErrConflict))
		}
	}
	return out, errors.Join(conflicts...)
}

// hand gives events to a Publisher, and tells the observer and crowded webhooks' owners.
func (s *Service) hand(ctx context.Context, p store.Publisher, merchantID string, rows []store.NewEvent) ([]store.Published, error) {
	ctx, stored := s.observer.publishing(ctx, publishingInfo(merchantID, rows))
	if trace := s.observer.trace(ctx); trace != "" {
		for i := range rows {
			rows[i].Trace = cmp.Or(rows[i].Trace, trace)
		}
	}
	answers, err := p.Publish(ctx, merchantID, rows)
	if err == nil && len(answers) != len(rows) {
		err = errAnswers
	}
	stored(err)
	if err != nil {
		return nil, fmt.Errorf("webhook: publish: %w", err)
	}
	told := 0
	for i, row := range rows {
		a := answers[i]
		if a.Conflict || a.Deferred {
			continue
		}
		s.observer.published(ctx, PublishedInfo{
			MerchantID: merchantID, EventID: row.ID, EventType: row.Type,
			Deliveries: len(a.Deliveries), Missed: len(a.Missed), Duplicate: a.Duplicate, Bytes: shape.Size(row.Body),
		})
		s.log.LogAttrs(ctx, slog.LevelDebug, "webhook event published",
			slog.String("merchant_id", merchantID), slog.String("event_id", row.ID), slog.String("event_type", row.Type),
			slog.Int("deliveries", len(a.Deliveries)), slog.Int("missed", len(a.Missed)), slog.Bool("duplicate", a.Duplicate))
		for _, webhookID := range a.Missed {
			if told < maxTold {
				told++
				s.tellCrowded(ctx, merchantID, webhookID)
			}
		}
	}
	return answers, nil
}

func publishingInfo(merchantID string, rows []store.NewEvent) PublishingInfo {
	i := PublishingInfo{MerchantID: merchantID, Events: len(rows), EventType: rows[0].Type, Test: rows[0].Test != ""}
	if len(rows) == 1 {
		i.EventID = rows[0].ID
	}
	for _, row := range rows {
		i.Bytes += shape.Size(row.Body)
		if row.Type != i.EventType {
			i.EventType = ""
		}
	}
	return i
}

// CheckEvent reports what [Service.Publish] would refuse.
func (s *Service) CheckEvent(e event.Event) []Fault {
	_, err := s.newEvent(context.Background(), e)
	if refused, ok := errors.AsType[*InvalidError](err); ok {
		return refused.Faults
	}
	return nil
}

// newEvent checks e and writes it as it is stored.
func (s *Service) newEvent(ctx context.Context, e event.Event) (store.NewEvent, error) {
	return s.newEventAt(ctx, e, s.now())
}

// newEventAt is newEvent at another time than the present.
func (s *Service) newEventAt(ctx context.Context, e event.Event, now time.Time) (store.NewEvent, error) {
	var bad faults
	if e.ID == "" {
		e.ID = once.ID(ctx, "evt_")
	} else if !id.Valid(e.ID) {
		bad.add("id", FaultWrong, "must be 1 to 64 letters, digits, '-' or '_'")
	}
	entry, known := s.catalog.Lookup(e.Type)
	switch {
	case !known:
		bad.add("type", FaultUnknownType, "is not in the catalog of event types")
	case !entry.Subscribable():
		bad.add("type", FaultWrong, "is sent on request only and cannot be published")
	}
	if err := invalidIf(bad); err != nil {
		return store.NewEvent{}, err
	}
	chosen := !e.Created.IsZero()
	if !chosen {
		e.Created = now
	}
	body, err := canonical(e)
	if err != nil {
		return store.NewEvent{}, err
	}
	same := body
	if !chosen {
		if same, err = timeless(e, body); err != nil {
			return store.NewEvent{}, err
		}
	}
	sum := sha256.Sum256(same)
	text, err := s.shaper().text(body)
	if err != nil {
		return store.NewEvent{}, err
	}
	return store.NewEvent{
		ID: e.ID, Type: string(e.Type), Body: text, Fingerprint: hex.EncodeToString(sum[:16]), MaxPending: s.limits.Pending,
	}, nil
}

// timeless returns the part of an event that must be equal when it is published
// again. It leaves out a time that the service has set, because a caller that repeats
// the call gets another.
func timeless(e event.Event, body []byte) ([]byte, error) {
	if _, typed := e.Data.(event.Payload); typed {
		e.Created = time.Unix(0, 0) // The time is in the data too.
		return canonical(e)
	}
	_, rest, _ := bytes.Cut(body, []byte(`","data":`)) // Behind the time, which sorts first.
	return rest, nil
}

// Await waits until a delivery has ended or ctx has, and returns it as it is
// then. It asks the store again and again, at first every 10 ms, later up to
// every 250 ms; the end of ctx is not an error.
func (s *Service) Await(ctx context.Context, merchantID, webhookID, deliveryID string) (Delivery, error) {
	if err := checkIDs(merchantID, webhookID, deliveryID); err != nil {
		return Delivery{}, err
	}
	pause := 10 * time.Millisecond
	timer := time.NewTimer(pause)
	defer timer.Stop()
	for {
		d, err := s.look(ctx, merchantID, webhookID, deliveryID)
		if err != nil || d.Status != DeliveryPending {
			return d, err
		}
		select {
		case <-ctx.Done():
			return d, nil
		case <-timer.C:
			pause = min(pause*5/4, 250*time.Millisecond)
			timer.Reset(pause)
		}
	}
}

// look reads a delivery even if ctx has ended, within a short time.
func (s *Service) look(ctx context.Context, merchantID, webhookID, deliveryID string) (Delivery, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	d, err := s.delivery(ctx, merchantID, webhookID, deliveryID)
	if err != nil {
		return Delivery{}, err
	}
	return newDelivery(&d), nil
}

func (s *Service) delivery(ctx context.Context, merchantID, webhookID, deliveryID string) (store.Delivery, error) {
	d, err := s.store.Delivery(ctx, merchantID, webhookID, deliveryID)
	if err != nil {
		return store.Delivery{}, fmt.Errorf("webhook: read delivery: %w", err)
	}
	return d, nil
}

func (s *Service) shaper() shaper { return shaper{s.catalog.Shape(), s.reserved, s.log} }

// tellCrowded tells the owner of a webhook that it misses events, once a day over all
// processes. If that fails, the event is published all the same, and a later one tries again.
func (s *Service) tellCrowded(ctx context.Context, merchantID, webhookID string) {
	now := s.now()
	if !s.crowded.due(merchantID, webhookID, now) {
		return
	}
	w, err := s.store.Webhook(ctx, merchantID, webhookID)
	if err != nil {
		return
	}
	m := parseMark(w.Mark)
	if !m.crowded.IsZero() && now.Sub(m.crowded) < crowdedPause {
		return
	}
	m.crowded = now
	n := store.Notice{Kind: store.NoticeCrowded, WebhookID: webhookID, URL: w.URL, Since: now}
	_, _ = s.store.AddNotice(ctx, merchantID, n, w.Mark, m.String())
}
