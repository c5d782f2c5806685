module github.com/rag-assistant/webhooks/internal/apiclient

go 1.26.0

replace github.com/rag-assistant/webhooks => ../..

require (
	github.com/oapi-codegen/runtime v1.9.0
	github.com/rag-assistant/webhooks v0.0.0
	github.com/stretchr/testify v1.12.1
	go.yaml.in/yaml/v3 v3.0.6
)

require (
	code.dny.dev/ssrf v0.3.0 // indirect
	github.com/apapsch/go-jsonmerge/v2 v2.0.0 // indirect
	github.com/go-json-experiment/json v1.27.2 // indirect
	github.com/google/uuid v1.6.0 // indirect
	go.yaml.in/yaml/v4 v4.0.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
)
