package provider_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/verifier"
	"github.com/rag-assistant/webhooks/verifier/provider"
	"github.com/rag-assistant/webhooks/webhook/event"
)

const (
	slackCommand = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar" +
		"&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com" +
		"%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	paddlePrice = `{"data":{"id":"pri_01hsdn96k2hxjzsq5yerecdj9j","name":null,"status":"active","quantity":{"maximum":999999,"minimum":1},` +
		`"tax_mode":"account_setting","product_id":"pro_01hsdn8qp7yydry3x1yeg6a9rv","unit_price":{"amount":"1000","currency_code":"USD"},` +
		`"custom_data":null,"description":"testing","import_meta":null,"trial_period":null,"billing_cycle":{"interval":"month","frequency":1},` +
		`"unit_price_overrides":[]},"event_id":"evt_01hsdn97563968dy0szkmgjwh3","event_type":"price.created",` +
		`"occurred_at":"2024-03-20T10:07:35.590857Z","notification_id":"ntf_01hsdn977e920kbgzt6r6c9rqc"}`
	twilioCall = "CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212"
	twilioJSON = `{"property": "value", "boolean": true}`
	twilioURL  = "https://mycompany.com/myapp.php?foo=1&bar=2"
)

// TestVectors has the requests that senders publish, with the place.
func TestVectors(t *testing.T) {
	t.Parallel()
	form := "application/x-www-form-urlencoded"
	standard := func(prefix, id, at, signature string) map[string]string {
		return map[string]string{prefix + "-id": id, prefix + "-timestamp": at, prefix + "-signature": signature}
	}
	upstream := `{"test": 2432232314}`
	for _, tt := range []struct {
		name   string
		new    func(string, *provider.Options) (*provider.Verifier, error)
		secret string
		header map[string]string
		body   string
		at     int64
		url    string
		id     string // empty: it verifies, and is no event
		is     event.Type
	}{
		{
			// https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries#testing-the-webhook-payload-validation
			name: "GitHub", new: provider.GitHub, secret: "It's a Secret to Everybody", body: "Hello, World!",
			header: map[string]string{"X-Hub-Signature-256": "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
		},
		{
			// https://docs.slack.dev/authentication/verifying-requests-from-slack
			name: "Slack", new: provider.Slack, secret: "8f742231b10e8888abcd99yyyzzz85a5", body: slackCommand, at: 1531420618,
			header: map[string]string{
				"Content-Type": form, "X-Slack-Request-Timestamp": "1531420618",
				"X-Slack-Signature": "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
			},
			id: "evt_e3f67eafb2b68b94821e02372a7c73c8284243cec3a39b5bc1540de4b592be1f", is: "/webhook-collect",
		},
		{
			// https://docs.svix.com/receiving/verifying-payloads/how-manual
			name: "Svix", new: provider.Svix, secret: "whsec_plJ3nmyCDGBKInavdOK15jsl", at: 1731705121,
			body:   `{"event_type":"ping","data":{"success":true}}`,
			header: standard("svix", "msg_loFOjxBNrRLzqYUf", "1731705121", "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="),
			id:     "msg_loFOjxBNrRLzqYUf", is: "message",
		},
		{
			// https://github.com/standard-webhooks/standard-webhooks/blob/main/libraries/go/webhook_test.go
			name: "Standard Webhooks", new: provider.StandardWebhooks, secret: "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", body: upstream, at: 1614265330,
			header: standard("webhook", "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="),
			id:     "msg_p5jXN8AQM9LWM0D4loKWxJek", is: "message",
		},
		{
			// https://github.com/svix/svix-webhooks/blob/main/server/svix-server/src/worker.rs
			name: "Standard Webhooks, public key", new: provider.StandardWebhooks, secret: "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=", body: upstream, at: 1614265330,
			header: standard("webhook", "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330",
				"v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="),
			id: "msg_p5jXN8AQM9LWM0D4loKWxJek", is: "message",
		},
		{
			// https://github.com/PaddleHQ/paddle-go-sdk/blob/main/webhook_verifier_test.go
			name: "Paddle", new: provider.Paddle, secret: "pdl_ntfset_01hsdn8d43dt7mezr1ef2jtbaw_hKkRiCGyyRhbFwIUuqiTBgI7gnWoV0Gr", body: paddlePrice, at: 1710929255,
			header: map[string]string{"Paddle-Signature": "ts=1710929255;h1=6c05ef8fa83c44d751be6d259ec955ce5638e2c54095bf128e408e2fce1589c8"},
			id:     "evt_01hsdn97563968dy0szkmgjwh3", is: "price.created",
		},
		{
			// https://github.com/twilio/twilio-go/blob/main/client/request_validator_test.go, as the four below
			name: "Twilio", new: provider.Twilio, secret: "12345", body: twilioCall, url: twilioURL,
			header: map[string]string{"Content-Type": form, "X-Twilio-Signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8=", "I-Twilio-Idempotency-Token": "token"},
			id:     "token", is: "twilio",
		},
		{
			name: "Twilio, signed with the port", new: provider.Twilio, secret: "12345", body: twilioCall, url: twilioURL + "#rc=2",
			header: map[string]string{"Content-Type": form, "X-Twilio-Signature": "kvajT1Ptam85bY51eRf/AJRuM3w=", "I-Twilio-Idempotency-Token": "token"},
			id:     "token", is: "twilio",
		},
		{
			name: "Twilio, signed without the port", new: provider.Twilio, secret: "12345", body: twilioCall,
			url:    "https://mycompany.com:1234/myapp.php?foo=1&bar=2",
			header: map[string]string{"Content-Type": form, "X-Twilio-Signature": "RSOYDt4T1cUTdK1PDd93/VVr8B8=", "I-Twilio-Idempotency-Token": "token"},
			id:     "token", is: "twilio",
		},
		{
			name: "Twilio, JSON", new: provider.Twilio, secret: "12345", body: twilioJSON, url: twilioURL,
			header: map[string]string{"Content-Type": "application/json", "X-Twilio-Signature": "a9nBmqA0ju/hNViExpshrM61xv4=", "I-Twilio-Idempotency-Token": "token"},
			id:     "token", is: "twilio",
		},
		{
			name: "Twilio, JSON, no query", new: provider.Twilio, secret: "12345", body: twilioJSON, url: "https://mycompany.com/myapp.php",
			header: map[string]string{"Content-Type": "application/json", "X-Twilio-Signature": "y77kIzt2vzLz71DgmJGsen2scGs=", "I-Twilio-Idempotency-Token": "token"},
			id:     "token", is: "twilio",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			v, err := tt.new(tt.secret, &provider.Options{URL: tt.url, Now: func() time.Time { return time.Unix(tt.at, 0) }})
			require.NoError(t, err)
			h := http.Header{}
			for name, value := range tt.header {
				h.Set(name, value)
			}
			e, err := v.Verify(h, []byte(tt.body))
			if tt.id == "" {
				require.ErrorIs(t, err, event.ErrMalformed)
				return
			}
			require.NoError(t, err)
			require.Equal(t, tt.id, e.ID)
			require.Equal(t, tt.is, e.Type)
			_, err = v.Verify(h, []byte(tt.body+" "))
			require.ErrorIs(t, err, verifier.ErrMismatch)
		})
	}
}
