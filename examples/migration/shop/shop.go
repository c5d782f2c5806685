// Package shop is a company with a sender of webhooks of its own, as it grew: a table of
// endpoints, a loop that posts, and three signatures of three years.
package shop

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// Endpoint is a row of the table.
type Endpoint struct {
	ID         int    `json:"id"`
	ShopID     int    `json:"shop_id"`
	URL        string `json:"url"`
	SigningKey string `json:"signing_key"`
	Topics     string `json:"topics"` // "orders/paid,orders/refunded", or "*"
	CreatedAt  string `json:"created_at"`
}

// Table returns 500 endpoints of 450 shops: 50 have a second one, mostly of another kind.
// Their receivers are of six kinds, as [Receivers] has them, behind base.
func Table(base string) []Endpoint {
	var out []Endpoint
	for _, k := range kinds() {
		for range k.endpoints {
			id := len(out) + 1
			shopID := id
			if id%10 == 0 {
				shopID = 501 - id
			}
			out = append(out, Endpoint{
				ID: id, ShopID: shopID, URL: fmt.Sprintf("%s/%s/%d", base, k.name, id),
				SigningKey: "shk_" + rand.Text(), Topics: []string{"*", "orders/paid", "orders/paid,orders/refunded"}[id%3],
				CreatedAt: "2024-03-01T09:00:00Z",
			})
		}
	}
	return out
}

// Sender is the loop that posts.
type Sender struct {
	Table  []Endpoint
	Client *http.Client
}

// Send posts an event to all endpoints of a shop that have the topic.
func (s *Sender) Send(ctx context.Context, shopID int, topic, eventID string, data any) error {
	body, err := pythonic(map[string]any{"event": topic, "event_id": eventID, "at": time.Now().Unix(), "data": data})
	if err != nil {
		return err
	}
	for _, e := range s.Table {
		if e.ShopID != shopID || e.Topics != "*" && !strings.Contains(e.Topics, topic) {
			continue
		}
		if err := s.post(ctx, &e, eventID, body); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sender) post(ctx context.Context, e *Endpoint, eventID string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL, bytes.NewReader(body))
	if err != nil {
		return err
	}
	at := strconv.FormatInt(time.Now().Unix(), 10)
	for name, value := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "Shop-Hooks/2.1",
		"X-Shop-Hmac":      base64.StdEncoding.EncodeToString(sign(e, body)), // of the first year
		"X-Shop-Signature": hex.EncodeToString(sign(e, body)),
		"webhook-id":       eventID, "webhook-timestamp": at,
		"webhook-signature": standard(e, eventID, at, body), // since last year
	} {
		req.Header.Set(name, value)
	}
	resp, err := s.Client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s: %s", e.URL, resp.Status)
	}
	return nil
}

func sign(e *Endpoint, body []byte) []byte {
	mac := hmac.New(sha256.New, []byte(e.SigningKey))
	mac.Write(body)
	return mac.Sum(nil)
}

func standard(e *Endpoint, id, at string, body []byte) string {
	return "v1," + base64.StdEncoding.EncodeToString(sign(e, []byte(id+"."+at+"."+string(body))))
}

// pythonic writes JSON as Python does when it is asked for no spaces and sorted keys: all
// that is not ASCII is escaped.
func pythonic(v any) ([]byte, error) {
	var plain bytes.Buffer
	enc := json.NewEncoder(&plain)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for _, r := range strings.TrimSuffix(plain.String(), "\n") {
		if r < 0x80 {
			out.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&out, `\u%04x`, unit)
		}
	}
	return out.Bytes(), nil
}
