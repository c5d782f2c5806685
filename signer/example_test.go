package signer_test

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/rag-assistant/webhooks/signer"
)

func Example() {
	secret, err := signer.ParseSecret("whsec_xyz789abc123def456ghi789jkl012mno345")
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := signer.New(secret)
	if err != nil {
		fmt.Println(err)
		return
	}
	body, now := []byte(`{"test": 2432232314}`), time.Unix(1762257600, 0)

	header := http.Header{}
	header.Set(signer.HeaderSignature, string(s.AppendSignature(nil, body)))
	header.Set(signer.HeaderStandardID, "evt_test_abc123")
	header.Set(signer.HeaderStandardTimestamp, strconv.FormatInt(now.Unix(), 10))
	header.Set(signer.HeaderStandardSignature, string(s.AppendStandard(nil, "evt_test_abc123", now, body)))

	fmt.Println(header.Get(signer.HeaderSignature))
	fmt.Println(header.Get(signer.HeaderStandardSignature))
	fmt.Println(s.Verify(body, header.Get(signer.HeaderSignature)))
	fmt.Println(secret)
	// Output:
	// sha256=60c255f9d2f1cc3be1d1c4b52c8a0faf3598519b6c00e81b0057455f7d3a9950
	// v1,1VlFEmlPdxhoPJoo1pbXVxzqJ/QI0MD11N8tFeoAeu4=
	// true
	// whsec_***
}

// While a receiver moves to a new secret, requests are signed with both.
func ExampleNew_rotation() {
	current, previous := signer.NewSecret(), signer.NewSecret()
	s, err := signer.New(current, previous)
	if err != nil {
		fmt.Println(err)
		return
	}
	body, now := []byte("{}"), time.Unix(1762257600, 0)
	signatures := string(s.AppendStandard(nil, "evt_1", now, body))

	old, err := signer.New(previous) // The receiver still has this one.
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(old.VerifyStandard("evt_1", now, body, signatures))
	// Output: true
}

// A receiver that holds a public key only cannot sign, and cannot lose a secret.
func ExampleNewAsymmetric() {
	private := signer.NewPrivateKey() // seal private.Reveal(); show private.Public() to the receiver
	s, err := signer.NewAsymmetric(private)
	if err != nil {
		fmt.Println(err)
		return
	}
	body, now := []byte("{}"), time.Unix(1762257600, 0)
	signatures := string(s.AppendStandard(nil, "evt_1", now, body))

	public, err := signer.ParsePublicKey(private.Public().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(signatures[:4], public.VerifyStandard("evt_1", now, body, signatures))
	fmt.Println(private)
	// Output:
	// v1a, true
	// whsk_***
}
