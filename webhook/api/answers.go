package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/webui"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// answer is what an endpoint has to say.
type answer struct {
	status int
	etag   string
	cache  string // empty: not at all

	// At most one of these is the body.
	data     any
	fault    *apiError
	document *document
}

// apiError is an answer other than 2xx. Code and text are shown.
type apiError struct {
	status int
	code   string
	text   words.Text
	args   []any // for the verbs of text
	faults faults
}

func (e *apiError) Error() string { return e.message().String() }

func (e *apiError) message() words.Message { return words.Message{Text: e.text, Args: e.args} }

// The codes are part of the contract, the texts are not.
var (
	errUnauthorized = &apiError{
		status: http.StatusUnauthorized, code: "unauthorized",
		text: "Valid credentials are needed.",
	}
	errForbidden = &apiError{
		status: http.StatusForbidden, code: "forbidden",
		text: "These credentials are not for this {tenant}.",
	}
	errNoOperator = &apiError{
		status: http.StatusForbidden, code: "forbidden",
		text: "These credentials are not an operator's.",
	}
	errCrossOrigin = &apiError{
		status: http.StatusForbidden, code: "forbidden",
		text: "A page of another origin made a browser send this request.",
	}
	errNoResource = &apiError{
		status: http.StatusNotFound, code: "not_found",
		text: "There is no such webhook, delivery, replay or job.",
	}
	errNoPath = &apiError{
		status: http.StatusNotFound, code: "no_such_path",
		text: "There is no such path.",
	}
	errNoPublicKey = &apiError{
		status: http.StatusNotFound, code: "no_public_key",
		text: "This webhook signs with a secret, so it has no public key. Register one with signature v1a.",
	}
	errMethod = &apiError{
		status: http.StatusMethodNotAllowed, code: "method_not_allowed",
		text: "This method is not allowed here. The header Allow lists those that are.",
	}
	errTaken = &apiError{
		status: http.StatusConflict, code: "conflict",
		text: "This id was used before with other content.",
	}
	errFull = &apiError{
		status: http.StatusConflict, code: "limit_reached",
		text: "This {tenant} has as many webhooks as it may have. Delete one first.",
	}
	errResent = &apiError{
		status: http.StatusConflict, code: "resent_too_often",
		text: "This event was sent again to this webhook %d times. Once more is possible when the log has dropped one of them.",
		args: []any{webhook.MaxRedeliveries},
	}
	errCrowded = &apiError{
		status: http.StatusConflict, code: "too_many_pending",
		text: "As many deliveries of this webhook are pending as may be. Wait, or cancel some.",
	}
	errEnded = &apiError{
		status: http.StatusConflict, code: "delivery_ended",
		text: "This delivery has ended, so there is nothing to cancel.",
	}
	errRotating = &apiError{
		status: http.StatusConflict, code: "conflict",
		text: "The previous secret is still good. Wait for its end, or rotate with graceSeconds 0 to end it now.",
	}
	errReplaying = &apiError{
		status: http.StatusConflict, code: "conflict",
		text: "Another replay of this webhook is running: see details. Wait until it has ended, or stop it.",
	}
	errChanged = &apiError{
		status: http.StatusPreconditionFailed, code: "precondition_failed",
		text: "The webhook has changed since it was read.",
	}
	errKeyConflict = &apiError{
		status: http.StatusConflict, code: "idempotency_conflict",
		text: "This Idempotency-Key was used before for another request.",
	}
	errKeyInProgress = &apiError{
		status: http.StatusConflict, code: "idempotency_in_progress",
		text: "A request with this Idempotency-Key is being served. Try again in a moment.",
	}
	errGone = &apiError{
		status: http.StatusGone, code: "gone",
		text: "What this request has made was deleted since.",
	}
	errTooMany = &apiError{
		status: http.StatusTooManyRequests, code: "rate_limited",
		text: "There were too many requests. Wait as long as Retry-After says.",
	}
	errTooLarge = &apiError{
		status: http.StatusRequestEntityTooLarge, code: "payload_too_large",
		text: "The body is larger than 64 KiB, or than 256 KiB for an event.",
	}
	errMediaType = &apiError{
		status: http.StatusUnsupportedMediaType, code: "unsupported_media_type",
		text: "Send Content-Type: application/json, in UTF-8 and without a Content-Encoding.",
	}
	errInternal = &apiError{
		status: http.StatusInternalServerError, code: "internal",
		text: "Something went wrong on our side.",
	}
	errDamaged = &apiError{
		status: http.StatusInternalServerError, code: "damaged",
		text: "This record is damaged on our side and cannot be read. Ask us to look at it; a webhook can also be deleted and registered anew.",
	}
	errUnavailable = &apiError{
		status: http.StatusServiceUnavailable, code: "unavailable",
		text: "The service is not available at the moment. Try again later.",
	}
)

// replaying names the replay that is running.
func replaying(err error) *apiError {
	shown := *errReplaying
	if running, ok := errors.AsType[*webhook.ReplayingError](err); ok {
		shown.faults = faults{{Path: "replayId", Message: running.ReplayID}}
	}
	return &shown
}

func errScope(needed string) *apiError {
	return &apiError{
		status: http.StatusForbidden, code: "insufficient_scope",
		text: "These credentials lack the scope %s.", args: []any{needed},
	}
}

// maxDetails is how many faults one answer lists.
const maxDetails = 100

// refuse finds the answer to an error. What is not the caller's doing is logged,
// and answered without a word of it.
func (h *Handler) refuse(ctx context.Context, x *exchange, err error) answer {
	var shown *apiError
	var invalid *webhook.InvalidError
	switch {
	case errors.As(err, &shown):
	case errors.As(err, &invalid):
		shown = &apiError{
			status: http.StatusBadRequest, code: "invalid_request",
			text:   "The request is not valid. See details.",
			faults: invalid.Faults[:min(len(invalid.Faults), maxDetails)],
		}
	case errors.Is(err, webhook.ErrNotFound):
		shown = errNoResource
	case errors.Is(err, webhook.ErrFull):
		shown = errResent
	case errors.Is(err, webhook.ErrCrowded):
		shown = errCrowded
	case errors.Is(err, webhook.ErrEnded):
		shown = errEnded
	case errors.Is(err, webhook.ErrReplaying):
		shown = replaying(err)
	case errors.Is(err, webhook.ErrRotating):
		shown = errRotating
	case errors.Is(err, webhook.ErrConflict):
		shown = errTaken
	case errors.Is(err, webhook.ErrLimit):
		shown = errFull
	case errors.Is(err, webhook.ErrVersion):
		shown = errChanged
	default:
		shown = errInternal
		if webui.Passing(err) {
			shown = errUnavailable
		} else if errors.Is(err, webhook.ErrDamaged) {
			shown = errDamaged
		}
		level, about := x.Fault(ctx, x.requestID, err)
		h.opts.Logger.LogAttrs(ctx, level, "webhook API request failed", about...)
	}
	return answer{status: shown.status, fault: shown}
}

// write sends an answer in one piece, so that it is whole or not begun.
func (h *Handler) write(ctx context.Context, x *exchange, out answer) {
	var body []byte
	mediaType := "application/json; charset=utf-8"
	switch {
	case out.document != nil:
		body, mediaType = out.document.text, out.document.mediaType
	case out.data != nil || out.fault != nil:
		var err error
		if body, err = h.envelope(x, out); err != nil {
			out = h.refuse(ctx, x, err)
			body, _ = h.envelope(x, out) // Strings only: it cannot fail.
		}
	}
	header := x.W.Header()
	if body != nil {
		header.Set("Content-Type", mediaType)
		header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	if out.etag != "" {
		header.Set("ETag", out.etag)
	}
	if out.cache != "" {
		header.Set("Cache-Control", out.cache)
	}
	x.W.WriteHeader(out.status)
	if x.R.Method != http.MethodHead {
		_, _ = x.W.Write(body) // The caller has gone; there is nobody to tell.
	}
}

// envelope writes data or fault as JSON, with URLs as they were given.
func (h *Handler) envelope(x *exchange, out answer) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	at := stamp(h.opts.Now())
	if out.fault != nil {
		err := enc.Encode(failureView{
			Error: newErrorView(h.opts.Words, out.fault), Timestamp: at, RequestID: x.requestID,
		})
		return buf.Bytes(), err
	}
	err := enc.Encode(successView{Success: true, Data: out.data, Timestamp: at, RequestID: x.requestID})
	return buf.Bytes(), err
}

// etag is a strong one, as If-Match needs it.
func etag(version int64) string {
	return `"` + strconv.FormatInt(version, 10) + `"`
}
