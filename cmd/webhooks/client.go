package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
)

// client asks the management API.
type client struct {
	base  string // with the API's path, without a slash at the end
	token string
	http  http.Client
}

// maxAnswer is more than a page of the longest entries.
const maxAnswer = 64 << 20

func newClient(c *cli.Command) (*client, error) {
	server, token := c.String("server"), c.String("token")
	if server == "" || token == "" {
		return nil, usagef("the API's address and a token are needed: set WEBHOOKS_SERVER and WEBHOOKS_TOKEN, or --server and --token")
	}
	u, err := url.Parse(server)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, usagef("--server is no address such as https://webhooks.example.com") // It may hold a password.
	}
	if u.Path = strings.TrimSuffix(u.Path, "/"); u.Path == "" {
		u.Path = "/api"
	}
	return &client{base: u.String(), token: token, http: http.Client{
		Timeout:       time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // Nobody else gets the token.
	}}, nil
}

// request is one question to the API.
type request struct {
	method string // empty: GET
	path   []string
	query  url.Values
	body   any // nil: none
}

// refusal is an answer of the API that is an error.
type refusal struct {
	Status    int    `json:"-"`
	RequestID string `json:"-"`
	Code      string `json:"code"`
	Message   string `json:"message"`
	Details   []struct {
		Field   string `json:"field"`
		Message string `json:"message"`
	} `json:"details"`
}

// The codes of a path that the API does not have, and of what a path does not lead to.
const (
	codeNoPath   = "no_such_path"
	codeNotFound = "not_found"
)

// Error is the API's own words, and what may be wrong with the path.
func (e *refusal) Error() string {
	lines := []string{fmt.Sprintf("%s (%d %s, request %s)", e.Message, e.Status, e.Code, e.RequestID)}
	for _, d := range e.Details {
		lines = append(lines, strings.TrimPrefix(d.Field+": "+d.Message, ": "))
	}
	if e.Code == codeNoPath {
		lines = append(lines, "is --server right? And if the service calls its merchants something else, give its noun: --tenant, or WEBHOOKS_TENANT")
	}
	return strings.Join(lines, "\n  ")
}

// call returns the data of the API's answer. It fails with a *refusal if the API refuses.
func (c *client) call(ctx context.Context, r request) (json.RawMessage, error) {
	path := []string{c.base}
	for _, segment := range r.path {
		path = append(path, url.PathEscape(segment))
	}
	target := strings.Join(path, "/")
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	var body io.Reader
	if r.body != nil {
		text, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return read(resp)
}

func read(resp *http.Response) (json.RawMessage, error) {
	var envelope struct {
		Success   *bool           `json:"success"`
		Data      json.RawMessage `json:"data"`
		Error     *refusal        `json:"error"`
		RequestID string          `json:"requestId"`
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("the answer ended too early: %w", err)
	}
	ours := json.Unmarshal(text, &envelope) == nil && envelope.Success != nil
	switch {
	case ours && *envelope.Success && resp.StatusCode/100 == 2:
		return envelope.Data, nil
	case ours && envelope.Error != nil:
		envelope.Error.Status, envelope.Error.RequestID = resp.StatusCode, envelope.RequestID
		return nil, envelope.Error
	}
	return nil, fmt.Errorf("%s, and not as the API answers: is --server right?", resp.Status)
}
