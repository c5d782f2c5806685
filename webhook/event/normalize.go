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

// finisher is a payload that is completed when its event is written.
type finisher interface {
	// finish returns the payload with its times as the guide has them, and
	// created for a time that is missing.
	finish(created time.Time) any
}

func (p ChatQueryCompleted) finish(created time.Time) any {
	p.Timestamp = stamp(p.Timestamp, created)
	if p.Recommendations == nil {
		p.Recommendations = []Recommendation{}
	}
	return p
}

func (p ChatQueryFailed) finish(created time.Time) any {
	p.Timestamp = stamp(p.Timestamp, created)
	return p
}

func (p DocumentCreated) finish(created time.Time) any {
	p.Timestamp = stamp(p.Timestamp, created)
	return p
}

func (p DocumentUpdated) finish(created time.Time) any {
	p.Timestamp = stamp(p.Timestamp, created)
	return p
}

func (p DocumentDeleted) finish(created time.Time) any {
	p.Timestamp = stamp(p.Timestamp, created)
	return p
}

func (p UsageLimitApproaching) finish(created time.Time) any {
	p.Timestamp = stamp(p.Timestamp, created)
	p.ResetDate = whole(p.ResetDate)
	return p
}

func (p UsageLimitExceeded) finish(created time.Time) any {
	p.Timestamp = stamp(p.Timestamp, created)
	return p
}

func (p APIKeyExpiring) finish(created time.Time) any {
	p.Timestamp = stamp(p.Timestamp, created)
	p.ExpiresAt = whole(p.ExpiresAt)
	return p
}

func (p WebhookTest) finish(created time.Time) any {
	p.Timestamp = stamp(p.Timestamp, created)
	return p
}

func stamp(t, created time.Time) time.Time {
	if t.IsZero() {
		t = created
	}
	return whole(t)
}

// whole returns t as the guide writes times: in UTC and whole seconds.
func whole(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
