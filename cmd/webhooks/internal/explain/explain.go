// Package explain says why a captured webhook request does not verify: see
// [github.com/rag-assistant/webhooks/verifier/explain], which does the work.
package explain

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/verifier/explain"
)

// Config is what the flags of the same names say.
type Config struct {
	File    string    // with the request; empty: stdin
	At      time.Time // when the request arrived
	Untimed bool      // the receiver accepts the signature without time alone
	Wire    signer.Wire
}

// Run reports on the request that a file or stdin holds, in any form that [explain.Read]
// knows. WEBHOOK_SECRET is the receiver's secret or public key, WEBHOOK_OTHER_SECRETS are
// others that it may have had before, with commas. Of another sender that package provider
// knows, it says what that says; WEBHOOK_URL is then the address that the sender calls. Run
// fails if the request cannot be read.
func Run(c Config, getenv func(string) string, stdin io.Reader, stdout io.Writer) (verified bool, err error) {
	raw, err := read(c.File, stdin)
	if err != nil {
		return false, err
	}
	request, err := explain.Read(raw)
	if err != nil {
		return false, err
	}
	opts := &verifier.Options{Wire: c.Wire, AcceptUntimed: c.Untimed, Now: func() time.Time { return c.At }}
	text, verified, known := judged(request, c.At, getenv("WEBHOOK_URL"), secrets(getenv))
	if !known {
		report := request.Explain(opts, secrets(getenv)...)
		text, verified = report.String(), report.Verified
	}
	_, err = fmt.Fprintf(stdout, "Read as %s: %d headers and a body of %d bytes.\n%s", request.From, len(request.Header), len(request.Body), text)
	return verified, err
}

// Last returns the file of dir in which explain.Keep has kept a request, and when that arrived.
// number is "2" for the last but one, and so on; if it is empty, it is the last.
func Last(dir, number string) (file string, at time.Time, err error) {
	n, err := strconv.Atoi(cmp.Or(number, "1"))
	if err != nil || n < 1 {
		return "", at, fmt.Errorf("%q is no number of a request: 1 is the last", number)
	}
	list, err := explain.Kept(dir)
	switch {
	case err != nil:
		return "", at, err
	case n > len(list):
		return "", at, fmt.Errorf("there are %d requests in %s", len(list), dir)
	}
	return list[n-1].Path, list[n-1].At, nil
}

func read(file string, stdin io.Reader) ([]byte, error) {
	if file == "" {
		return io.ReadAll(stdin)
	}
	return os.ReadFile(file) //nolint:gosec // the developer names it
}

// secrets returns the secrets as they are, so that explain sees what is wrong with
// them.
func secrets(getenv func(string) string) []string {
	var out []string
	if first := getenv("WEBHOOK_SECRET"); first != "" {
		out = append(out, first)
	}
	if others := getenv("WEBHOOK_OTHER_SECRETS"); others != "" {
		out = append(out, strings.Split(others, ",")...)
	}
	return out
}
