package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/stretchr/testify/require"
)

// contract is the OpenAPI document. Every answer of a handler test is held to it,
// and so is every request that got an answer of 2xx.
type contract struct {
	doc   *openapi3.T
	paths []contractPath // those without parameters first

	mu   sync.Mutex
	seen map[string]bool // operation, status and code
	held sync.Map        // kinds of errors: see kindOf
}

type contractPath struct {
	template string
	pattern  *regexp.Regexp
	item     *openapi3.PathItem
}

var theContract = sync.OnceValues(func() (*contract, error) {
	text, err := os.ReadFile("openapi.yaml")
	if err != nil {
		return nil, err
	}
	c := &contract{seen: map[string]bool{}}
	if c.doc, err = openapi3.NewLoader().LoadFromData(text); err != nil {
		return nil, err
	}
	for template, item := range c.doc.Paths.Map() {
		pattern := regexp.MustCompile(`\\\{\w+\\\}`).ReplaceAllString(regexp.QuoteMeta(template), `([^/]+)`)
		if strings.HasSuffix(template, "/webhooks") {
			pattern += "/?"
		}
		c.paths = append(c.paths, contractPath{template, regexp.MustCompile(pattern + "$"), item})
	}
	slices.SortFunc(c.paths, func(a, b contractPath) int {
		return a.pattern.NumSubexp() - b.pattern.NumSubexp()
	})
	return c, nil
})

// exchanged is a request with what the handler read of its body, and the answer.
type exchanged struct {
	answered

	request *http.Request
	sent    []byte
}

// hold requires that an exchange is one that the document describes.
func (c *contract) hold(t *testing.T, x exchanged) {
	t.Helper()
	route, params := c.route(x.request)
	response, shared := c.response(route, x)
	require.NotNil(t, response, "%s %s: status %d is not documented: %s", x.request.Method, x.request.URL, x.status, x.body)
	kind := kindOf(route, x)
	if _, before := c.held.Load(kind); !before || kind == "" {
		c.holdHeaders(t, response, x.header)
		if x.body != "" {
			c.holdBody(t, route, response, x)
		}
		c.held.Store(kind, true)
	}
	if shared {
		return
	}
	c.note(route.Operation.OperationID, x)
	if x.status/100 == 2 {
		c.holdRequest(t, route, params, x)
	}
}

// What two answers to the same mistake may differ in, if it is well formed.
var (
	properID = regexp.MustCompile(`^[A-Za-z0-9_-]{8,64}$`)
	fleeting = regexp.MustCompile(`"timestamp":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"|"requestId":"[A-Za-z0-9_-]{8,64}"`)
)

// kindOf describes an error without what is fleeting. It is empty for other answers.
// One of each kind is held to the document: a schema is compiled for each answer, which
// takes most of the time of a test that makes the same mistake a hundred times.
func kindOf(route *routers.Route, x exchanged) string {
	if x.status < http.StatusBadRequest {
		return ""
	}
	header := x.header.Clone()
	if ids := header.Values("X-Request-ID"); len(ids) == 1 && properID.MatchString(ids[0]) {
		header.Del("X-Request-ID")
	}
	return fmt.Sprint(route.Path, route.Method, x.status, header, fleeting.ReplaceAllString(x.body, ""))
}

// route finds the operation of a request; that of the route is nil if there is no
// such path or method.
func (c *contract) route(r *http.Request) (*routers.Route, map[string]string) {
	route := &routers.Route{Spec: c.doc, Method: r.Method}
	if route.Method == http.MethodHead {
		route.Method = http.MethodGet
	}
	segments := strings.Split(r.URL.EscapedPath(), "/")
	for i, s := range segments {
		if plain, err := url.PathUnescape(s); err == nil && !strings.Contains(plain, "/") {
			segments[i] = plain
		}
	}
	for _, p := range c.paths {
		values := p.pattern.FindStringSubmatch(strings.Join(segments, "/"))
		if values == nil {
			continue
		}
		params := map[string]string{}
		for i, name := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(p.template, -1) {
			params[name[1]] = values[i+1]
		}
		route.Path, route.PathItem = p.template, p.item
		route.Operation = p.item.Operations()[route.Method]
		return route, params
	}
	return route, nil
}

// response returns what the document says of an answer's status, and whether that
// is said for all paths and methods: a path of a test may be none that the handler
// under test has.
func (c *contract) response(route *routers.Route, x exchanged) (response *openapi3.Response, shared bool) {
	if route.Operation != nil {
		if ref := route.Operation.Responses.Status(x.status); ref != nil {
			return ref.Value, false
		}
	}
	var name string
	switch {
	case x.status == http.StatusNoContent && x.request.Method == http.MethodOptions:
		name = "Methods"
	case x.status == http.StatusMethodNotAllowed: // The handler under test may have no such method.
		name = "MethodNotAllowed"
	case x.status == http.StatusNotFound:
		name = "NotFound"
	default:
		return nil, false
	}
	return c.doc.Components.Responses[name].Value, true
}

func (c *contract) holdHeaders(t *testing.T, response *openapi3.Response, header http.Header) {
	t.Helper()
	undocumented := header.Clone()
	for _, name := range []string{"Content-Type", "Content-Length", "X-Content-Type-Options"} {
		undocumented.Del(name)
	}
	for name, h := range response.Headers {
		undocumented.Del(name)
		switch values := header.Values(name); {
		case len(values) == 1:
			var value any = values[0]
			if n, err := strconv.ParseFloat(values[0], 64); err == nil && h.Value.Schema.Value.Type.Is("integer") {
				value = n
			}
			require.NoError(t, h.Value.Schema.Value.VisitJSON(value, openapi3.EnableJSONSchema2020()), name)
		default:
			require.False(t, h.Value.Required, "the header %s is missing, or there twice", name)
		}
	}
	require.Empty(t, undocumented, "headers that are not documented")
}

func (c *contract) holdBody(t *testing.T, route *routers.Route, response *openapi3.Response, x exchanged) {
	t.Helper()
	if route.Operation == nil || route.Operation.Responses.Status(x.status) == nil {
		operation := &openapi3.Operation{Responses: openapi3.NewResponses(
			openapi3.WithStatus(x.status, &openapi3.ResponseRef{Value: response}))}
		route = &routers.Route{Spec: c.doc, Method: route.Method, PathItem: &openapi3.PathItem{}, Operation: operation}
	}
	require.NoError(t, openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: x.request, Route: route},
		Status:                 x.status, Header: x.header, Body: io.NopCloser(strings.NewReader(x.body)),
		Options: &openapi3filter.Options{IncludeResponseStatus: true},
	}), x.body)
	if media := response.Content.Get("application/json"); media != nil {
		var v any
		require.NoError(t, json.Unmarshal([]byte(x.body), &v))
		require.Empty(t, undocumented(media.Schema.Value, v, ""), "members that are not documented: %s", x.body)
	}
}

func (c *contract) holdRequest(t *testing.T, route *routers.Route, params map[string]string, x exchanged) {
	t.Helper()
	r := x.request.Clone(t.Context())
	r.Body = io.NopCloser(bytes.NewReader(x.sent))
	require.NoError(t, openapi3filter.ValidateRequest(t.Context(), &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc:  openapi3filter.NoopAuthenticationFunc,
			SkipSettingDefaults: true,
		},
	}), "the handler took a request that the document forbids: %s %s %s", r.Method, r.URL, x.sent)
	for name := range r.URL.Query() {
		require.NotNil(t, route.Operation.Parameters.GetByInAndName("query", name), "the handler took the parameter %s", name)
	}
}

// undocumented returns the paths of an answer's members that its schema does not
// list, though it allows them: clients must bear with those of a later version.
func undocumented(schema *openapi3.Schema, v any, at string) []string {
	var out []string
	switch v := v.(type) {
	case map[string]any:
		known := properties(schema)
		if len(known) == 0 {
			return nil // Any object will do.
		}
		for name, member := range v {
			if p := known[name]; p != nil {
				out = append(out, undocumented(p.Value, member, at+"."+name)...)
			} else {
				out = append(out, at+"."+name)
			}
		}
	case []any:
		for i, element := range v {
			if schema.Items != nil {
				out = append(out, undocumented(schema.Items.Value, element, fmt.Sprintf("%s[%d]", at, i))...)
			}
		}
	}
	return out
}

// properties are the members of an object with those of all parts of it.
func properties(schema *openapi3.Schema) openapi3.Schemas {
	out := openapi3.Schemas{}
	for _, part := range schema.AllOf {
		maps.Copy(out, properties(part.Value))
	}
	maps.Copy(out, schema.Properties)
	return out
}

// note remembers that an answer was seen.
func (c *contract) note(operation string, x exchanged) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var v struct{ Error struct{ Code string } }
	_ = json.Unmarshal([]byte(x.body), &v) // A success has none.
	c.seen[strings.TrimSpace(fmt.Sprintf("%s %d %s", operation, x.status, v.Error.Code))] = true
}
