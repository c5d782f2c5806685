package portal

import (
	"embed"
	"net/http"
	"strings"
	"text/template"

	"github.com/rag-assistant/webhooks/signer"
	"github.com/rag-assistant/webhooks/webhook"
)

// The programs are templates by a sender's [signer.Wire] and by whether its events have a
// shape. By the zero wire and without a shape they equal those of examples/receivers and
// docs/receivers.md, which the tests run with every kind of payload.
//
//go:embed snippets
var snippetFiles embed.FS

// snippet is a receiver in one language.
type snippet struct {
	ID, Name string
	File     string
	Needs    []string
	Code     string
}

// FileName is the name to save the program under. An embedded Go file must not end in
// .go.
func (s snippet) FileName() string { return strings.TrimSuffix(s.File, ".txt") }

// readSnippets returns the programs for a wire. A shaped body may have no id, or be no JSON:
// the programs take the id from webhook-id, which is signed, and leave the body to the reader.
func readSnippets(wire signer.Wire, shaped bool) ([]snippet, error) {
	all := []snippet{
		{ID: "node", Name: "Node.js", File: "receiver.js", Needs: []string{"Express"}},
		{ID: "python", Name: "Python", File: "receiver.py", Needs: []string{"Flask"}},
		{ID: "php", Name: "PHP", File: "receiver.php"},
		{ID: "ruby", Name: "Ruby", File: "receiver.rb", Needs: []string{"Sinatra"}},
		{ID: "go", Name: "Go", File: "main.go.txt"},
		{ID: "java", Name: "Java", File: "Receiver.java"},
		{ID: "csharp", Name: "C#", File: "Program.cs"},
		{ID: "rust", Name: "Rust", File: "main.rs", Needs: []string{"data-encoding", "hmac", "sha2", "tiny_http"}},
	}
	programs, err := template.New("").Delims("[[", "]]").Funcs(template.FuncMap{
		"variable": variable, "slashed": slashed, "options": wireOptions,
	}).ParseFS(snippetFiles, "snippets/*")
	if err != nil {
		return nil, err
	}
	for i := range all {
		var code strings.Builder
		if err := programs.ExecuteTemplate(&code, all[i].File, struct {
			signer.Wire

			Shaped bool
		}{wire, shaped}); err != nil {
			return nil, err
		}
		all[i].Code = code.String()
	}
	return all, nil
}

type verifyView struct {
	Webhook  webhook.Webhook
	Snippets []snippet
	Shown    snippet
	Needs    string
	Within   string // of how long an endpoint has to answer
	Wire     signer.Wire
}

func (p *Portal) verify(x *exchange) (answer, error) {
	w, err := p.svc.Webhook(x.R.Context(), x.MerchantID, x.WebhookID)
	if err != nil {
		return answer{}, err
	}
	v := verifyView{Webhook: w, Snippets: p.snippets, Shown: p.snippets[0], Wire: p.wire}
	for _, s := range p.snippets {
		if s.ID == x.R.URL.Query().Get("lang") {
			v.Shown = s
		}
	}
	v.Needs, v.Within = x.list(v.Shown.Needs), x.seconds(p.opts.AttemptTimeout)
	return answer{status: http.StatusOK, template: "verify", title: x.Say("Verify signatures in %s", v.Shown.Name), nav: "webhooks", data: v}, nil
}
