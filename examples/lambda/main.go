// Command lambda is a receiver on AWS Lambda. It takes the events of API Gateway, of both
// versions, of function URLs and of load balancers.
package main

import (
	"context"
	"encoding/base64"
	"log"
	"net/http"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/rag-assistant/webhooks/verifier"
)

const maxBody = 2 << 20 // 256 KiB in their longest spelling are 1.5 MiB.

// request is what the events have in common. Types of aws-lambda-go are for one each.
type request struct {
	Headers           map[string]string   `json:"headers"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders"`
	Body              string              `json:"body"`
	IsBase64Encoded   bool                `json:"isBase64Encoded"`
}

type response struct {
	StatusCode int `json:"statusCode"`
}

func main() {
	v, err := verifier.New(os.Getenv("WEBHOOK_SECRET"), nil)
	if err != nil {
		log.Fatal("WEBHOOK_SECRET is not the secret of a webhook: ", err)
	}
	lambda.Start(func(_ context.Context, r request) (response, error) {
		return response{receive(v, r)}, nil
	})
}

func receive(v *verifier.Verifier, r request) int {
	body := []byte(r.Body)
	if r.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(r.Body); err != nil {
			return http.StatusBadRequest
		}
	}
	if len(body) > maxBody {
		return http.StatusRequestEntityTooLarge
	}
	header := http.Header{}
	for name, value := range r.Headers {
		header.Set(name, value)
	}
	for name, values := range r.MultiValueHeaders { // Those of Headers among them.
		header.Del(name)
		for _, value := range values {
			header.Add(name, value)
		}
	}
	e, err := v.Verify(header, body)
	if err != nil {
		log.Println("refused:", err)
		return http.StatusUnauthorized
	}
	log.Println("received", e.Type, e.ID)
	// Put it into a queue, unless its id is there already; work on it afterwards.
	return http.StatusNoContent
}
