// Package apiclient is the client that a public generator makes of the OpenAPI
// document. Its test takes a webhook through its whole life with it: the document is
// good enough to generate from. The client is generated when it is tested, and git
// ignores it.
//
// It is a module of its own: what the client needs stays out of the go.mod of users.
package apiclient

//go:generate go tool -modfile=../../tools/go.mod oapi-codegen -config generate.yaml ../../webhook/api/openapi.yaml

// The client's own imports. `go mod tidy` must find them where no client is.
import (
	_ "github.com/oapi-codegen/runtime"
	_ "go.yaml.in/yaml/v3"
)
