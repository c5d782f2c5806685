package portal_test

import (
	"html"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook/portal"
)

func TestProgramsHaveTheNamesOfTheWire(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"receiver.js", "receiver.py", "receiver.rb", "Receiver.java", "receiver.php", "Program.cs", "main.rs", "main.go"} {
		for name, wire := range map[string]signer.Wire{
			"a prefix": {Prefix: "X-Acme-"}, "a name": {Signature: "Acme-Hmac"}, "none": {OmitUntimed: true}, "none at all": {StandardOnly: true},
		} {
			program := strings.ToLower(strings.ReplaceAll(portal.Program(t, wire, false, file), "_", "-"))
			require.NotContains(t, program, "x-webhook", "%s, %s", file, name)
			require.NotContains(t, program, "[[", file)
			own := strings.ToLower(wire.WithDefaults().Signature)
			if file != "main.go" {
				require.Equal(t, own != "", strings.Contains(program, "sha256=") && strings.Contains(program, own), "%s, %s", file, name)
			}
		}
	}
}

func TestGoProgramConfiguresItsVerifier(t *testing.T) {
	t.Parallel()
	for want, wire := range map[string]signer.Wire{
		"": {UserAgent: "Acme/1", Svix: true},
		`Wire:    signer.Wire{Prefix: "X-Acme-"},`:                                                                       {Prefix: "X-Acme-"},
		`Wire:    signer.Wire{Prefix: "X-Acme-", Event: "Kind", WebhookID: "Hook", DeliveryID: "Try"},`:                  {Prefix: "X-Acme-", Event: "Kind", WebhookID: "Hook", DeliveryID: "Try"},
		`Wire:    signer.Wire{Signature: "Mac", Untimed: signer.Untimed{Prefix: "\"", Base64: true, DecodedKey: true}},`: {Signature: "Mac", Untimed: signer.Untimed{Prefix: `"`, Base64: true, DecodedKey: true}},
		`Wire:    signer.Wire{Untimed: signer.Untimed{NoPrefix: true}},`:                                                 {Untimed: signer.Untimed{NoPrefix: true}},
		`Wire:    signer.Wire{OmitUntimed: true},`:                                                                       {OmitUntimed: true, Untimed: signer.Untimed{Base64: true}},
		`Wire:    signer.Wire{StandardOnly: true},`:                                                                      {StandardOnly: true},
	} {
		program := portal.Program(t, wire, false, "main.go")
		require.Contains(t, program, want)
		require.Equal(t, want != "", strings.Contains(program, "/signer"))
	}
}

func TestVerifySaysWhatTheSenderWrites(t *testing.T) {
	t.Parallel()
	for want, wire := range map[string]signer.Wire{
		"X-Webhook-Signature is sha256= and the HMAC-SHA256 of the body, keyed with the whole secret.": {},
		"X-Acme-Signature is v= and the HMAC-SHA256 of the body, keyed with the whole secret.":         {Prefix: "X-Acme-", Untimed: signer.Untimed{Prefix: "v="}},
		"Mac is the HMAC-SHA256 of the body. It is written in base64. The key is the whole secret.":    {Signature: "Mac", Untimed: signer.Untimed{NoPrefix: true, Base64: true}},
		"The key is what follows whsec_ in the secret, decoded from base64.":                           {Untimed: signer.Untimed{DecodedKey: true}},
		"webhook-signature lists some with spaces between them: v1, and, in base64, the HMAC-SHA256":   {OmitUntimed: true},
	} {
		steps := tags.ReplaceAllString(portal.Steps(t, wire), "")
		require.Contains(t, html.UnescapeString(steps), want)
		require.Equal(t, 2, strings.Count(portal.Steps(t, wire), "<li>"))
	}
}
