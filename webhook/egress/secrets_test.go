package egress_test

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rag-assistant/webhooks/webhook/egress"
)

// TestSecretsDoNotShow prints options and what is made of them in every way there
// is.
func TestSecretsDoNotShow(t *testing.T) {
	t.Parallel()
	const user, pass = "us3r-name", "pa55-word"
	ca := newAuthority(t)
	own := ca.client(t, "sender")
	proxy := egress.Proxy{URL: "http://" + user + ":" + pass + "@10.0.0.5:3128"}
	options := egress.Options{Proxy: &proxy, ClientCertificate: egress.Certificates(own)}
	e := newEgress(t, &options)
	shown := map[string]string{}
	for name, v := range map[string]any{
		"Proxy": proxy, "*Proxy": &proxy, "[]Proxy": []egress.Proxy{proxy}, "map": map[string]*egress.Proxy{"a": &proxy},
		"Options": options, "*Options": &options, "**Options": []*egress.Options{&options},
		"struct": struct{ Egress egress.Options }{options}, "Egress": e, "Egress value": *e,
	} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			shown[name+" "+verb] = fmt.Sprintf(verb, v)
		}
		if text, err := json.Marshal(v); err == nil { // Options have fields that JSON cannot carry.
			shown[name+" as JSON"] = string(text)
		} else {
			shown[name+" as JSON"] = err.Error()
		}
		var logs strings.Builder
		for _, h := range []slog.Handler{slog.NewTextHandler(&logs, nil), slog.NewJSONHandler(&logs, nil)} {
			slog.New(h).LogAttrs(context.Background(), slog.LevelInfo, "options", slog.Any("value", v))
		}
		shown[name+" in a log"] = logs.String()
	}
	require.Equal(t, "Proxy(http://10.0.0.5:3128)", shown["*Proxy %v"])
	require.Equal(t, `["Proxy(http://10.0.0.5:3128)"]`, shown["[]Proxy as JSON"])
	require.Contains(t, shown["Options %+v"], "Proxy:Proxy(http://10.0.0.5:3128)")
	require.Contains(t, shown["*Options in a log"], "Proxy:Proxy(http://10.0.0.5:3128)")
	require.Equal(t, "<nil>", fmt.Sprint((*egress.Proxy)(nil)))
	leaks := []string{user, pass, "7573337", "7061353", "70 61 35", strings.TrimPrefix(basic(user+":"+pass), "Basic ")[:8]}
	key, ok := own.PrivateKey.(*ecdsa.PrivateKey)
	require.True(t, ok)
	scalar, err := key.Bytes()
	require.NoError(t, err)
	leaks = append(leaks, fmt.Sprintf("%x", scalar[:4]), fmt.Sprintf("%X", scalar[:4]), strings.Trim(fmt.Sprintf("%d", scalar[:4]), "[]"),
		new(big.Int).SetBytes(scalar).String()[:10])
	for how, text := range shown {
		for _, leak := range leaks {
			require.NotContains(t, text, leak, how)
		}
	}
}

// TestNothingKeepsThePassword looks where printers look that follow pointers and
// unexported fields.
func TestNothingKeepsThePassword(t *testing.T) {
	t.Parallel()
	e := newEgress(t, &egress.Options{Proxy: &egress.Proxy{URL: "http://user:pa55-word@10.0.0.5:3128"}})
	type place struct {
		address uintptr
		kind    reflect.Type
	}
	seen := map[place]bool{}
	found := 0
	var walk func(v reflect.Value, path string)
	walk = func(v reflect.Value, path string) {
		switch v.Kind() {
		case reflect.String:
			found++
			require.NotContains(t, v.String(), "pa55-word", path)
			require.NotContains(t, v.String(), "cGE1NS13b3Jk", path)
		case reflect.Pointer, reflect.Map:
			at := place{v.Pointer(), v.Type()}
			if v.IsNil() || seen[at] {
				return
			}
			seen[at] = true
			if v.Kind() == reflect.Pointer {
				walk(v.Elem(), path)
				return
			}
			for _, key := range v.MapKeys() {
				walk(v.MapIndex(key), path+"[]")
			}
		case reflect.Interface:
			walk(v.Elem(), path)
		case reflect.Struct:
			for i := range v.NumField() {
				walk(v.Field(i), path+"."+v.Type().Field(i).Name)
			}
		case reflect.Slice, reflect.Array:
			for i := range v.Len() {
				walk(v.Index(i), path+"[]")
			}
		default:
		}
	}
	walk(reflect.ValueOf(e), "Egress")
	require.Positive(t, found)
}
