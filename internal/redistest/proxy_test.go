package redistest_test

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/rag-assistant/webhooks/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// echo starts a server that answers each line with its name and the line, and
// tells of each that it has heard.
func echo(t *testing.T, name string) (addr string, heard <-chan string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	lines := make(chan string, 100)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for r := bufio.NewReader(conn); ; {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					lines <- line
					_, _ = io.WriteString(conn, name+" "+line)
				}
			}()
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
	})
	return l.Addr().String(), lines
}

type client struct {
	net.Conn

	r *bufio.Reader
}

func dial(t *testing.T, addr string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &client{conn, bufio.NewReader(conn)}
}

func (c *client) say(t *testing.T, line string) {
	t.Helper()
	_, err := io.WriteString(c, line+"\n")
	require.NoError(t, err)
}

// hears waits for a line.
func (c *client) hears(t *testing.T, line string) {
	t.Helper()
	got, err := c.r.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, line+"\n", got)
}

// broken waits until the connection is broken, and requires silence.
func (c *client) broken(t *testing.T) {
	t.Helper()
	got, err := c.r.ReadString('\n')
	require.Error(t, err)
	require.False(t, errors.Is(err, os.ErrDeadlineExceeded))
	require.Empty(t, got)
}

func TestProxy(t *testing.T) {
	t.Parallel()
	addr, heard := echo(t, "a")
	p := redistest.StartProxy(t, addr)
	c := dial(t, p.Addr)
	c.say(t, "1")
	c.hears(t, "a 1")
	require.Equal(t, "1\n", <-heard)

	t.Log("replies are lost, and the connection with them")
	p.Set(redistest.Link{LoseReplies: true})
	c.say(t, "2")
	require.Equal(t, "2\n", <-heard)
	idle := dial(t, p.Addr)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err := c.r.ReadString('\n')
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, c.SetReadDeadline(time.Time{}))
	p.Set(redistest.Link{})
	c.broken(t)
	idle.say(t, "3")
	idle.hears(t, "a 3")
	require.Equal(t, "3\n", <-heard)

	t.Log("nothing arrives, either way")
	p.Set(redistest.Link{LoseRequests: true, LoseReplies: true})
	idle.say(t, "4")
	require.NoError(t, idle.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = idle.r.ReadString('\n')
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, idle.SetReadDeadline(time.Time{}))
	require.Empty(t, heard)
	p.Set(redistest.Link{})
	idle.broken(t)

	t.Log("each way takes longer")
	late := dial(t, p.Addr)
	p.Set(redistest.Link{Delay: 30 * time.Millisecond})
	began := time.Now()
	for range 10 { // Those that follow closely are delayed once, not one after another.
		late.say(t, "5")
	}
	for range 10 {
		late.hears(t, "a 5")
	}
	require.GreaterOrEqual(t, time.Since(began), 60*time.Millisecond)
	p.Set(redistest.Link{})

	t.Log("another server takes over")
	other, _ := echo(t, "b")
	p.Lead(other)
	late.broken(t)
	last := dial(t, p.Addr)
	last.say(t, "6")
	last.hears(t, "b 6")
}

// TestProxyNowhere has a proxy in front of a port on which nobody listens.
func TestProxyNowhere(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := l.Addr().String()
	require.NoError(t, l.Close())
	conn, err := net.Dial("tcp", redistest.StartProxy(t, addr).Addr)
	if err == nil { // It may be reset before Dial has returned.
		_, err = conn.Read(make([]byte, 1))
		_ = conn.Close()
	}
	require.Error(t, err)
}
