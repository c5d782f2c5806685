// Command explain says why a captured webhook request does not verify.
//
//	WEBHOOK_SECRET=whsec_… go run ./examples/explain request.http
//
// The file, or stdin, holds the request as it arrived: the headers, an empty line,
// the body to the last byte. A request line in front is skipped. WEBHOOK_SECRET is
// the receiver's secret or public key. WEBHOOK_OTHER_SECRETS, separated by commas,
// are others that it may have had before. Set -at to the time at which the request
// arrived.
//
// It exits with 0 if the request verifies, 1 if it does not, and 2 if it cannot be
// read.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"os"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/verifier/explain"
)

func main() {
	code, err := run(os.Args[1:], os.Getenv, os.Stdin, os.Stdout)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(0)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "explain:", err)
	}
	os.Exit(code)
}

const usage = `usage: WEBHOOK_SECRET=whsec_… explain [-at 2025-11-04T12:00:00Z] [-untimed] [request.http]

The file, or stdin, holds the request as it arrived: the headers, an empty line, the
body. -at is when it arrived. -untimed is for a receiver that accepts
X-Webhook-Signature alone. WEBHOOK_OTHER_SECRETS may hold older secrets, separated
by commas.
`

func run(args []string, getenv func(string) string, stdin io.Reader, stdout io.Writer) (code int, err error) {
	flags := flag.NewFlagSet("explain", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	now := time.Now()
	flags.Func("at", "when the request arrived, as in 2025-11-04T12:00:00Z (now)", func(text string) (err error) {
		now, err = time.Parse(time.RFC3339, text)
		return err
	})
	untimed := flags.Bool("untimed", false, "the receiver accepts X-Webhook-Signature alone")
	if err := flags.Parse(args); err != nil {
		return 2, err
	}
	raw, err := read(flags.Args(), stdin)
	if err != nil {
		return 2, err
	}
	header, body, err := split(raw)
	if err != nil {
		return 2, err
	}
	opts := &verifier.Options{AcceptUntimed: *untimed, Now: func() time.Time { return now }}
	report := explain.With(opts, header, body, secrets(getenv)...)
	if _, err := fmt.Fprint(stdout, report); err != nil {
		return 2, err
	}
	if !report.Verified {
		return 1, nil
	}
	return 0, nil
}

func read(files []string, stdin io.Reader) ([]byte, error) {
	switch len(files) {
	case 0:
		return io.ReadAll(stdin)
	case 1:
		return os.ReadFile(files[0])
	}
	return nil, errors.New("give one file, or none for stdin")
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

// split takes a request apart. It leaves the body alone, to the last byte.
func split(raw []byte) (http.Header, []byte, error) {
	if len(raw) == 0 {
		return nil, nil, errors.New("there is no request: it is empty")
	}
	at, gap := -1, 0
	for _, end := range []string{"\r\n\r\n", "\n\n"} {
		if i := bytes.Index(raw, []byte(end)); i >= 0 && (at < 0 || i < at) {
			at, gap = i, len(end)
		}
	}
	if at < 0 {
		return nil, nil, errors.New("there is no empty line between headers and body")
	}
	head := append(bytes.Clone(raw[:at]), "\r\n\r\n"...)
	if line, rest, _ := bytes.Cut(head, []byte("\n")); !bytes.Contains(line, []byte(":")) || bytes.Contains(line, []byte(" HTTP/")) {
		head = rest
	}
	header, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(head))).ReadMIMEHeader()
	if err != nil {
		return nil, nil, errors.New("the headers are not \"Name: value\", one a line") // The error would quote them.
	}
	return http.Header(header), raw[at+gap:], nil
}
