//go:build interop

package interop_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// gateway stands in for AWS. It makes of each request all the events that AWS may make
// of it, and hands them to a function by the Runtime API of Lambda:
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
type gateway struct {
	process *process
	ready   sync.Once
	samples map[string][]byte
	queue   chan *invocation

	mu      sync.Mutex
	waiting map[string]*invocation // by id, those that the function has
}

type invocation struct {
	event  []byte
	answer chan int // the status
}

// form is a kind of event, by the file of aws-lambda-go that has one as it was recorded.
type form struct {
	sample  string
	encoded bool // the body in base64
	fill    func(event map[string]any, h http.Header)
}

var forms = []form{
	{sample: "apigw-request.json", fill: func(event map[string]any, h http.Header) {
		event["headers"], event["multiValueHeaders"] = last(h, http.CanonicalHeaderKey), h
	}},
	{sample: "apigw-v2-request-no-authorizer.json", fill: joined},
	{sample: "lambda-urls-request.json", encoded: true, fill: joined},
	{sample: "alb-lambda-target-request-headers-only.json", encoded: true, fill: joined},
	{sample: "alb-lambda-target-request-multivalue-headers.json", fill: func(event map[string]any, h http.Header) {
		several := map[string][]string{}
		for name, values := range h {
			several[strings.ToLower(name)] = strings.Fields(strings.Join(values, " "))
		}
		event["multiValueHeaders"] = several
	}},
}

func joined(event map[string]any, h http.Header) { event["headers"] = last(h, strings.ToLower) }

// last returns one value for each header.
func last(h http.Header, spell func(string) string) map[string]string {
	out := map[string]string{}
	for name, values := range h {
		out[spell(name)] = values[len(values)-1]
	}
	return out
}

// newGateway returns where the gateway of a process listens.
func newGateway(t *testing.T, c *process) string {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-lambda-go")
	list.Dir = lambdaDir
	dir, err := list.Output()
	require.NoError(t, err)
	g := &gateway{process: c, samples: map[string][]byte{}, queue: make(chan *invocation), waiting: map[string]*invocation{}}
	for _, f := range forms {
		g.samples[f.sample], err = os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "events/testdata", f.sample))
		require.NoError(t, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", g.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", g.answered)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", g.answered)
	mux.HandleFunc("POST /webhooks", g.receive)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// receive answers as the function does to all events, or 500 if it does not agree with itself.
func (g *gateway) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	status := 0
	for _, f := range forms {
		got, err := g.invoke(r, f, body)
		if err == nil && status != 0 && status != got {
			err = fmt.Errorf("%d, and %d to %s", status, got, f.sample)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			g.process.output.add([]byte(err.Error()))
			return
		}
		status = got
	}
	w.WriteHeader(status)
}

func (g *gateway) invoke(r *http.Request, f form, body []byte) (int, error) {
	event := map[string]any{}
	if err := json.Unmarshal(g.samples[f.sample], &event); err != nil {
		return 0, err
	}
	f.fill(event, r.Header)
	event["body"], event["isBase64Encoded"] = string(body), f.encoded
	if f.encoded {
		event["body"] = base64.StdEncoding.EncodeToString(body)
	}
	text, err := json.Marshal(event)
	if err != nil {
		return 0, err
	}
	call := &invocation{text, make(chan int, 1)}
	select {
	case g.queue <- call:
	case <-g.process.ended:
		return 0, fmt.Errorf("the function has ended")
	}
	select {
	case status := <-call.answer:
		return status, nil
	case <-g.process.ended:
		return 0, fmt.Errorf("the function has ended")
	}
}

// next gives the function its next event.
func (g *gateway) next(w http.ResponseWriter, r *http.Request) {
	g.ready.Do(func() { g.process.ready <- r.Host })
	select {
	case call := <-g.queue:
		g.mu.Lock()
		id := strconv.Itoa(len(g.waiting))
		g.waiting[id] = call
		g.mu.Unlock()
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", id)
		w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10))
		_, _ = w.Write(call.event)
	case <-r.Context().Done():
	}
}

// answered takes the function's answer, which is none if it has failed.
func (g *gateway) answered(w http.ResponseWriter, r *http.Request) {
	answer := struct{ StatusCode int }{http.StatusInternalServerError}
	_ = json.NewDecoder(r.Body).Decode(&answer)
	g.mu.Lock()
	g.waiting[r.PathValue("id")].answer <- answer.StatusCode
	g.mu.Unlock()
	w.WriteHeader(http.StatusAccepted)
}
