// Package proc runs parts of a measurement in operating system processes of their
// own, and talks to them in lines of JSON over their input and output.
package proc

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// RoleVariable names, in a child's environment, what the child is.
const RoleVariable = "BENCH_ROLE"

type request struct {
	Method string          `json:"method"`
	Args   json.RawMessage `json:"args"`
}

type reply struct {
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
}

// Handler answers one call. Ctx ends when the parent hangs up.
type Handler func(ctx context.Context, args json.RawMessage) (any, error)

// On makes a Handler of a function with typed arguments.
func On[A any](f func(context.Context, A) (any, error)) Handler {
	return func(ctx context.Context, raw json.RawMessage) (any, error) {
		var args A
		if err := json.Unmarshal(raw, &args); err != nil {
			return nil, err
		}
		return f(ctx, args)
	}
}

// Serve answers calls, one after another, until in ends.
func Serve(ctx context.Context, in io.Reader, out io.Writer, handlers map[string]Handler) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	dec, enc := json.NewDecoder(bufio.NewReader(in)), json.NewEncoder(out)
	for {
		var req request
		if err := dec.Decode(&req); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		handler, known := handlers[req.Method]
		if !known {
			return fmt.Errorf("proc: no method %q", req.Method)
		}
		var ans reply
		result, err := handler(ctx, req.Args)
		if err == nil {
			ans.Result, err = json.Marshal(result)
		}
		if err != nil {
			ans.Error = err.Error()
		}
		if err := enc.Encode(ans); err != nil {
			return err
		}
	}
}

// Child is a process that serves calls.
type Child struct {
	PID int

	role string
	cmd  *exec.Cmd
	pipe io.Closer

	mu  sync.Mutex
	enc *json.Encoder
	dec *json.Decoder
}

// Start starts this program again in a role. The kernel kills the child if this
// process dies.
func Start(ctx context.Context, role string, env ...string) (*Child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self) //nolint:gosec // this program itself
	cmd.Env = append(append(os.Environ(), RoleVariable+"="+role), env...)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &Child{
		PID: cmd.Process.Pid, role: role, cmd: cmd, pipe: in,
		enc: json.NewEncoder(in), dec: json.NewDecoder(bufio.NewReader(out)),
	}, nil
}

// Call calls a method and reads its result into a pointer, which may be nil.
func (c *Child) Call(method string, args, result any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	raw, err := json.Marshal(args)
	if err != nil {
		return err
	}
	if err := c.enc.Encode(request{Method: method, Args: raw}); err != nil {
		return fmt.Errorf("%s: %s: %w", c.role, method, err)
	}
	var ans reply
	if err := c.dec.Decode(&ans); err != nil {
		return fmt.Errorf("%s: %s: %w", c.role, method, err)
	}
	if ans.Error != "" {
		return fmt.Errorf("%s: %s: %s", c.role, method, ans.Error)
	}
	if result == nil {
		return nil
	}
	return json.Unmarshal(ans.Result, result)
}

// Close hangs up and waits for the child's end.
func (c *Child) Close() error {
	_ = c.pipe.Close() // Ends Serve.
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w", c.role, err)
	}
	return nil
}
