module github.com/rag-assistant/webhooks/examples/lambda

go 1.26.0

replace github.com/rag-assistant/webhooks => ../..

require (
	github.com/aws/aws-lambda-go v1.55.1
	github.com/rag-assistant/webhooks v0.0.0
)
