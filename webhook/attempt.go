package webhook

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/store"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/internal/jcs"
	"github.com/rag-assistant/webhooks/webhook/internal/shape"
	"github.com/rag-assistant/webhooks/webhook/internal/vault"
)

// try makes one attempt of a delivery, whatever happens on the way.
func (r *run) try(ctx context.Context, c claimed) settled {
	s := newSettled(c)
	if c.Reclaims >= r.opts.MaxReclaims {
		r.giveUp(&s, c)
		return s
	}
	var ok bool
	if c.message, ok = shape.Unpack(c.Body); !ok {
		r.logger(&c.Lease).ErrorContext(ctx, "webhook event damaged; what is stored of it is not what was published, so it is not sent", slog.Int("bytes", len(c.Body)))
		s.end(CodeDamaged)
		return s
	}
	// A process that was stopped in between may hold a lease that has ended. An
	// attempt takes at most the time of two posts: see post.
	if r.late(ctx, c, r.opts.AttemptTimeout*5/2) {
		s.result.Outcome, s.result.Delay = store.Released, time.Second
		return s
	}
	var resp egress.Response
	var refused *egress.Error
	outer := ctx
	ctx, ended := r.opts.Observer.attempting(ctx, s.info.AttemptInfo)
	defer func() { ended(s.info.AttemptInfo) }()
	c.added, c.sent = r.added(ctx, s.info.AttemptInfo), new(http.Header)
	if r.late(ctx, c, r.opts.AttemptTimeout*2) {
		s.result.Outcome, s.result.Delay = store.Released, time.Second
		return s
	}
	if r.outage.lasts.Load() && !c.probe {
		r.waive(&s, probePause)
		return s
	}
	began := time.Now()
	var err error
	for tries := 1; ; tries++ {
		err = r.contain("attempt", &c.Lease, func() (err error) {
			resp, err = r.post(ctx, c)
			return err
		})
		if !egress.Exhausted(err) {
			break
		}
		r.makeRoom(ctx, err)
		if ctx.Err() != nil || tries == exhaustedTries || r.late(ctx, c, r.opts.AttemptTimeout*2) {
			r.waive(&s, exhaustedTries*exhaustedPause)
			return s
		}
		began = time.Now()
	}
	if r.exhausted.Load() && r.exhausted.Swap(false) {
		r.trouble(ctx, "sockets", nil)
	}
	// What the endpoint did wrong is no failure of this side.
	if refused, _ = errors.AsType[*egress.Error](err); refused != nil {
		err = nil
	} else if err != nil && !isCanceled(err) {
		r.logFailure(ctx, &c.Lease, err)
	}
	s.info.Duration = time.Since(began)
	switch {
	case outer.Err() != nil && (err != nil || refused != nil):
		s.result.Outcome = store.Released // Cut short by the stop: nobody's fault.
		return s
	case refused != nil:
		s.info.Code, s.info.Cause = Code(refused.Code), causeOf(refused)
		r.failed(&s, c, "")
		s.suspect = refused.Suspect()
		s.heard = !s.suspect && (refused.Code == egress.CodeTLS || refused.Code == egress.CodeConnect || refused.Code == egress.CodeBadResponse)
	case err == nil && doubted(resp, nil) && r.skewed.Load() && !c.Test:
		r.waive(&s, maxSkew)
		return s
	case err == nil:
		s.heard = true
		r.grade(&s, c, resp)
	default:
		s.info.Code = CodeInternal
		if errors.Is(err, vault.ErrUnsealed) {
			s.info.Code = CodeSecretLost
		}
		s.result.Outcome, s.result.Fault = store.Released, true
		s.result.Delay = min(time.Minute<<min(c.Reclaims, 6), time.Hour)
	}
	s.result.Attempt = store.Attempt{
		Duration: s.info.Duration, StatusCode: s.info.StatusCode, Code: string(s.info.Code), ResponseBody: resp.Body,
		Exchange: r.exchange(&c, resp.Header),
	}
	r.opts.Observer.attempted(ctx, s.info.AttemptInfo)
	return s
}

// late reports whether the lease ends before an attempt of the given length would.
func (r *run) late(ctx context.Context, c claimed, attempt time.Duration) bool {
	age := time.Since(c.at)
	if age <= r.opts.Lease-attempt {
		return false
	}
	r.opts.Logger.WarnContext(ctx, "webhook lease is too old to use: store or host is slow, the process was stopped, or Lease is short",
		slog.Duration("age", age), slog.Duration("lease", r.opts.Lease))
	return true
}

// grade turns a status into a result.
func (r *run) grade(s *settled, c claimed, resp egress.Response) {
	s.info.StatusCode = resp.StatusCode
	switch resp.StatusCode / 100 {
	case 2:
		s.result.Outcome = store.Succeeded
		if !c.Test {
			s.result.Streak = store.StreakReset
		}
		return
	case 3:
		s.info.Code = CodeRedirect
	default:
		s.info.Code = CodeStatus
	}
	wish := ""
	if resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode == http.StatusServiceUnavailable {
		wish = resp.RetryAfter
	}
	r.failed(s, c, wish)
	if resp.StatusCode == http.StatusGone && r.opts.DisableOnGone && !r.opts.NeverDisable && !c.Test {
		s.result.Outcome, s.result.Delay, s.result.Streak = store.Failed, 0, store.StreakExtend
		s.result.DisableAfter, s.result.DisableAfterFailingFor, s.result.DisableReason = 1, 0, string(ReasonGone)
	}
}

// failed decides whether there is another attempt, and what the failure means
// for the webhook.
func (r *run) failed(s *settled, c claimed, retryAfter string) {
	delay, again := r.opts.Retry.Next(s.info.Number, c.DeliveryID)
	if wish, ok := retry.ParseRetryAfter(retryAfter, time.Now()); ok {
		delay = r.opts.Retry.Extend(delay, wish)
		if !c.Test { // The receiver means all that comes, and a test changes nothing.
			s.result.Hold = r.opts.Retry.Extend(0, wish)
		}
	}
	s.result.Outcome = store.Failed
	if again && !c.Test {
		s.result.Outcome, s.result.Delay = store.Retry, delay
	}
	if c.Test {
		return
	}
	if s.result.Outcome == store.Retry && !r.opts.CountAttempts {
		s.result.Streak = store.StreakTry
		return
	}
	s.result.Streak = store.StreakExtend
	if !r.opts.NeverDisable {
		s.result.DisableAfter, s.result.DisableAfterFailingFor = r.opts.DisableAfter, r.opts.DisableAfterFailingFor
		s.result.DisableReason = string(ReasonFailures)
	}
}

// giveUp ends a delivery that never gets as far as a result.
func (r *run) giveUp(s *settled, c claimed) {
	code := CodeInternal
	if _, err := r.signers(&c.Lease); errors.Is(err, vault.ErrUnsealed) {
		code = CodeSecretLost
	}
	s.end(code)
}

// end is the result of what is not sent, and never will be.
func (s *settled) end(code Code) {
	s.info.Code, s.result.Outcome, s.result.Attempt.Code = code, store.Failed, string(code)
}

// post signs and sends. The untimed signature is that of one secret. A receiver that
// refuses it may verify with another: the old one within the grace of a
// rotation, the one of a rotation since the claim, or the new one to which it
// switched between two posts. So it is asked at most twice more, in the time of two
// posts.
func (r *run) post(ctx context.Context, c claimed) (egress.Response, error) {
	whole := time.Now().Add(2 * r.opts.AttemptTimeout)
	set, err := r.signers(&c.Lease)
	if err != nil {
		return egress.Response{}, err
	}
	if c.Forged {
		if set, err = set.Forge(); err != nil {
			return egress.Response{}, err
		}
		return r.postOnce(ctx, c, &set, set.Current, c.message.Body)
	}
	body := c.message.Body // Of a test, that is what is sent: see Service.Detect.
	if !c.Test {
		body = encoded(c.message, jcs.Encoding(c.Encoding))
	}
	resp, err := r.postOnce(ctx, c, &set, set.Current, body)
	if !doubted(resp, err) {
		return resp, err
	}
	ctx, cancel := context.WithDeadline(ctx, whole)
	defer cancel()
	// What Standard Webhooks lists was made with all secrets at once.
	two := set.Previous != nil && r.opts.Wire.Signature != ""
	if two {
		if resp, err = r.postOnce(ctx, c, &set, set.Previous, body); !doubted(resp, err) {
			return resp, err
		}
	}
	if !r.rotated(ctx, &c.Lease) && !two {
		return resp, nil
	}
	if set, err = r.signers(&c.Lease); err != nil {
		return egress.Response{}, err
	}
	return r.postOnce(ctx, c, &set, set.Current, body)
}

// doubted reports whether a receiver may have found the signature wrong.
func doubted(resp egress.Response, err error) bool {
	return err == nil && (resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden)
}

// rotated brings the secrets of a lease up to date and reports whether they have
// changed. If the store cannot say, they stay as they are.
func (r *run) rotated(ctx context.Context, l *store.Lease) bool {
	var w store.Webhook
	err := r.call(ctx, "read webhook", func(ctx context.Context) (err error) {
		w, err = r.store.Webhook(ctx, l.MerchantID, l.WebhookID)
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrDamaged) {
			w.Secret, err = l.Secret, nil // Deleted since, or nobody can say.
		}
		return err
	})
	if err != nil || w.Secret == l.Secret {
		return false
	}
	l.Secret, l.PreviousSecret = w.Secret, w.PreviousSecret
	return true
}

// postOnce sends one request. All secrets sign the Standard Webhooks header; the
// untimed signature is made with the given one.
func (r *run) postOnce(ctx context.Context, c claimed, set *vault.Set, untimed *signer.Signer, body []byte) (egress.Response, error) {
	now := time.Now()
	var buf [256]byte
	signature := ""
	if r.opts.Wire.Signature != "" {
		signature = string(untimed.AppendUntimed(buf[:0], body, r.opts.Wire.Untimed))
	}
	standard := string(set.Current.AppendStandard(buf[:0], c.EventID, now, body))
	// Merchants were told X-Webhook-ID. Header.Set would write X-Webhook-Id.
	values := []string{
		c.message.ContentType,
		signature,
		c.EventType,
		c.WebhookID,
		c.DeliveryID,
		r.opts.Wire.UserAgent,
		c.EventID,
		strconv.FormatInt(now.Unix(), 10),
		standard,
	}
	header := make(http.Header, len(r.names)+len(set.Headers)+len(c.added)+len(c.message.Header)+1) // Post adds one.
	for _, h := range set.Headers {
		if !names(c.message, h.Name) { // A merchant must not say what the event says.
			header[h.Name] = h.Value
		}
	}
	for _, h := range c.added {
		if !has(set.Headers, h.Name) && !names(c.message, h.Name) {
			header[h.Name] = h.Value
		}
	}
	for name, value := range c.message.Header {
		header[name] = []string{value}
	}
	for i, key := range r.names {
		if i >= len(values) {
			i -= 3 // The headers of Standard Webhooks, a second time.
		}
		if key != "" && values[i] != "" { // The untimed signature needs a secret.
			header[key] = values[i : i+1 : i+1]
		}
	}
	*c.sent = header
	return egress.PostWithin(egress.WithOwner(ctx, c.MerchantID), r.opts.AttemptTimeout, r.opts.Transport, c.URL, header, body)
}

// added returns the host's own headers for an attempt, without names that it may not
// choose.
func (r *run) added(ctx context.Context, i AttemptInfo) []vault.Header {
	if r.opts.RequestHeaders == nil {
		return nil
	}
	var given map[string]string
	ctx, cancel := context.WithTimeout(ctx, r.opts.AttemptTimeout/4)
	defer cancel()
	_ = r.guard("RequestHeaders", func() error {
		given = r.opts.RequestHeaders(ctx, i)
		return nil
	})
	out := make([]vault.Header, 0, len(given))
	for _, name := range slices.Sorted(maps.Keys(given)) {
		value := given[name]
		if r.own.Refuse(name).Text != "" && !vault.TraceHeader(name) || !vault.ValidHeaderValue(value) || has(out, name) {
			r.opts.Logger.WarnContext(ctx, "webhook header of RequestHeaders is not sent: it is not one that may be added",
				slog.String("header", name))
			continue
		}
		out = append(out, vault.Header{Name: name, Value: []string{value}})
	}
	return out
}

// has reports whether one of headers has the name, in any letter case.
func has(headers []vault.Header, name string) bool {
	return slices.ContainsFunc(headers, func(h vault.Header) bool { return strings.EqualFold(h.Name, name) })
}
