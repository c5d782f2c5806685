package api

import "net/http"

// noBody refuses a body that says anything.
func (x *exchange) noBody() error {
	m, err := x.optionalBody()
	if err != nil {
		return err
	}
	return invalidIf(m.done())
}

func (h *Handler) cancelDelivery(x *exchange) (answer, error) {
	if err := x.noBody(); err != nil {
		return answer{}, err
	}
	d, err := h.svc.CancelDelivery(x.R.Context(), x.MerchantID, x.WebhookID, x.DeliveryID)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, data: newDeliveryView(&d, false)}, nil
}

func (h *Handler) cancelPending(x *exchange) (answer, error) {
	if err := x.noBody(); err != nil {
		return answer{}, err
	}
	done, err := h.svc.CancelPending(x.R.Context(), x.MerchantID, x.WebhookID)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusOK, data: cancelledView{Deliveries: done.Deliveries, More: done.More}}, nil
}
