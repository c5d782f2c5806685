package explain

// vendors are the headers of other schemes, and the vendor whose name is
// the constructor in package verifier/provider.
//
//nolint:gochecknoglobals // constant
var vendors = []struct{ header, vendor string }{
	{"X-Hub-Signature-256", "GitHub"},
	{"Stripe-Signature", "Stripe"},
	{"X-Slack-Signature", "Slack"},
	{"X-Shopify-Hmac-Sha256", "Shopify"},
	{"X-Twilio-Signature", "Twilio"},
	{"Paddle-Signature", "Paddle"},
	{"X-Zm-Signature", "Zoom"},
}

// vendor returns a finding if the request is signed in a known scheme and has no
// signature of the receiver's.
func (x *explanation) vendor() (Finding, bool) {
	if x.standardDecides() || len(x.find(x.opts.Wire.Signature).values) > 0 {
		return Finding{}, false
	}
	for _, v := range vendors {
		if f := x.find(v.header); len(f.values) > 0 {
			return Finding{
				SchemeVendor, true, v.header + " is there, so this is signed in " + v.vendor + "'s scheme, which package verifier does not take.",
				"Verify it with provider." + v.vendor + " of verifier/provider, and the secret that " + v.vendor + " shows.",
			}, true
		}
	}
	return Finding{}, false
}
