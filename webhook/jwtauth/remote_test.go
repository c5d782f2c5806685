package jwtauth_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/jwtauth"
)

func TestNewRemoteListsEveryFault(t *testing.T) {
	t.Parallel()
	_, err := jwtauth.NewRemote("http://login.example.com/hunter2", &jwtauth.RemoteOptions{Refresh: -1})
	require.ErrorContains(t, err, "not https")
	require.ErrorContains(t, err, "negative")
	for _, address := range []string{
		"", "login.example.com", "//login.example.com/jwks", "https://", "https:///jwks", "https:login.example.com", "ftp://login.example.com/",
		"file:///etc/passwd", "https://user:hunter2@login.example.com/", "https://login.example.com/#hunter2", "https://a b/", "https://%zz/",
		"javascript:https://login.example.com/",
	} {
		_, err := jwtauth.NewRemote(address, nil)
		require.Error(t, err, address)
		require.NotContains(t, err.Error(), "hunter2")
	}
	for _, o := range []jwtauth.RemoteOptions{{Refresh: -1}, {UnknownKeyInterval: -1}, {Timeout: -1}} {
		_, err := jwtauth.NewRemote(jwksURL, &o)
		require.Error(t, err)
	}
}

func TestRequestsWaitForTheFirstKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, jwtauth.RemoteOptions{})
		early := make(chan error)
		go func() { early <- s.verify("k1") }()
		synctest.Wait()
		require.Zero(t, s.count(), "the constructor and requests fetch nothing")
		defer s.run()()
		require.NoError(t, <-early)
		require.NoError(t, s.verify("k1"))
		require.Equal(t, 1, s.count())
	})
}

func TestWithoutRunNothingIsKnown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, jwtauth.RemoteOptions{Timeout: 3 * time.Second})
		begin := time.Now()
		err := s.verify("k1")
		require.ErrorIs(t, err, webhook.ErrUnavailable)
		require.NotErrorIs(t, err, webhook.ErrInvalidToken)
		require.ErrorContains(t, err, "Run is not running")
		require.Equal(t, 3*time.Second, time.Since(begin))
		require.Zero(t, s.count())
	})
}

// What can be refused without a key is refused, keys or not.
func TestNonsenseNeedsNoKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, jwtauth.RemoteOptions{})
		begin := time.Now()
		for _, token := range []string{"", "a.b.c", named("k1").token("header.crit", `["x"]`), named("k1").token("header.alg", `"none"`)} {
			refuse(t, s.auth, token)
		}
		require.Equal(t, begin, time.Now())
	})
}

func TestRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, jwtauth.RemoteOptions{})
		defer s.run()()
		require.NoError(t, s.verify("k1"))
		require.ErrorIs(t, s.verify("k2"), webhook.ErrInvalidToken) // Causes a fetch, in vain.
		require.Equal(t, 2, s.count())

		// A new key that is used at once, within the interval: not yet known.
		s.publishes("k1", "k2")
		require.ErrorIs(t, s.verify("k2"), webhook.ErrInvalidToken)
		require.Equal(t, 2, s.count())
		time.Sleep(30 * time.Second)
		require.NoError(t, s.verify("k2"))
		require.NoError(t, s.verify("k1"))
		require.Equal(t, 3, s.count())

		// The old key is withdrawn, and gone after the next refresh.
		s.publishes("k2")
		require.NoError(t, s.verify("k1"))
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		require.ErrorIs(t, s.verify("k1"), webhook.ErrInvalidToken)
		require.NoError(t, s.verify("k2"))

		// The login does it right: the new key is there before it signs.
		s.publishes("k2", "k3")
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		before := s.count()
		require.NoError(t, s.verify("k3"))
		require.NoError(t, s.verify("k2"))
		require.Equal(t, before, s.count())
	})
}

// An unknown key that comes along with the regular fetch is content with that.
func TestRefreshIsFetchForUnknownKeysToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, jwtauth.RemoteOptions{UnknownKeyInterval: 1})
		s.does(func(r *http.Request) (int, io.ReadCloser, error) {
			time.Sleep(time.Second)
			return says(http.StatusOK, string(published("k1")))(r)
		})
		defer s.run()()
		require.NoError(t, s.verify("k1"))
		for i := range 20 {
			time.Sleep(5*time.Minute + time.Duration(i%2)*time.Millisecond) // the same moment, or a bit later
			require.ErrorIs(t, s.verify("k2"), webhook.ErrInvalidToken)
			require.Equal(t, i+2, s.count())
		}
		time.Sleep(time.Minute)
		require.Equal(t, 21, s.count())
	})
}

// All who come with a new key at the same moment wait for one fetch.
func TestNewKeyIsFetchedOnceForAll(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, jwtauth.RemoteOptions{})
		defer s.run()()
		require.NoError(t, s.verify("k1"))
		s.does(func(r *http.Request) (int, io.ReadCloser, error) {
			time.Sleep(time.Second)
			return says(http.StatusOK, string(published("k1", "k2")))(r)
		})
		results := make(chan error)
		for range 100 {
			go func() { results <- s.verify("k2") }()
		}
		for range 100 {
			require.NoError(t, <-results)
		}
		require.Equal(t, 2, s.count())
	})
}

func TestStormOfUnknownKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, jwtauth.RemoteOptions{})
		defer s.run()()
		good := of("k1")
		accept(t, s.auth, good)
		// Eight at a time, for ten minutes.
		for i := range 600 {
			var together sync.WaitGroup
			var errs [8]error
			for j := range errs {
				token := hs256.token("header.alg", `"EdDSA"`, "header.kid", fmt.Sprintf(`"x%d-%d"`, i, j))
				together.Go(func() { _, errs[j] = s.auth.Verify(t.Context(), token) })
			}
			together.Wait()
			for _, err := range errs {
				require.ErrorIs(t, err, webhook.ErrInvalidToken)
			}
			time.Sleep(time.Second)
		}
		accept(t, s.auth, good)
		require.LessOrEqual(t, s.count(), 1+600/30+1, "one in 30 seconds")
		require.Greater(t, s.count(), 15)
	})
}

func TestOutageAtTheStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, jwtauth.RemoteOptions{})
		s.does(breaks("connection refused"))
		begin := time.Now()
		stop := s.run()
		require.ErrorIs(t, s.verify("k1"), webhook.ErrUnavailable)
		require.Equal(t, begin, time.Now(), "nobody waits between two tries")
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		require.ErrorIs(t, s.verify("k1"), webhook.ErrUnavailable)
		var after []int
		for _, at := range s.fetches {
			after = append(after, int(at.Sub(begin)/time.Second))
		}
		require.Equal(t, []int{0, 1, 3, 7, 15, 31, 61, 91}, after)

		s.publishes("k1")
		time.Sleep(30 * time.Second)
		synctest.Wait()
		require.NoError(t, s.verify("k1"))
		require.Contains(t, s.logged(), "connection refused")
		require.NotContains(t, s.logged(), "hunter2", "the URL may hold a password")

		// Tries start over with a short pause after a success.
		s.does(says(http.StatusInternalServerError, ""))
		time.Sleep(5*time.Minute - 29*time.Second)
		synctest.Wait()
		before := s.count()
		time.Sleep(time.Second)
		synctest.Wait()
		require.Equal(t, before+1, s.count())
		stop()
	})
}

// A login that is away, or talks nonsense, takes no key away.
func TestLastGoodSetStays(t *testing.T) {
	t.Parallel()
	good := string(published("k1", "k2"))
	for name, does := range map[string]answer{
		"away":             breaks("no route to host"),
		"hanging":          hangs,
		"500":              says(http.StatusInternalServerError, good),
		"404":              says(http.StatusNotFound, good),
		"204":              says(http.StatusNoContent, ""),
		"206":              says(http.StatusPartialContent, good),
		"redirect nowhere": says(http.StatusFound, good),
		"nothing":          says(http.StatusOK, ""),
		"HTML":             says(http.StatusOK, "<html>down for maintenance</html>"),
		"an error":         says(http.StatusOK, `{"error":"temporarily_unavailable"}`),
		"null":             says(http.StatusOK, "null"),
		"no keys":          says(http.StatusOK, `{"keys":[]}`),
		"other keys":       says(http.StatusOK, string(document(rs256.jwk(map[string]any{"use": "enc"})))),
		"a secret":         says(http.StatusOK, string(document(hs256.jwk(map[string]any{"kid": "k2"})))),
		"a private key":    says(http.StatusOK, string(document(eddsa.jwk(map[string]any{"kid": "k2", "d": "AQAB"})))),
		"cut":              says(http.StatusOK, good[:len(good)-1]),
		"two":              says(http.StatusOK, good+good),
		"keys twice":       says(http.StatusOK, strings.Replace(good, `{"keys":`, `{"keys":[],"keys":`, 1)),
		"too much":         says(http.StatusOK, good+strings.Repeat(" ", 256<<10)),
		"breaking off": func(*http.Request) (int, io.ReadCloser, error) {
			return http.StatusOK, io.NopCloser(io.MultiReader(strings.NewReader(good), failing{})), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newService(t, jwtauth.RemoteOptions{})
				defer s.run()()
				require.NoError(t, s.verify("k1"))
				s.does(does)
				time.Sleep(10 * time.Minute)
				require.NoError(t, s.verify("k1"))
				require.ErrorIs(t, s.verify("k2"), webhook.ErrInvalidToken)
				time.Sleep(time.Hour)
				require.NoError(t, s.verify("k1"))
				require.Contains(t, s.logged(), "JWK Set not fetched")
				s.publishes("k2")
				time.Sleep(time.Minute)
				require.NoError(t, s.verify("k2"))
			})
		})
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// endless is a body that never ends, and counts what is read of it.
type endless struct{ read, closed int }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.read += len(p)
	return len(p), nil
}

func (e *endless) Close() error {
	e.closed++
	return nil
}

func TestReadingIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, jwtauth.RemoteOptions{})
		body := &endless{}
		s.does(func(*http.Request) (int, io.ReadCloser, error) { return http.StatusOK, body, nil })
		stop := s.run()
		require.ErrorIs(t, s.verify("k1"), webhook.ErrUnavailable)
		stop()
		require.LessOrEqual(t, body.read, 256<<10+1)
		require.Equal(t, 1, body.closed)
	})
}

// One key that cannot be read does not cost the others.
func TestRemoteSetWithFaultyKeys(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, jwtauth.RemoteOptions{})
		s.does(says(http.StatusOK, string(document(
			map[string]any{"kty": "RSA", "n": "!", "e": "AQAB", "kid": "bad"},
			hs256.jwk(map[string]any{"kid": "secret"}),
			eddsa.jwk(map[string]any{"kid": "private", "d": "AQAB"}),
			named("k1").jwk(map[string]any{"kid": "k1"}),
		))))
		defer s.run()()
		require.NoError(t, s.verify("k1"))
		refuse(t, s.auth, hs256.token("header.kid", `"secret"`))
		refuse(t, s.auth, hs256.token())
		refuse(t, s.auth, eddsa.token("header.kid", `"private"`))
	})
}

func TestSlowLogin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, jwtauth.RemoteOptions{Timeout: 4 * time.Second})
		s.does(hangs)
		defer s.run()()
		begin := time.Now()
		require.ErrorIs(t, s.verify("k1"), webhook.ErrUnavailable)
		require.Equal(t, 4*time.Second, time.Since(begin))
		s.publishes("k1")
		time.Sleep(2 * time.Second)
		require.NoError(t, s.verify("k1"))

		s.does(hangs)
		begin = time.Now()
		unknown := make(chan error)
		go func() { unknown <- s.verify("k2") }()
		synctest.Wait()
		require.NoError(t, s.verify("k1"))
		require.Equal(t, begin, time.Now(), "who has a known key does not wait")
		gone, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := s.auth.Verify(gone, of("k3"))
		require.Error(t, err)
		require.Equal(t, time.Second, time.Since(begin), "nor who has hung up")
		require.ErrorIs(t, <-unknown, webhook.ErrInvalidToken)
		require.Equal(t, 4*time.Second, time.Since(begin))
	})
}

func TestStop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, jwtauth.RemoteOptions{})
		s.does(hangs)
		stop := s.run()
		waiting := make(chan error)
		go func() { waiting <- s.verify("k1") }()
		synctest.Wait()
		require.ErrorContains(t, s.remote.Run(t.Context()), "already running")
		begin := time.Now()
		stop()
		require.ErrorIs(t, <-waiting, webhook.ErrUnavailable)
		require.ErrorIs(t, s.verify("k1"), webhook.ErrUnavailable)
		require.Equal(t, begin, time.Now(), "nobody waits for what will not come")
		require.Empty(t, s.logged(), "a fetch that was stopped is no fault")

		s.publishes("k1")
		stop = s.run() // It may run again.
		synctest.Wait()
		require.NoError(t, s.verify("k1"))
		stop()
		before := s.count()
		time.Sleep(time.Hour)
		begin = time.Now()
		require.NoError(t, s.verify("k1"), "requests are still drained")
		require.ErrorIs(t, s.verify("k2"), webhook.ErrInvalidToken)
		require.Equal(t, begin, time.Now())
		require.Equal(t, before, s.count())
	})
}
