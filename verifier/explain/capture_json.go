package explain

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"
)

// readJSON reads what tools and gateways write as JSON.
func readJSON(raw []byte) (*Capture, error) {
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf"))
	if trimmed := bytes.TrimSpace(raw); len(trimmed) == 0 || trimmed[0] != '{' {
		return nil, nil //nolint:nilnil // of another format
	}
	var log struct {
		Log struct {
			Entries []entry `json:"entries"`
		} `json:"log"`
		entry
		gateway
	}
	if json.Unmarshal(raw, &log) != nil {
		return nil, errors.New("the JSON of the capture cannot be read")
	}
	switch {
	case len(log.Log.Entries) > 0:
		return newest(log.Log.Entries).capture()
	case log.Request != nil:
		return log.entry.capture()
	case log.Headers != nil || log.MultiValueHeaders != nil:
		return log.gateway.capture()
	}
	return nil, errors.New("the JSON has no request in it: it is no HAR, no event of a gateway, and none of ngrok's; a body alone has no signature")
}

// entry is one of a HAR file (1.2), or a request of ngrok's inspector.
type entry struct {
	Started time.Time `json:"startedDateTime"`
	Request *struct {
		Method  string          `json:"method"`
		Headers json.RawMessage `json:"headers"` // ngrok's are an object
		Raw     []byte          `json:"raw"`     // ngrok: the request as it arrived
		Post    *struct {
			Text     *string `json:"text"`
			Encoding string  `json:"encoding"`
		} `json:"postData"`
	} `json:"request"`
}

// newest returns the entry of the POST that was started last, or the last one if there
// is none.
func newest(entries []entry) entry {
	out, found := entries[len(entries)-1], false
	for _, e := range entries {
		if e.Request != nil && e.Request.Method == http.MethodPost && (!found || !e.Started.Before(out.Started)) {
			out, found = e, true
		}
	}
	return out
}

func (e entry) capture() (*Capture, error) {
	r := e.Request
	if r != nil && len(r.Raw) > 0 {
		c, err := readRaw(r.Raw)
		if err == nil {
			c.From = "a request of ngrok's inspector"
		}
		return c, err
	}
	var fields []struct{ Name, Value string }
	if r == nil || json.Unmarshal(r.Headers, &fields) != nil {
		return nil, errors.New("the entry has no request with a list of headers")
	}
	c := &Capture{Method: r.Method, Header: http.Header{}, From: "an entry of a HAR file"}
	for _, f := range fields {
		if !strings.HasPrefix(f.Name, ":") { // Those of HTTP/2 are the request line.
			c.Header.Add(f.Name, f.Value)
		}
	}
	if r.Post == nil || r.Post.Text == nil {
		c.Lost = "The HAR file has no text of the body, so nothing of it is proven."
		return c, nil
	}
	var err error
	c.Body, err = content(*r.Post.Text, r.Post.Encoding == "base64")
	if r.Post.Encoding != "base64" && bytes.ContainsRune(c.Body, utf8.RuneError) {
		c.Lost = "The HAR file has lost bytes of the body that are not UTF-8, so nothing of it is proven."
	}
	return c, err
}

// gateway is the event of an API gateway of AWS, of a function URL, or of an ALB.
type gateway struct {
	Method            string              `json:"httpMethod"`
	Headers           map[string]string   `json:"headers"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
	Body              string              `json:"body"`
	Base64            bool                `json:"isBase64Encoded"`
	Context           struct {
		ELB    json.RawMessage `json:"elb"`
		Domain string          `json:"domainName"`
		HTTP   struct {
			Method string `json:"method"`
		} `json:"http"`
	} `json:"requestContext"`
}

func (g gateway) capture() (*Capture, error) {
	c := &Capture{Method: cmp.Or(g.Method, g.Context.HTTP.Method), Header: http.Header{}, From: "the event of an API gateway (1.0)"}
	switch {
	case g.Context.ELB != nil:
		c.From = "the event of an ALB"
	case strings.Contains(g.Context.Domain, ".lambda-url."):
		c.From = "the event of a function URL"
	case g.Context.HTTP.Method != "":
		c.From = "the event of an API gateway (2.0)"
	}
	for name, values := range g.MultiValueHeaders {
		for _, value := range values {
			c.Header.Add(name, value)
		}
	}
	if len(g.MultiValueHeaders) == 0 {
		for name, value := range g.Headers {
			c.Header.Add(name, value)
		}
	}
	var err error
	c.Body, err = content(g.Body, g.Base64)
	return c, err
}

// content is a body that is text in JSON, or base64 in it.
func content(text string, coded bool) ([]byte, error) {
	if !coded {
		return []byte(text), nil
	}
	body, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("the body is not the base64 that the capture says") // The error would tell where.
	}
	return body, nil
}
