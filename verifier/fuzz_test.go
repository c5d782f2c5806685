package verifier_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/verifier"
)

var (
	untimedForm   = regexp.MustCompile(`^[ \t]*sha256=[0-9a-fA-F]{64}[ \t]*$`)
	timestampForm = regexp.MustCompile(`^[1-9][0-9]*$`)
)

// plainCheck is Check written at length: crypto/hmac, regular expressions, and
// the table of the package documentation.
func plainCheck(h http.Header, body string, now time.Time, acceptUntimed bool, secrets ...string) error {
	untimed, standard := verifier.ErrMismatch, verifier.ErrMismatch
	values := h["X-Webhook-Signature"]
	if len(values) == 0 {
		untimed = verifier.ErrMissingSignature
	}
	for _, secret := range secrets {
		if len(values) == 1 && untimedForm.MatchString(values[0]) && strings.EqualFold(strings.Trim(values[0], " \t"), untimedHeader(secret, body)) {
			untimed = nil
		}
	}
	value := map[string]string{}
	once := true
	for _, name := range []string{"Webhook-Signature", "Webhook-Id", "Webhook-Timestamp"} {
		switch {
		case name == "Webhook-Signature" && len(h[name]) > 1:
			words := regexp.MustCompile(`[^ \t,]+`).FindAllString(strings.Join(h[name], " "), -1)
			for i := 0; i+1 < len(words); i += 2 {
				value[name] += words[i] + "," + words[i+1] + " "
			}
		case len(h[name]) == 1:
			value[name] = strings.Trim(h[name][0], " \t")
		case len(h[name]) == 0 && once: // The first header that does not come exactly once decides.
			standard = verifier.ErrMissingSignature
			once = false
		default:
			once = false
		}
	}
	id, timestamp := value["Webhook-Id"], value["Webhook-Timestamp"]
	if once && id != "" && !strings.Contains(id, ".") && timestampForm.MatchString(timestamp) {
		for _, secret := range secrets {
			key, _ := base64.RawStdEncoding.DecodeString(strings.TrimRight(strings.TrimPrefix(secret, "whsec_"), "="))
			want := "v1," + base64.StdEncoding.EncodeToString(mac(string(key), fmt.Sprintf("%s.%s.%s", id, timestamp, body)))
			for got := range strings.SplitSeq(value["Webhook-Signature"], " ") {
				if seconds, err := strconv.ParseInt(timestamp, 10, 41); err == nil && got == want {
					if standard = nil; now.Sub(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
						standard = verifier.ErrStale
					}
				}
			}
		}
	}
	if acceptUntimed && len(h["Webhook-Signature"])+len(h["Webhook-Id"])+len(h["Webhook-Timestamp"]) == 0 {
		return untimed
	}
	return standard
}

// FuzzCheck compares Check with plainCheck on headers of any kind. untimed, standard,
// id and timestamp are values, one a line, and in the first two "=" stands for
// the right signature. flags chooses AcceptUntimed, which secret signs,
// and whether the Standard Webhooks headers are left out.
func FuzzCheck(f *testing.F) {
	for _, untimed := range []string{"=", "", "=\n=", "sha256=00", " =\t", strings.ToUpper(untimedHeader(secretA, eventBody))} {
		for _, standard := range []string{"=", "", "v1,x", "=\n=", "v1a,x ="} {
			f.Add(untimed, standard, "evt_1", int64(0), "", eventBody, byte(0))
		}
	}
	f.Add("", "=", "evt.1", int64(0), "", eventBody, byte(0))
	f.Add("=", "=", "evt_1", int64(-301), "", eventBody, byte(1))
	f.Add("=", "=", "evt_1", int64(300), "", eventBody, byte(2))
	f.Add("=", "=", "evt_1", int64(0), "01762257600", eventBody, byte(3))
	f.Add("=", "", "evt_1", int64(0), "", eventBody, byte(4))
	f.Add("=", "", "evt_1", int64(0), "", eventBody, byte(5))
	f.Fuzz(func(t *testing.T, untimed, standard, id string, offset int64, timestamp, body string, flags byte) {
		secrets := []string{secretA, secretB}
		signing := secrets[flags>>1&1]
		at := testTime.Add(time.Duration(offset%1_000_000) * time.Second)
		if timestamp == "" {
			timestamp = strconv.FormatInt(at.Unix(), 10)
		}
		h := http.Header{}
		add := func(name, values, right string) {
			for value := range strings.SplitSeq(values, "\n") {
				if values != "" {
					h.Add(name, strings.ReplaceAll(value, "=", right))
				}
			}
		}
		key, _ := base64.RawStdEncoding.DecodeString(signing[len("whsec_"):])
		right := "v1," + base64.StdEncoding.EncodeToString(mac(string(key), id+"."+timestamp+"."+body))
		if strings.Contains(untimed, "sha256=") || strings.Contains(untimed, "SHA256=") {
			h.Add("X-Webhook-Signature", untimed)
		} else {
			add("X-Webhook-Signature", untimed, untimedHeader(signing, body))
		}
		if flags&4 == 0 {
			add("Webhook-Signature", standard, right)
			add("Webhook-Id", id, "")
			add("Webhook-Timestamp", timestamp, "")
		}
		v := newVerifier(t, secretA, &verifier.Options{
			OtherSecrets: []string{secretB}, AcceptUntimed: flags&1 == 1, Now: atTestTime,
		})
		want := plainCheck(h, body, testTime, flags&1 == 1, secrets...)
		err := v.Check(h, []byte(body))
		require.ErrorIs(t, err, want, "%q", h)
		if want == nil {
			require.NoError(t, err, "%q", h)
		}
	})
}
