package api

import (
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/internal/webui"
	"github.com/rag-assistant/webhooks/webhook/words"
)

type detectionView struct {
	WebhookID string `json:"webhookId"`

	Receiver        webhook.ReceiverKind `json:"receiver"`
	PayloadEncoding webhook.Encoding     `json:"payloadEncoding,omitempty"` // what this receiver verifies, if that is known
	Set             bool                 `json:"set"`                       // the webhook had another encoding and has this one now
	Explanation     string               `json:"explanation"`

	Probes []probeView `json:"probes"`
}

type probeView struct {
	Sent     webhook.ProbeBody `json:"sent"`
	Accepted bool              `json:"accepted"`

	deliveryView
}

func newDetectionView(said *words.Words, w webhook.Webhook, d webhook.Detection, set bool) detectionView {
	v := detectionView{
		WebhookID: w.ID, Receiver: d.Receiver, PayloadEncoding: d.Encoding, Set: set,
		Explanation: said.Message(webui.Explain(d, w)), Probes: make([]probeView, len(d.Probes)),
	}
	for i := range d.Probes {
		p := &d.Probes[i]
		v.Probes[i] = probeView{Sent: p.Sent, Accepted: p.Accepted(), deliveryView: newDeliveryView(&p.Delivery, false)}
	}
	return v
}
