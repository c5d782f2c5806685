package api

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/signer"
)

// sayNumbers says the numbers that are in force where they are not the usual ones.
func (o Options) sayNumbers(doc *yaml.Node) {
	about := member(doc, "info", "description")
	about.Value = strings.NewReplacer(
		"For 24 hours,", "For "+span(o.IdempotencyAge)+",",
		"the sixth test", "the "+ordinal(o.TestsPerMinute+1)+" test",
	).Replace(about.Value)
	eachMember(member(doc, "paths"), func(name, value *yaml.Node) {
		if name.Value == "description" && value.Kind == yaml.ScalarNode {
			value.Value = strings.Replace(value.Value, "within 15 seconds or what", "within "+span(o.TestWait)+" or what", 1)
		}
	})
	received := member(doc, "webhooks", "webhook.test", "post", "responses")
	if o.AttemptTimeout > 0 {
		ok := member(received, "2XX", "description")
		ok.Value = strings.Replace(ok.Value, "within 10 seconds", "within "+span(o.AttemptTimeout), 1)
	}
	if schedule := retries(o.Retry); schedule != retries(retry.Policy{}) {
		member(received, "default", "description").Value = "Not received, redirects included. " + schedule
	}
}

// retries says when a delivery is tried again.
func retries(p retry.Policy) string {
	delays, attempts := p.Delays, p.MaxAttempts
	if len(delays) == 0 {
		delays = retry.DefaultDelays()
	}
	if attempts == 0 {
		attempts = retry.DefaultMaxAttempts
	}
	if attempts == 1 {
		return "The delivery has failed then: it is not tried again.\n"
	}
	said := make([]string, 0, len(delays))
	for _, d := range delays[:min(attempts-1, len(delays))] {
		said = append(said, span(d))
	}
	rest := ""
	if attempts-1 > len(delays) {
		rest = " and so on"
	}
	return fmt.Sprintf("The delivery is tried again after %s%s, or as\n`Retry-After` asks with 429 and 503, and fails after its %s attempt.\n",
		strings.Join(said, ", "), rest, ordinal(attempts))
}

// span says a time in the largest unit that it is a multiple of.
func span(d time.Duration) string {
	for _, unit := range []struct {
		length time.Duration
		name   string
	}{{time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		switch {
		case d == unit.length:
			return "1 " + unit.name
		case d > 0 && d%unit.length == 0:
			return fmt.Sprintf("%d %ss", d/unit.length, unit.name)
		}
	}
	return d.String()
}

func ordinal(n int) string {
	if words := []string{"first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth"}; n <= len(words) {
		return words[n-1]
	}
	end := "th"
	if n/10%10 != 1 && n%10 >= 1 && n%10 <= 3 {
		end = []string{"st", "nd", "rd"}[n%10-1]
	}
	return strconv.Itoa(n) + end
}

// sayWire describes the headers of requests that do not have the usual ones.
func sayWire(doc *yaml.Node, w signer.Wire) {
	if w == (signer.Wire{}).WithDefaults() {
		return
	}
	parameters := member(doc, "components", "parameters")
	sent := member(doc, "webhooks", "webhook.test", "post", "parameters")
	for name, header := range map[string]string{
		"Signature": w.Signature, "EventTypeHeader": w.Event, "WebhookIDHeader": w.WebhookID, "DeliveryIDHeader": w.DeliveryID,
	} {
		if header == "" {
			cut(parameters, name)
			sent.Content = slices.DeleteFunc(sent.Content, func(n *yaml.Node) bool { return member(n, "$ref").Value == reference(name) })
			continue
		}
		member(parameters, name, "name").Value = header
	}
	member(parameters, "UserAgent", "example").Value = w.UserAgent
	if w.Svix {
		for name, as := range map[string]string{"SvixID": "webhook-id", "SvixTimestamp": "webhook-timestamp", "SvixSignature": "webhook-signature"} {
			addHeader(parameters, sent, name, strings.Replace(as, "webhook", "svix", 1), "The same as `"+as+"`.")
		}
	}
	sayUntimed(doc, w)
}

func reference(parameter string) string { return "#/components/parameters/" + parameter }

func addHeader(parameters, sent *yaml.Node, name, header, about string) {
	parameter, ref, schema := &yaml.Node{Kind: yaml.MappingNode}, &yaml.Node{Kind: yaml.MappingNode}, &yaml.Node{Kind: yaml.MappingNode}
	add(schema, "type", text("string"))
	add(parameter, "name", text(header))
	add(parameter, "in", text("header"))
	add(parameter, "description", text(about))
	add(parameter, "schema", schema)
	add(parameters, name, parameter)
	add(ref, "$ref", text(reference(name)))
	sent.Content = append(sent.Content, ref)
}

// sayUntimed describes the signature that has no time, and what there is without it.
func sayUntimed(doc *yaml.Node, w signer.Wire) {
	secret := member(doc, "components", "schemas", "WebhookSecret")
	rotate := member(doc, "paths", "/merchants/{merchantId}/webhooks/{webhookId}/secret/rotate", "post", "description")
	if w.Signature == "" {
		rotate.Value = "The new secret signs from now on. The old one stays good for the grace: `webhook-signature` lists both.\n" +
			"Without a grace, all older secrets end at once.\n"
		member(doc, "webhooks", "webhook.test", "post", "responses", "401", "description").Value = "The signature is not right.\n"
		eachMember(secret, func(name, value *yaml.Node) {
			if name.Value == "description" && value.Kind == yaml.ScalarNode {
				value.Value = strings.Replace(value.Value, "It is used as it stands, `whsec_` included, except\nin Standard Webhooks libraries, which decode it themselves.",
					"Standard Webhooks libraries take it as it\nstands, `whsec_` included.", 1)
			}
		})
		return
	}
	rotate.Value = strings.Replace(rotate.Value, signer.HeaderSignature, w.Signature, 1)
	form, digits, key := "hex", "[0-9a-f]{64}", "the whole secret,\n`whsec_` included"
	if w.Untimed.Base64 {
		form, digits = "base64", "[A-Za-z0-9+/]{43}="
	}
	if w.Untimed.DecodedKey {
		key = "what the secret\nholds in base64 behind `whsec_`"
	}
	begin := "The"
	if w.Untimed.Prefix != "" {
		begin = "`" + w.Untimed.Prefix + "` and the"
	}
	signature := member(doc, "components", "parameters", "Signature")
	member(signature, "description").Value = begin + " " + form + " HMAC-SHA256 of the body as it was received. The key is " + key +
		". Always there, unless the webhook was registered with `signature: v1a`, which\nhas no secret.\n"
	member(signature, "schema", "pattern").Value = "^" + regexp.QuoteMeta(w.Untimed.Prefix) + digits + "$"
}
