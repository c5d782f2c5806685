// Package apiclient makes what can be made of the OpenAPI document of the
// management API. It is a module of its own, so that what that needs stays out of
// the go.mod of users.
package apiclient

//go:generate go run ./yamljson ../../webhook/openapi.yaml ../../webhook/openapi.json
