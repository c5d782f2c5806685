package event

import "time"

// EventType returns [TypeChatQueryCompleted].
func (ChatQueryCompleted) EventType() Type { return TypeChatQueryCompleted }

// EventType returns [TypeChatQueryFailed].
func (ChatQueryFailed) EventType() Type { return TypeChatQueryFailed }

// EventType returns [TypeDocumentCreated].
func (DocumentCreated) EventType() Type { return TypeDocumentCreated }

// EventType returns [TypeDocumentUpdated].
func (DocumentUpdated) EventType() Type { return TypeDocumentUpdated }

// EventType returns [TypeDocumentDeleted].
func (DocumentDeleted) EventType() Type { return TypeDocumentDeleted }

// EventType returns [TypeUsageLimitApproaching].
func (UsageLimitApproaching) EventType() Type { return TypeUsageLimitApproaching }

// EventType returns [TypeUsageLimitExceeded].
func (UsageLimitExceeded) EventType() Type { return TypeUsageLimitExceeded }

// EventType returns [TypeAPIKeyExpiring].
func (APIKeyExpiring) EventType() Type { return TypeAPIKeyExpiring }

// EventType returns [TypeWebhookTest].
func (WebhookTest) EventType() Type { return TypeWebhookTest }

// normalizer is a payload that is brought into one form when its event is written.
type normalizer interface {
	// normalize returns the payload with its times in UTC and whole seconds. A
	// missing Timestamp becomes created.
	normalize(created time.Time) any
}

func (p ChatQueryCompleted) normalize(created time.Time) any {
	p.Timestamp = stamp(p.Timestamp, created)
	if p.Recommendations == nil {
		p.Recommendations = []Recommendation{}
	}
	return p
}

func (p ChatQueryFailed) normalize(created time.Time) any {
	p.Timestamp = stamp(p.Timestamp, created)
	return p
}

func (p DocumentCreated) normalize(created time.Time) any {
	p.Timestamp = stamp(p.Timestamp, created)
	return p
}

func (p DocumentUpdated) normalize(created time.Time) any {
	p.Timestamp = stamp(p.Timestamp, created)
	return p
}

func (p DocumentDeleted) normalize(created time.Time) any {
	p.Timestamp = stamp(p.Timestamp, created)
	return p
}

func (p UsageLimitApproaching) normalize(created time.Time) any {
	p.Timestamp = stamp(p.Timestamp, created)
	p.ResetDate = wholeSeconds(p.ResetDate)
	return p
}

func (p UsageLimitExceeded) normalize(created time.Time) any {
	p.Timestamp = stamp(p.Timestamp, created)
	return p
}

func (p APIKeyExpiring) normalize(created time.Time) any {
	p.Timestamp = stamp(p.Timestamp, created)
	p.ExpiresAt = wholeSeconds(p.ExpiresAt)
	return p
}

func (p WebhookTest) normalize(created time.Time) any {
	p.Timestamp = stamp(p.Timestamp, created)
	return p
}

func stamp(t, created time.Time) time.Time {
	if t.IsZero() {
		t = created
	}
	return wholeSeconds(t)
}

// wholeSeconds returns t in UTC, without a fraction.
func wholeSeconds(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
