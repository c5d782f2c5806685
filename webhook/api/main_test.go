package api_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// TestMain ends with a look at what the OpenAPI document promises and no handler
// test has seen, if all of them have run.
func TestMain(m *testing.M) {
	code := m.Run()
	if code == 0 && wholeRun() {
		if missing := unseen(); len(missing) > 0 {
			fmt.Fprintf(os.Stderr, "FAIL: openapi.yaml documents answers that no handler test has seen:\n\t%s\n",
				strings.Join(missing, "\n\t"))
			code = 1
		}
	}
	os.Exit(code)
}

// wholeRun reports whether every test was asked for, and for nothing else.
func wholeRun() bool {
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.fuzz"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return false
		}
	}
	return true
}

// unseen returns operation, status and code of each documented answer that was
// not noted.
func unseen() []string {
	c, err := theContract()
	if err != nil {
		return []string{err.Error()}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []string
	for _, item := range c.doc.Paths.Map() {
		for _, op := range item.Operations() {
			for status, response := range op.Responses.Map() {
				for _, code := range codes(response.Value) {
					if want := strings.TrimSpace(op.OperationID + " " + status + " " + code); !c.seen[want] {
						out = append(out, want)
					}
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// codes are the error codes of an answer, or one that is empty if it is no error.
func codes(response *openapi3.Response) []string {
	media := response.Content.Get("application/json")
	if media == nil || properties(media.Schema.Value)["error"] == nil {
		return []string{""}
	}
	var out []string
	// What stands beside a $ref is one more part of the schema.
	for _, part := range media.Schema.Value.AllOf {
		for _, code := range part.Value.Properties["error"].Value.Properties["code"].Value.Enum {
			out = append(out, fmt.Sprint(code))
		}
	}
	return out
}
