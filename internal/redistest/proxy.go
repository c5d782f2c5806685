package redistest

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// A Link is what a network does to a connection. The zero Link does no harm.
type Link struct {
	LoseRequests bool          // what clients send is lost
	LoseReplies  bool          // what the server sends is lost
	Delay        time.Duration // added each way
	Rate         int           // bytes a second, each way of a connection; 0: no bound
}

// Proxy stands between clients and a server and is the network between them.
type Proxy struct {
	Addr string // for clients

	listener net.Listener
	running  sync.WaitGroup

	mu     sync.Mutex
	target string
	link   Link
	pairs  map[*pair]bool
	closed bool
}

// pair is a client's connection and the one to the server that continues it.
type pair struct {
	client, server *net.TCPConn
	holed          bool // Bytes were lost, so what follows makes no sense.
}

// StartProxy starts a proxy in front of a server.
func StartProxy(tb testing.TB, to string) *Proxy {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	must(tb, err)
	p := &Proxy{Addr: l.Addr().String(), listener: l, target: to, pairs: map[*pair]bool{}}
	p.running.Go(p.accept)
	tb.Cleanup(p.close)
	return p
}

// Set changes the network at once, for existing connections too. When it stops losing
// bytes, it resets the connections that have lost some, as a firewall does that has
// forgotten them.
func (p *Proxy) Set(link Link) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.link = link
	if !link.LoseRequests && !link.LoseReplies {
		p.reset(func(c *pair) bool { return c.holed })
	}
}

// Lead resets all connections and leads new ones to another server.
func (p *Proxy) Lead(to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = to
	p.reset(func(*pair) bool { return true })
}

func (p *Proxy) close() {
	p.mu.Lock()
	p.closed = true
	_ = p.listener.Close() // An error would change nothing.
	p.reset(func(*pair) bool { return true })
	p.mu.Unlock()
	p.running.Wait()
}

// reset resets the pairs that which selects. The caller holds mu. The goroutines that
// read from a pair then end, and remove it.
func (p *Proxy) reset(which func(*pair) bool) {
	for c := range p.pairs {
		if which(c) {
			c.reset()
		}
	}
}

// reset resets both connections. What is on the way is lost.
func (c *pair) reset() {
	_ = c.client.SetLinger(0) // This and the calls below fail if it is closed already.
	_ = c.server.SetLinger(0)
	c.close()
}

func (c *pair) close() {
	_ = c.client.Close()
	_ = c.server.Close()
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		client, ok := conn.(*net.TCPConn) // always is
		if !ok {
			return
		}
		p.running.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client *net.TCPConn) {
	p.mu.Lock()
	to := p.target
	p.mu.Unlock()
	server, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "tcp", to)
	if err != nil {
		_ = client.SetLinger(0)
		_ = client.Close()
		return
	}
	tcp, ok := server.(*net.TCPConn) // always is
	if !ok {
		return
	}
	c := &pair{client: client, server: tcp}
	p.mu.Lock()
	p.pairs[c] = true
	if p.closed || p.target != to {
		c.reset()
	}
	p.mu.Unlock()

	var both sync.WaitGroup
	both.Go(func() { p.pump(c, c.client, c.server, func(l Link) bool { return l.LoseRequests }) })
	both.Go(func() { p.pump(c, c.server, c.client, func(l Link) bool { return l.LoseReplies }) })
	both.Wait()
	p.mu.Lock()
	delete(p.pairs, c)
	p.mu.Unlock()
}

// arrived is a piece that was read, and when.
type arrived struct {
	at    time.Time
	bytes []byte
}

// pump moves bytes one way until either end is closed, and then closes both.
func (p *Proxy) pump(c *pair, from io.Reader, to io.Writer, loses func(Link) bool) {
	// Reading goes on while a piece is delayed, so that each is delayed just once.
	queue := make(chan arrived, 256)
	var writer sync.WaitGroup
	writer.Go(func() {
		defer c.close()
		for a := range queue {
			p.mu.Lock()
			link := p.link
			lost := loses(link)
			c.holed = c.holed || lost
			p.mu.Unlock()
			if lost {
				continue
			}
			if wait := link.Delay - time.Since(a.at); wait > 0 {
				<-time.After(wait)
			}
			if link.Rate > 0 {
				<-time.After(time.Duration(len(a.bytes)) * time.Second / time.Duration(link.Rate))
			}
			if _, err := to.Write(a.bytes); err != nil {
				break
			}
		}
		for range queue {
			continue // until the reader has ended, too
		}
	})
	for {
		buf := make([]byte, 32<<10)
		n, err := from.Read(buf)
		if n > 0 {
			queue <- arrived{at: time.Now(), bytes: buf[:n]}
		}
		if err != nil {
			break
		}
	}
	close(queue)
	writer.Wait()
}
