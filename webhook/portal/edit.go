package portal

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/rag-assistant/webhooks/webhook"
)

func (p *Portal) editForm(x *exchange) (answer, error) {
	if !x.Who.May(webhook.ScopeWrite) {
		return answer{}, errScope
	}
	w, err := p.svc.Webhook(x.R.Context(), x.MerchantID, x.WebhookID)
	if err != nil {
		return answer{}, err
	}
	f := p.formOf(x, w)
	f.Metadata, f.Headers = spare(f.Metadata, spareRows), spare(f.Headers, spareRows)
	return f.answer(http.StatusOK), nil
}

// edit saves a form. If the webhook has changed since the form was made, it shows
// both versions instead.
func (p *Portal) edit(x *exchange) (answer, error) {
	ctx := x.R.Context()
	version, err := x.version()
	if err != nil {
		return answer{}, err
	}
	present, err := p.svc.Webhook(ctx, x.MerchantID, x.WebhookID)
	if err != nil {
		return answer{}, err
	}
	f := p.readWebhookForm(x)
	f.New, f.HeaderNames, f.Version = false, present.HeaderNames, strconv.FormatInt(version, 10)
	if x.form.Get("action") == "rows" {
		f.addRows()
		return f.answer(http.StatusOK), nil
	}
	in, ok := f.update()
	if !ok {
		return f.answer(http.StatusUnprocessableEntity), nil
	}
	in.IfVersion = version
	_, err = p.svc.Update(ctx, x.MerchantID, x.WebhookID, in)
	switch {
	case errors.Is(err, webhook.ErrVersion):
		return p.stale(x, f)
	case f.refused(err):
		return f.answer(http.StatusUnprocessableEntity), nil
	case err != nil:
		return answer{}, err
	}
	return answer{redirect: x.hook() + "?done=saved"}, nil
}

// stale shows a form whose webhook has changed meanwhile. The form lists the changes,
// and sending it again overwrites them.
func (p *Portal) stale(x *exchange, f *webhookForm) (answer, error) {
	present, err := p.svc.Webhook(x.R.Context(), x.MerchantID, x.WebhookID)
	if err != nil {
		return answer{}, err
	}
	yours, _ := f.update()
	f.Changed, f.Version, f.HeaderNames = true, strconv.FormatInt(present.Version, 10), present.HeaderNames
	f.differ(f.Say("Endpoint URL"), present.URL, *yours.URL)
	f.differ(f.Say("Description"), present.Description, *yours.Description)
	f.differ(f.Say("Events"), strings.Join(slices.Sorted(slices.Values(present.Events)), ", "), strings.Join(slices.Sorted(slices.Values(yours.Events)), ", "))
	f.differ(f.Say("Payload encoding"), string(present.Encoding), string(*yours.Encoding))
	f.differ(f.Say("Rate limit"), strconv.Itoa(present.RateLimit), strconv.Itoa(*yours.RateLimit))
	f.differ(f.Say("Metadata"), pairsText(present.Metadata), pairsText(yours.Metadata))
	if yours.Headers != nil {
		f.differ(f.Say("Headers"), strings.Join(present.HeaderNames, ", "), strings.Join(slices.Sorted(maps.Keys(yours.Headers)), ", "))
	}
	return f.answer(http.StatusConflict), nil
}

func (f *webhookForm) differ(name, theirs, yours string) {
	if theirs != yours {
		f.Stale = append(f.Stale, difference{name, theirs, yours})
	}
}

func pairsText(m map[string]string) string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		out = append(out, fmt.Sprintf("%s: %s", key, m[key]))
	}
	return strings.Join(out, ", ")
}
