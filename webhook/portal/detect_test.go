package portal_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/portal"
)

// endpoints answers with its statuses in turn.
type endpoints struct{ statuses chan int }

func (e endpoints) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	w.WriteHeader(<-e.statuses)
	out := w.Result()
	out.Request = r
	return out, nil
}

// answering delivers to an endpoint that answers with these statuses in turn.
func (s *site) answering(statuses ...int) {
	s.t.Helper()
	e := endpoints{make(chan int, len(statuses))}
	for _, status := range statuses {
		e.statuses <- status
	}
	close(e.statuses)
	disp, err := webhook.NewDispatcher(s.store, &webhook.DispatcherOptions{Transport: e})
	require.NoError(s.t, err)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- disp.Run(ctx) }()
	s.t.Cleanup(func() {
		stop()
		require.NoError(s.t, <-ended)
	})
}

func TestDetect(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		statuses []int
		says     string
		offers   string
	}{
		"raw bytes":  {[]int{200, 200, 401}, "Your endpoint verifies the bytes as they arrive.", ""},
		"Python":     {[]int{401, 200}, "Your endpoint writes the body again", "ascii"},
		"Go":         {[]int{401, 401, 200}, "Your endpoint writes the body again", "html"},
		"JavaScript": {[]int{200, 401}, "Your endpoint writes the body again", ""}, // It has the right one.
		"nothing":    {[]int{200, 200, 200}, "Your endpoint takes events with a wrong signature.", ""},
		"all wrong":  {[]int{401, 401, 401}, "Your endpoint has refused every test.", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, header := range [][]string{nil, {"HX-Request", "true"}} {
				s := newSite(t, &portal.Options{TestWait: 10 * time.Second})
				hook := s.hook()
				s.answering(c.statuses...)
				p := s.do(hook+"/detect", values("a", "b"), header...).is(http.StatusOK).says(c.says)
				if c.offers == "" {
					require.NotContains(t, p.body, "/encoding")
					continue
				}
				require.Equal(t, c.offers, p.field("encoding"))
				at := ".." + hook
				if header == nil {
					at = "../.." + hook
				}
				require.Contains(t, p.body, `action="`+at+`/encoding"`)
				require.Equal(t, hook+"?done=encoded", s.do(hook+"/encoding", values("encoding", c.offers)).to())
				require.Equal(t, c.offers, string(s.webhook(hook).Encoding))
				s.do(hook+"?done=encoded", nil).says("The payload encoding is set.")
			}
		})
	}
}

// An endpoint that verifies the bytes needs no other encoding than it has.
func TestDetectLeavesWhatSuits(t *testing.T) {
	t.Parallel()
	s := newSite(t, &portal.Options{TestWait: 10 * time.Second})
	hook := s.hook()
	s.do(hook+"/encoding", values("encoding", "ascii")).to()
	s.answering(200, 200, 401)
	p := s.do(hook+"/detect", values("a", "b")).is(http.StatusOK).says("verifies the bytes as they arrive")
	require.NotContains(t, p.body, "/encoding")
}

func TestDetectIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // Its wait ends when there is nothing else to do.
		s := newSite(t, nil) // Five tests a minute.
		hook := s.hook()
		s.do(hook+"/detect", values("a", "b")).is(http.StatusOK).says("Your endpoint has not said yes or no.")
		s.do(hook+"/detect", values("a", "b")).is(http.StatusTooManyRequests)
		s.do(hook+"/encoding", values("encoding", "")).is(http.StatusBadRequest)
		s.do(hook+"/encoding", values("encoding", "utf-16")).is(http.StatusUnprocessableEntity)
		s.do("/webhooks/whk_unknown/detect", values("a", "b")).is(http.StatusNotFound)
	})
}

// A webhook that is signed with a private key has no secret to show.
func TestPublicKeys(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	form := filled(s, "signature", "v1a")
	p := s.do("/new", form).is(http.StatusCreated).says("Webhook created", "It is no secret")
	w := s.all()[0]
	require.NotEmpty(t, w.PublicKey)
	p.says(w.PublicKey)
	require.NotContains(t, p.body, "whsec_")
	hook := "/webhooks/" + w.ID
	s.do("/new", form).is(http.StatusConflict).says("Webhook created ·", w.PublicKey) // Loaded again.
	s.do(hook, nil).says("Public key", w.PublicKey, "Rotate key")
	s.do(hook+"/verify", nil).says(w.PublicKey, "ed25519")

	p = s.do(hook+"/rotate", nil).says("Rotate key")
	p = s.do(hook+"/rotate", values("grace", "1", "token", p.field("token"))).is(http.StatusOK).says("New key", "For 1 hour")
	require.NotContains(t, p.text, w.PublicKey)
	p.says(s.webhook(hook).PublicKey)
	s.do(hook, nil).says("Previous public key", w.PublicKey, "The previous key is valid until")

	s.do("/new", filled(s, "signature", "md5")).is(http.StatusUnprocessableEntity).says("Signature : must be")
}
