package verifier_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/webhook/event"
)

func TestVectors(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../signer/testdata/vectors.json")
	require.NoError(t, err)
	type signature struct {
		Name                string
		Secrets, PublicKeys []string
		ID                  string
		Timestamp           int64
		Body                string
		Untimed, Standard   string
	}
	var vectors struct {
		Signatures []signature
		Headers    []struct {
			Name, Of          string
			Untimed, Standard string
			OK                bool
		}
	}
	require.NoError(t, json.Unmarshal(text, &vectors))
	require.NotEmpty(t, vectors.Signatures)
	byName := map[string]signature{}
	check := func(t *testing.T, s signature, untimed, standard string) error {
		t.Helper()
		opts := &verifier.Options{AcceptUntimed: true, PublicKeys: s.PublicKeys, Now: func() time.Time { return time.Unix(s.Timestamp, 0) }}
		secret := ""
		if len(s.Secrets) > 0 {
			secret, opts.OtherSecrets = s.Secrets[0], s.Secrets[1:]
		}
		v := newVerifier(t, secret, opts)
		h := http.Header{}
		if untimed != "" {
			h.Set(signer.HeaderSignature, untimed)
		}
		if standard != "" {
			h.Set(signer.HeaderStandardID, s.ID)
			h.Set(signer.HeaderStandardTimestamp, strconv.FormatInt(s.Timestamp, 10))
			h.Set(signer.HeaderStandardSignature, standard)
		}
		return v.Check(h, []byte(s.Body))
	}
	for _, s := range vectors.Signatures {
		byName[s.Name] = s
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			require.NoError(t, check(t, s, "", s.Standard))
			require.NoError(t, check(t, s, s.Untimed, s.Standard))
			if s.Untimed != "" {
				require.NoError(t, check(t, s, s.Untimed, ""))
			}
		})
	}
	for _, h := range vectors.Headers {
		t.Run(h.Name, func(t *testing.T) {
			t.Parallel()
			err := check(t, byName[h.Of], h.Untimed, h.Standard)
			if h.OK {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, verifier.ErrMismatch)
			}
		})
	}
}

// TestSchemes is the table of the package documentation, each row in all its
// forms.
func TestSchemes(t *testing.T) {
	t.Parallel()
	const absent, wrong, right, stale, part = "absent", "wrong", "right", "stale", "part"
	set := func(h http.Header, untimed, standard, without string) {
		switch untimed {
		case right:
			h.Set(signer.HeaderSignature, untimedHeader(secretA, eventBody))
		case wrong:
			h.Set(signer.HeaderSignature, untimedHeader(secretB, eventBody))
		}
		switch standard {
		case right:
			setStandard(t, h, testTime, eventBody, secretA)
		case stale:
			setStandard(t, h, testTime.Add(-time.Hour), eventBody, secretA)
		case wrong:
			setStandard(t, h, testTime, eventBody, secretB)
		case part:
			setStandard(t, h, testTime, eventBody, secretA)
			h.Del(without)
		}
	}
	missing, mismatch, old := verifier.ErrMissingSignature, verifier.ErrMismatch, verifier.ErrStale
	for _, tt := range []struct {
		standard, untimed string
		require, accept   error
	}{
		{right, right, nil, nil},
		{right, wrong, nil, nil},
		{right, absent, nil, nil},
		{stale, right, old, old},
		{stale, wrong, old, old},
		{stale, absent, old, old},
		{wrong, right, mismatch, mismatch},
		{wrong, wrong, mismatch, mismatch},
		{wrong, absent, mismatch, mismatch},
		{part, right, missing, missing},
		{part, wrong, missing, missing},
		{part, absent, missing, missing},
		{absent, right, missing, nil},
		{absent, wrong, missing, mismatch},
		{absent, absent, missing, missing},
	} {
		t.Run(fmt.Sprintf("standard %s, untimed %s", tt.standard, tt.untimed), func(t *testing.T) {
			t.Parallel()
			for _, without := range []string{signer.HeaderStandardID, signer.HeaderStandardTimestamp, signer.HeaderStandardSignature} {
				h := http.Header{}
				set(h, tt.untimed, tt.standard, without)
				for accept, want := range map[bool]error{false: tt.require, true: tt.accept} {
					v := newVerifier(t, secretA, &verifier.Options{AcceptUntimed: accept, Now: atTestTime})
					err := v.Check(h, []byte(eventBody))
					require.ErrorIs(t, err, want)
					require.Equal(t, want == nil, err == nil)
				}
			}
		})
	}
}

// TestRotation walks through a change of secrets: the sender makes
// X-Webhook-Signature with the new one, and webhook-signature with both.
func TestRotation(t *testing.T) {
	t.Parallel()
	const former, current = secretB, secretA
	during, after := http.Header{}, http.Header{}
	during.Set(signer.HeaderSignature, untimedHeader(current, eventBody))
	after.Set(signer.HeaderSignature, untimedHeader(current, eventBody))
	setStandard(t, during, testTime, eventBody, current, former)
	setStandard(t, after, testTime, eventBody, current)
	for _, tt := range []struct {
		name          string
		secret        string
		others        []string
		during, after bool
	}{
		{"old secret only", former, nil, true, false},
		{"new secret only", current, nil, true, true},
		{"old, then new", former, []string{current}, true, true},
		{"new, then old", current, []string{former}, true, true},
		{"another", secretC, nil, false, false},
		{"another, then old and new", secretC, []string{former, current}, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for _, accept := range []bool{false, true} {
				v := newVerifier(t, tt.secret, &verifier.Options{OtherSecrets: tt.others, AcceptUntimed: accept, Now: atTestTime})
				require.Equal(t, tt.during, v.Check(during, []byte(eventBody)) == nil)
				require.Equal(t, tt.after, v.Check(after, []byte(eventBody)) == nil)
			}
		})
	}
}

func TestTolerance(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		tolerance time.Duration
		sent      time.Duration // relative to now
		ok        bool
	}{
		{"now", 0, 0, true},
		{"five minutes ago", 0, -5 * time.Minute, true},
		{"five minutes and a second ago", 0, -5*time.Minute - time.Second, false},
		{"in five minutes", 0, 5 * time.Minute, true},
		{"in five minutes and a second", 0, 5*time.Minute + time.Second, false},
		{"a minute ago of a second", time.Second, -time.Minute, false},
		{"an hour ago of two", 2 * time.Hour, -time.Hour, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			setStandard(t, h, testTime.Add(tt.sent), eventBody, secretA)
			err := newVerifier(t, secretA, &verifier.Options{Tolerance: tt.tolerance, Now: atTestTime}).Check(h, []byte(eventBody))
			if tt.ok {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, verifier.ErrStale)
			}
		})
	}
	// With a fraction of a second on the clock: exactly the peers' bounds.
	h := http.Header{}
	setStandard(t, h, testTime, eventBody, secretA)
	late := testTime.Add(5*time.Minute + 1)
	v := newVerifier(t, secretA, &verifier.Options{Now: func() time.Time { return late }})
	require.ErrorIs(t, v.Check(h, []byte(eventBody)), verifier.ErrStale)
}

func TestTimestampForms(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, secretA, &verifier.Options{Now: atTestTime})
	unix := strconv.FormatInt(testTime.Unix(), 10)
	for _, timestamp := range []string{
		"", " ", "+" + unix, "-" + unix, "0" + unix, unix + ".0", unix + "e0", "0x690a3fc0", unix + "000", "1_762_257_600",
		unix + "," + unix, "now", testTime.Format(time.RFC3339), "0", "00", "18446744073709551615", "99999999999999999999", unix + "\x00", "１",
	} {
		h := http.Header{}
		setStandard(t, h, testTime, eventBody, secretA)
		h.Set("webhook-timestamp", timestamp)
		err := v.Check(h, []byte(eventBody))
		require.True(t, errors.Is(err, verifier.ErrMismatch), "%q: %v", timestamp, err)
	}
	h := http.Header{}
	setStandard(t, h, testTime, eventBody, secretA)
	h.Set("webhook-timestamp", " "+unix+"\t")
	require.NoError(t, v.Check(h, []byte(eventBody)), "white space around a value is not part of it")
}

func TestHeadersComeOnce(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, secretA, &verifier.Options{Now: atTestTime})
	for _, name := range []string{signer.HeaderStandardID, signer.HeaderStandardTimestamp, signer.HeaderStandardSignature} {
		h := http.Header{}
		setStandard(t, h, testTime, eventBody, secretA)
		require.NoError(t, v.Check(h, []byte(eventBody)))
		h.Add(name, h.Get(name))
		if name != signer.HeaderStandardSignature { // See TestSignatureCutIntoValues.
			require.ErrorIs(t, v.Check(h, []byte(eventBody)), verifier.ErrMismatch, name)
		}
		h.Del(name)
		require.ErrorIs(t, v.Check(h, []byte(eventBody)), verifier.ErrMissingSignature, name)
		h[http.CanonicalHeaderKey(name)] = []string{}
		require.ErrorIs(t, v.Check(h, []byte(eventBody)), verifier.ErrMissingSignature, name)
	}
}

// Adapters of AWS Lambda cut a header at its commas into several values.
func TestSignatureCutIntoValues(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, secretA, &verifier.Options{Now: atTestTime})
	h := http.Header{}
	setStandard(t, h, testTime, eventBody, secretB, secretA)
	two := h.Get(signer.HeaderStandardSignature)
	setStandard(t, h, testTime, eventBody, secretA)
	one := h.Get(signer.HeaderStandardSignature)
	wrong := "v1," + strings.Repeat("A", 43) + "="
	for _, tt := range []struct {
		name   string
		values []string
		want   error
	}{
		{"one, at its comma", strings.Split(one, ","), nil},
		{"two, at their commas", strings.Split(two, ","), nil},
		{"two, at the space", strings.Split(two, " "), nil},
		{"two, at both", strings.FieldsFunc(two, func(r rune) bool { return r == ' ' || r == ',' }), nil},
		{"with white space left", []string{"v1", " " + one[3:] + "\t", "v2", " x"}, nil},
		{"two lines", []string{wrong, one}, nil},
		{"two lines, none right", []string{wrong, wrong}, verifier.ErrMismatch},
		{"an odd piece", []string{"v1", one[3:], "v1"}, nil},
		{"out of step", []string{"x", "v1", one[3:]}, verifier.ErrMismatch},
		{"without its version", []string{one[3:], one[3:]}, verifier.ErrMismatch},
		{"nothing", []string{"", " "}, verifier.ErrMismatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := h.Clone()
			h[http.CanonicalHeaderKey(signer.HeaderStandardSignature)] = tt.values
			err := v.Check(h, []byte(eventBody))
			require.ErrorIs(t, err, tt.want)
			require.Equal(t, tt.want == nil, err == nil)
		})
	}
}

// Of the characters around a value, HTTP lets spaces and tabs go.
func TestOptionalWhiteSpace(t *testing.T) {
	t.Parallel()
	v, good := newVerifier(t, secretA, &verifier.Options{AcceptUntimed: true}), untimedHeader(secretA, eventBody)
	for around, want := range map[string]error{
		" ": nil, "\t \t": nil, "\n": verifier.ErrMismatch, "\r": verifier.ErrMismatch, "\v": verifier.ErrMismatch,
		"\f": verifier.ErrMismatch, "\u00a0": verifier.ErrMismatch, "\u3000": verifier.ErrMismatch, "\x00": verifier.ErrMismatch,
	} {
		for _, value := range []string{around + good, good + around} {
			require.ErrorIs(t, v.Check(http.Header{"X-Webhook-Signature": {value}}, []byte(eventBody)), want, "%q", value)
		}
	}
}

func TestVerify(t *testing.T) {
	t.Parallel()
	v := newVerifier(t, secretA, &verifier.Options{AcceptUntimed: true})
	h := http.Header{}
	h.Set(signer.HeaderSignature, untimedHeader(secretA, eventBody))
	h.Set(signer.HeaderEvent, "webhook.test")
	h.Set("Content-Type", "application/json")
	e, err := v.Verify(h, []byte(eventBody))
	require.NoError(t, err)
	require.Equal(t, event.Event{
		ID: "evt_1", Type: event.TypeWebhookTest, Created: testTime, Data: json.RawMessage(`{"message":"hi"}`),
		Body: []byte(eventBody), ContentType: "application/json",
	}, e)

	h.Set(signer.HeaderEvent, "document.created")
	_, err = v.Verify(h, []byte(eventBody))
	require.ErrorIs(t, err, verifier.ErrEventType)

	h.Set(signer.HeaderSignature, untimedHeader(secretA, "{}"))
	_, err = v.Verify(h, []byte("{}"))
	require.ErrorIs(t, err, event.ErrMalformed)

	h.Set(signer.HeaderSignature, untimedHeader(secretB, eventBody))
	e, err = v.Verify(h, []byte(eventBody))
	require.ErrorIs(t, err, verifier.ErrMismatch, "the signature is judged before the body")
	require.Zero(t, e)
}

func TestMaxAge(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		maxAge time.Duration
		now    time.Duration // relative to the event's creation
		ok     bool
	}{
		{"no limit, a year later", 0, 365 * 24 * time.Hour, true},
		{"no limit, a year before", 0, -365 * 24 * time.Hour, true},
		{"at the limit", time.Hour, time.Hour, true},
		{"beyond the limit", time.Hour, time.Hour + 1, false},
		{"created in five minutes", time.Hour, -5 * time.Minute, true},
		{"created in more than five minutes", time.Hour, -5*time.Minute - 1, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v := newVerifier(t, secretA, &verifier.Options{
				AcceptUntimed: true, MaxAge: tt.maxAge,
				Now: func() time.Time { return testTime.Add(tt.now) },
			})
			h := http.Header{}
			h.Set(signer.HeaderSignature, untimedHeader(secretA, eventBody))
			_, err := v.Verify(h, []byte(eventBody))
			if tt.ok {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, verifier.ErrStale)
			}
		})
	}
}

// TestInterop verifies what the Standard Webhooks library signs.
func TestInterop(t *testing.T) {
	t.Parallel()
	theirs, err := standardwebhooks.NewWebhook(secretA)
	require.NoError(t, err)
	now := time.Now()
	signature, err := theirs.Sign("evt_1", now, []byte(eventBody))
	require.NoError(t, err)
	h := http.Header{}
	h.Set(standardwebhooks.HeaderWebhookID, "evt_1")
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(now.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, signature)
	v := newVerifier(t, secretB, &verifier.Options{OtherSecrets: []string{secretA}})
	require.NoError(t, theirs.Verify([]byte(eventBody), h))
	_, err = v.Verify(h, []byte(eventBody))
	require.NoError(t, err)
	require.ErrorIs(t, v.Check(h, []byte(eventBody+" ")), verifier.ErrMismatch)
}

// TestOtherSenders verifies messages as other senders of Standard Webhooks make them.
func TestOtherSenders(t *testing.T) {
	t.Parallel()
	const body = `{"type":"Contact-Created","data":{"name":"Ada"}}`
	want := event.Event{ID: "evt_1", Type: "Contact-Created", Created: testTime, Data: json.RawMessage(`{"name":"Ada"}`)}
	webhookToSvix := func(h http.Header, names ...string) {
		for _, name := range names {
			h["Svix-"+name] = h["Webhook-"+name]
			delete(h, "Webhook-"+name)
		}
	}
	for _, tt := range []struct {
		name   string
		change func(http.Header)
		now    time.Time
		err    error
	}{
		{"webhook-", func(http.Header) {}, testTime, nil},
		{"svix-", func(h http.Header) { webhookToSvix(h, "Id", "Timestamp", "Signature") }, testTime, nil},
		{"svix-, cut at its comma", func(h http.Header) {
			webhookToSvix(h, "Id", "Timestamp", "Signature")
			h["Svix-Signature"] = strings.Split(h["Svix-Signature"][0], ",")
		}, testTime, nil},
		{"svix-, late", func(h http.Header) { webhookToSvix(h, "Id", "Timestamp", "Signature") }, testTime.Add(time.Hour), verifier.ErrStale},
		{"svix-, without its time", func(h http.Header) {
			webhookToSvix(h, "Id", "Signature")
			h.Del("webhook-timestamp")
		}, testTime, verifier.ErrMissingSignature},
		{"one of each", func(h http.Header) { webhookToSvix(h, "Id") }, testTime, verifier.ErrMissingSignature},
		{"svix- beside wrong ones", func(h http.Header) {
			webhookToSvix(h, "Id", "Timestamp", "Signature")
			setStandard(t, h, testTime, body, secretB)
		}, testTime, verifier.ErrMismatch},
		{"svix-, wrong, beside X-Webhook-Signature", func(h http.Header) {
			webhookToSvix(h, "Id", "Timestamp", "Signature")
			h.Set("svix-id", "evt_2")
			h.Set(signer.HeaderSignature, untimedHeader(secretA, body))
		}, testTime, verifier.ErrMismatch},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			setStandard(t, h, testTime, body, secretA)
			tt.change(h)
			v := newVerifier(t, secretA, &verifier.Options{AcceptUntimed: true, Now: func() time.Time { return tt.now }})
			e, err := v.Verify(h, []byte(body))
			require.ErrorIs(t, err, tt.err)
			if tt.err == nil {
				require.NoError(t, err)
				want := want
				want.Body = []byte(body)
				require.Equal(t, want, e)
			}
		})
	}
	h := http.Header{}
	h.Set(signer.HeaderSignature, untimedHeader(secretA, body))
	_, err := newVerifier(t, secretA, &verifier.Options{AcceptUntimed: true}).Verify(h, []byte(body))
	require.ErrorIs(t, err, event.ErrMalformed, "without the headers there is no id and no time")
}

func TestCheckAllocatesNothing(t *testing.T) { //nolint:paralleltest // AllocsPerRun refuses to run beside others.
	untimed, standard, both := http.Header{}, http.Header{}, http.Header{}
	setStandard(t, standard, testTime, eventBody, secretA)
	setStandard(t, both, testTime, eventBody, secretA)
	untimed.Set(signer.HeaderSignature, untimedHeader(secretA, eventBody))
	both.Set(signer.HeaderSignature, untimedHeader(secretA, eventBody))
	v := newVerifier(t, secretA, &verifier.Options{OtherSecrets: []string{secretB}, AcceptUntimed: true, Now: atTestTime})
	body := []byte(eventBody)
	for name, h := range map[string]http.Header{"untimed": untimed, "standard": standard, "both": both} {
		require.NoError(t, v.Check(h, body))
		require.Zero(t, testing.AllocsPerRun(100, func() { _ = v.Check(h, body) }), name)
	}
	none := http.Header{}
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = v.Check(none, body) }), "missing")
	untimed.Set(signer.HeaderSignature, untimedHeader(secretC, eventBody))
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = v.Check(untimed, body) }), "wrong")
}
