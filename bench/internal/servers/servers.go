// Package servers starts the databases that a measurement needs, each private, on
// the loopback, with its files in a directory of its own.
package servers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	startTimeout = 20 * time.Second
	pollInterval = 10 * time.Millisecond
)

// A server is a process with a directory.
type server struct {
	cmd *exec.Cmd
	dir string
}

func (s *server) stop(sig syscall.Signal) {
	_ = s.cmd.Process.Signal(sig)
	_ = s.cmd.Wait()
	_ = os.RemoveAll(s.dir)
}

// freeAddr returns an address that nobody has at the moment.
func freeAddr(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func freePort(ctx context.Context) (string, error) {
	addr, err := freeAddr(ctx)
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(addr)
	return port, err
}

// Redis is a redis-server.
type Redis struct {
	Addr   string
	Client *redis.Client

	server server
}

// How Redis writes its append-only file.
const (
	Everysec = "everysec"
	Always   = "always"
)

// StartRedis starts a redis-server with an append-only file and further settings.
func StartRedis(ctx context.Context, fsync string, more ...string) (*Redis, error) {
	dir, err := os.MkdirTemp("", "bench-redis-")
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr(ctx)
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	args := append([]string{
		"--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "yes", "--appendfsync", fsync,
		"--logfile", filepath.Join(dir, "redis.log"), "--daemonize", "no",
	}, more...)
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "redis-server", args...) //nolint:gosec // from PATH
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("redis-server: %w", err)
	}
	r := &Redis{Addr: addr, Client: redis.NewClient(&redis.Options{Addr: addr}), server: server{cmd, dir}}
	err = await(ctx, "redis-server", func() error { return r.Client.Ping(ctx).Err() })
	if err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// Close kills the server.
func (r *Redis) Close() {
	_ = r.Client.Close()
	r.server.stop(syscall.SIGKILL)
}

// await polls until f succeeds.
func await(ctx context.Context, what string, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", what, err)
		case <-time.After(pollInterval):
		}
	}
}

// Cluster is a Redis Cluster without replicas.
type Cluster struct {
	Nodes []*Redis
}

const slots = 16384

// StartCluster starts a Cluster of n nodes.
func StartCluster(ctx context.Context, n int) (*Cluster, error) {
	c := &Cluster{}
	for i := range n {
		if err := c.add(ctx, i, n); err != nil {
			c.Close()
			return nil, err
		}
	}
	for _, r := range c.Nodes {
		err := await(ctx, "the cluster", func() error {
			info, err := r.Client.ClusterInfo(ctx).Result()
			if err == nil && (field(info, "cluster_state") != "ok" || field(info, "cluster_known_nodes") != strconv.Itoa(n)) {
				err = errors.New("not ready")
			}
			return err
		})
		if err != nil {
			c.Close()
			return nil, err
		}
	}
	return c, nil
}

// add starts node i of n and has it meet the first one.
func (c *Cluster) add(ctx context.Context, i, n int) error {
	bus, err := freePort(ctx)
	if err != nil {
		return err
	}
	r, err := StartRedis(ctx, Everysec, "--cluster-enabled", "yes", "--cluster-node-timeout", "5000", "--cluster-port", bus)
	if err != nil {
		return err
	}
	c.Nodes = append(c.Nodes, r)
	if err := r.Client.ClusterAddSlotsRange(ctx, i*slots/n, (i+1)*slots/n-1).Err(); err != nil {
		return err
	}
	if err := r.Client.Do(ctx, "cluster", "set-config-epoch", i+1).Err(); err != nil {
		return err
	}
	if i == 0 {
		return nil
	}
	host, port, err := net.SplitHostPort(c.Nodes[0].Addr)
	if err != nil {
		return err
	}
	first, err := c.Nodes[0].Client.ConfigGet(ctx, "cluster-port").Result()
	if err != nil {
		return err
	}
	return r.Client.Do(ctx, "cluster", "meet", host, port, first["cluster-port"]).Err()
}

// Addrs are the addresses of the nodes.
func (c *Cluster) Addrs() []string {
	out := make([]string, len(c.Nodes))
	for i, r := range c.Nodes {
		out[i] = r.Addr
	}
	return out
}

// Close kills the nodes.
func (c *Cluster) Close() {
	for _, r := range c.Nodes {
		r.Close()
	}
}
