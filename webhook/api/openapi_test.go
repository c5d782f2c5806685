package api_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/internal/harness"
	"github.com/rag-assistant/webhooks/store/memstore"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/api"
	"github.com/rag-assistant/webhooks/webhook/event"
)

func openAPI(t *testing.T) *openapi3.T {
	t.Helper()
	c, err := theContract()
	require.NoError(t, err)
	return c.doc
}

func TestOpenAPIIsValid(t *testing.T) {
	t.Parallel()
	doc := openAPI(t)
	require.True(t, strings.HasPrefix(doc.OpenAPI, "3.1."), doc.OpenAPI)
	require.NoError(t, doc.Validate(t.Context(), openapi3.EnableMultiError()))
}

func TestOpenAPIHasAllRoutes(t *testing.T) {
	t.Parallel()
	svc, err := webhook.NewService(memstore.New(nil), nil)
	require.NoError(t, err)
	h, err := api.New(svc, bearer, &api.Options{EnablePublish: true, Operator: newOperator(t)})
	require.NoError(t, err)
	var documented []string
	for path, item := range openAPI(t).Paths.Map() {
		for method := range item.Operations() {
			documented = append(documented, method+" "+path)
		}
	}
	require.ElementsMatch(t, documented, h.Documented())
}

// inspect calls f with every node of a kind in this package and in webhook, without
// their tests.
func inspect[N ast.Node](t *testing.T, f func(N)) {
	t.Helper()
	names, err := filepath.Glob("*.go")
	require.NoError(t, err)
	more, err := filepath.Glob("../*.go")
	require.NoError(t, err)
	names = append(names, more...)
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			if n, ok := n.(N); ok {
				f(n)
			}
			return true
		})
	}
}

// Each apiError is in the document under its status, and nothing else is.
func TestOpenAPIHasAllErrorCodes(t *testing.T) {
	t.Parallel()
	made := map[string]bool{}
	inspect(t, func(n *ast.CompositeLit) {
		if name, ok := n.Type.(*ast.Ident); !ok || name.Name != "apiError" {
			return
		}
		var status, code string
		ast.Inspect(n, func(n ast.Node) bool {
			switch v := n.(type) {
			case *ast.SelectorExpr:
				if strings.HasPrefix(v.Sel.Name, "Status") {
					status = v.Sel.Name
				}
			case *ast.KeyValueExpr:
				if text, ok := v.Value.(*ast.BasicLit); ok && fmt.Sprint(v.Key) == "code" {
					code = strings.Trim(text.Value, `"`)
				}
			}
			return true
		})
		made[status+" "+code] = true
	})
	documented := map[string]bool{}
	add := func(status int, response *openapi3.Response) {
		for _, code := range codes(response) {
			if status >= 400 {
				documented["Status"+strings.ReplaceAll(http.StatusText(status), " ", "")+" "+code] = true
			}
		}
	}
	doc := openAPI(t)
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			for status, response := range op.Responses.Map() {
				n, err := strconv.Atoi(status)
				require.NoError(t, err)
				require.NotEmpty(t, codes(response.Value), "%s %s has no codes", op.OperationID, status)
				add(n, response.Value)
			}
		}
	}
	add(http.StatusMethodNotAllowed, doc.Components.Responses["MethodNotAllowed"].Value)
	require.Equal(t, made, documented)
}

// The constants that answers hold are the enums of the document.
func TestOpenAPIHasAllConstants(t *testing.T) {
	t.Parallel()
	doc := openAPI(t)
	enum := func(schema string) []any { return doc.Components.Schemas[schema].Value.Enum }
	reason := properties(doc.Components.Schemas["Webhook"].Value)["disabledReason"].Value.Enum
	for prefix, c := range map[string]struct {
		values     map[string]any
		documented []any
	}{
		"Code": {map[string]any{
			"CodeTimeout": string(webhook.CodeTimeout), "CodeDNS": string(webhook.CodeDNS), "CodeBlockedAddress": string(webhook.CodeBlockedAddress),
			"CodeConnect": string(webhook.CodeConnect), "CodeConnection": string(webhook.CodeConnection), "CodeTLS": string(webhook.CodeTLS),
			"CodeBadResponse": string(webhook.CodeBadResponse), "CodeRedirect": string(webhook.CodeRedirect),
			"CodeWebhookDisabled": string(webhook.CodeWebhookDisabled), "CodeInternal": string(webhook.CodeInternal), "CodeDamaged": string(webhook.CodeDamaged), "CodeSecretLost": string(webhook.CodeSecretLost),
			"CodeCancelled": string(webhook.CodeCancelled),
			"CodeStatus":    string(webhook.CodeStatus),
		}, append(enum("DeliveryError"), string(webhook.CodeStatus))}, // which statusCode says already
		"Reason": {map[string]any{
			"ReasonFailures": string(webhook.ReasonFailures), "ReasonGone": string(webhook.ReasonGone), "ReasonRequest": string(webhook.ReasonRequest),
		}, reason},
		"Encoding": {map[string]any{
			"EncodingStandard": string(webhook.EncodingStandard), "EncodingASCII": string(webhook.EncodingASCII),
			"EncodingHTML": string(webhook.EncodingHTML),
		}, enum("PayloadEncoding")},
		"Scheme": {map[string]any{
			"SchemeSecret": string(webhook.SchemeSecret), "SchemeAsymmetric": string(webhook.SchemeAsymmetric),
		}, enum("SignatureScheme")},
		"Found": {map[string]any{
			"FoundRaw": string(webhook.FoundRaw), "FoundRewrites": string(webhook.FoundRewrites), "FoundOpen": string(webhook.FoundOpen),
			"FoundNone": string(webhook.FoundNone), "FoundNothing": string(webhook.FoundNothing),
		}, properties(doc.Components.Schemas["Detection"].Value)["receiver"].Value.Enum},
		"Probe": {map[string]any{
			"ProbeStandard": string(webhook.ProbeStandard), "ProbeASCII": string(webhook.ProbeASCII), "ProbeHTML": string(webhook.ProbeHTML),
			"ProbeEscaped": string(webhook.ProbeEscaped), "ProbeForged": string(webhook.ProbeForged),
		}, properties(doc.Components.Schemas["Probe"].Value)["sent"].Value.Enum},
		"Condition": {map[string]any{
			"ConditionHealthy": string(webhook.ConditionHealthy), "ConditionFailing": string(webhook.ConditionFailing),
			"ConditionDisabled": string(webhook.ConditionDisabled),
		}, enum("WebhookHealth")},
		"Delivery": {map[string]any{
			"DeliveryPending": string(webhook.DeliveryPending), "DeliverySucceeded": string(webhook.DeliverySucceeded),
			"DeliveryFailed": string(webhook.DeliveryFailed),
		}, enum("DeliveryStatus")},
	} {
		t.Run(prefix, func(t *testing.T) {
			t.Parallel()
			var declared []string
			inspect(t, func(n *ast.GenDecl) {
				for _, spec := range n.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok && n.Tok == token.CONST && strings.HasPrefix(v.Names[0].Name, prefix) {
						declared = append(declared, v.Names[0].Name)
					}
				}
			})
			require.ElementsMatch(t, slices.Collect(maps.Keys(c.values)), declared)
			require.ElementsMatch(t, slices.Collect(maps.Values(c.values)), c.documented)
		})
	}
	require.ElementsMatch(t, []any{string(webhook.Active), string(webhook.Disabled)}, enum("WebhookStatus"))
}

// What answers are made of, and what is sent, has the members of its schema.
func TestOpenAPIHasAllFields(t *testing.T) {
	t.Parallel()
	views := api.Views()
	inspect(t, func(n *ast.TypeSpec) {
		if !strings.HasSuffix(n.Name.Name, "View") {
			return
		}
		named := func(v reflect.Type) bool { return v.Name() == n.Name.Name }
		require.True(t, slices.ContainsFunc(slices.Collect(maps.Values(views)), named), "%s has no schema", n.Name.Name)
	})
	for _, payload := range []event.Payload{
		event.ChatQueryCompleted{},
		event.ChatQueryFailed{},
		event.DocumentCreated{},
		event.DocumentUpdated{},
		event.DocumentDeleted{},
		event.UsageLimitApproaching{},
		event.UsageLimitExceeded{},
		event.APIKeyExpiring{},
		event.WebhookTest{},
	} {
		views[reflect.TypeOf(payload).Name()] = reflect.TypeOf(payload)
	}
	views["Recommendation"] = reflect.TypeFor[event.Recommendation]()
	views["Change"] = reflect.TypeFor[event.Change]()
	doc := openAPI(t)
	for name, view := range views {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, doc.Components.Schemas, name)
			schema := doc.Components.Schemas[name].Value
			var members, needed []string
			for _, f := range jsonFields(view) {
				member, option, _ := strings.Cut(f.Tag.Get("json"), ",")
				members = append(members, member)
				if option == "" {
					needed = append(needed, member)
				}
				if p := properties(schema)[member]; p != nil {
					requireType(t, f.Type, p.Value, member)
				}
			}
			documented := properties(schema)
			require.ElementsMatch(t, slices.Collect(maps.Keys(documented)), members)
			require.ElementsMatch(t, required(schema), needed, "what is never left out is required")
		})
	}
}

// jsonFields are those of a struct and of the structs that it embeds.
func jsonFields(s reflect.Type) []reflect.StructField {
	var out []reflect.StructField
	for f := range s.Fields() {
		if f.Anonymous {
			out = append(out, jsonFields(f.Type)...)
		} else {
			out = append(out, f)
		}
	}
	return out
}

func required(schema *openapi3.Schema) []string {
	out := slices.Clone(schema.Required)
	for _, part := range schema.AllOf {
		out = append(out, required(part.Value)...)
	}
	return out
}

// requireType requires that a field is written as its schema says. A schema with
// another one beside it or none takes anything here.
func requireType(t *testing.T, field reflect.Type, schema *openapi3.Schema, name string) {
	t.Helper()
	if field.Kind() == reflect.Pointer {
		field = field.Elem()
	}
	want := ""
	switch field.Kind() {
	case reflect.String:
		want = "string"
	case reflect.Bool:
		want = "boolean"
	case reflect.Int, reflect.Int64:
		want = "integer"
	case reflect.Float64:
		want = "number"
	case reflect.Slice:
		want = "array"
	case reflect.Struct, reflect.Map:
		want = "object"
	}
	if field.Name() == "Time" {
		want = "string"
	}
	if field == reflect.TypeFor[json.RawMessage]() || field.Kind() == reflect.Interface {
		return
	}
	require.True(t, schema.Type.Includes(want), "%s is a %s, not %v", name, want, schema.Type)
}

// Samples of the guide are in the document word for word.
func TestOpenAPIHasTheGuidesSamples(t *testing.T) {
	t.Parallel()
	doc := openAPI(t)
	sample := func(path, method, status string) string {
		example := doc.Paths.Value(path).Operations()[method].Responses.Value(status).Value.
			Content["application/json"].Examples["guide"].Value.Value
		text, err := json.Marshal(example)
		require.NoError(t, err)
		return string(text)
	}
	require.JSONEq(t, guide(t, "created.json"), sample("/merchants/{merchantId}/webhooks", "POST", "201"))
	log := strings.TrimSuffix(guide(t, "deliveries.json"), "}") + `,"timestamp":"2025-11-04T12:15:00Z","requestId":"req_abc123"}`
	require.JSONEq(t, log, sample("/merchants/{merchantId}/webhooks/{webhookId}/deliveries", "GET", "200"))

	require.Len(t, doc.Webhooks, 9)
	for e := range event.DefaultCatalog().All() {
		op := doc.Webhooks[string(e.Type)].Post
		require.Equal(t, e.Description, op.Summary)
		text, err := json.Marshal(op.RequestBody.Value.Content["application/json"].Example)
		require.NoError(t, err)
		require.JSONEq(t, string(e.Example), string(text))
	}
}

// No request may have a member that is not listed, and each that is listed is known
// to the handler.
func TestOpenAPIRequests(t *testing.T) {
	t.Parallel()
	merchants, operators := newSite(t, nil, nil), newDesk(t).site
	id := merchants.hook(harness.Merchant)
	for path, item := range openAPI(t).Paths.Map() {
		s := merchants
		if strings.HasPrefix(path, "/operator/") {
			s = operators
		}
		for method, op := range item.Operations() {
			url := "/api" + strings.NewReplacer("{merchantId}", harness.Merchant, "{webhookId}", id, "{deliveryId}", "whdel_1").Replace(path)
			if op.RequestBody != nil {
				schema := op.RequestBody.Value.Content["application/json"].Schema.Value
				require.Equal(t, new(false), schema.AdditionalProperties.Has, op.OperationID)
				for name, member := range schema.Properties {
					wrong := map[bool]string{true: "1", false: "true"}[member.Value.Type.Is("boolean")]
					require.True(t, s.knows(method, url, fmt.Sprintf("{%q:%s}", name, wrong), name), "%s: %s", op.OperationID, name)
				}
			}
			for _, p := range op.Parameters {
				if name := p.Value.Name; p.Value.In == "query" {
					require.True(t, s.knows(method, url+"?"+name+"=%00", "", name), "%s: %s", op.OperationID, name)
				}
			}
		}
	}
}

// knows sends a member or parameter of a wrong kind, and reports whether that is
// all that is wrong with it.
func (s *site) knows(method, url, body, name string) bool {
	s.t.Helper()
	for _, d := range s.do(method, url, body).is(http.StatusBadRequest).refusal().Details {
		if d.Field == name {
			return !strings.HasPrefix(d.Message, "is not a field") && !strings.HasPrefix(d.Message, "is not a parameter")
		}
	}
	s.t.Fatalf("%s %s took a %s of a wrong kind", method, url, name)
	return false
}

// Whatever the handler takes out of a body (m) or a query (q) is documented.
func TestOpenAPIHasAllNames(t *testing.T) {
	t.Parallel()
	documented := map[string]bool{}
	for _, item := range openAPI(t).Paths.Map() {
		for _, op := range item.Operations() {
			for _, p := range op.Parameters {
				documented["q "+p.Value.Name] = true
			}
			if op.RequestBody != nil {
				for name := range op.RequestBody.Value.Content["application/json"].Schema.Value.Properties {
					documented["m "+name] = true
				}
			}
		}
	}
	inspect(t, func(n *ast.CallExpr) {
		call, ok := n.Fun.(*ast.SelectorExpr)
		if !ok || len(n.Args) == 0 {
			return
		}
		name, ok := n.Args[0].(*ast.BasicLit)
		if from, known := call.X.(*ast.Ident); ok && known && (from.Name == "m" || from.Name == "q") {
			taken := from.Name + " " + strings.Trim(name.Value, `"`)
			require.True(t, documented[taken], taken)
		}
	})
}
