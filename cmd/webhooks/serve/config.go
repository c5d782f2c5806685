package serve

import (
	"cmp"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/rag-assistant/webhooks/retry"
	"github.com/rag-assistant/webhooks/webhook"
	"github.com/rag-assistant/webhooks/webhook/egress"
	"github.com/rag-assistant/webhooks/webhook/jwtauth"
	"github.com/rag-assistant/webhooks/webhook/words"
)

// config is what the flags say.
type config struct {
	addr, store, role string
	migrate           bool
	own               bool // nothing says where state lives: in the working directory
	jwtSecret         []byte
	jwtKeys           *jwtauth.Set
	jwksURL           string
	jwt               jwtauth.Options
	mail              mail
	yours             yours
	drainDelay        time.Duration
	tokenFor          string
	check             bool
	logLevel          slog.Level
	service           webhook.ServiceOptions
	dispatcher        webhook.DispatcherOptions
}

func (c *config) serves() bool     { return c.role != "dispatch" }
func (c *config) dispatches() bool { return c.role != "api" }

const usage = `Each flag that is not given is taken from the environment: -jwt-secret is
WEBHOOK_SERVER_JWT_SECRET. A secret can be in a file, too, that the variable
WEBHOOK_SERVER_JWT_SECRET_FILE names; so can those of -secret-key, -smtp-password and
-store. Metrics and traces are exported if OTEL_EXPORTER_OTLP_ENDPOINT is set, and as
OpenTelemetry's other variables say.

`

// ownAdminScope is the scope of operators in tokens of -jwt-secret: whoever has that can make
// a token for every merchant anyway.
const ownAdminScope = "webhooks:admin"

func parse(args []string, stderr io.Writer) (*config, error) {
	c := &config{}
	d := &c.dispatcher
	out := &egress.Options{}
	var bad []error
	fs := flag.NewFlagSet("server", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // The caller prints the error, once.
	fs.StringVar(&c.addr, "addr", "127.0.0.1:8080", "address to listen on")
	c.storageFlags(fs, &bad)
	fs.StringVar(&c.role, "role", "all", `what this process does: "all", "api" or "dispatch"`)
	fs.Func("jwt-secret", "`key` of HS256 tokens with the claims of -jwt-claim and exp, at least 32 bytes; needed to serve the API",
		func(s string) (err error) {
			c.jwtSecret = []byte(s)
			c.jwtKeys, err = jwtauth.Secrets(c.jwtSecret)
			bad = append(bad, named("-jwt-secret", err))
			return nil
		})
	fs.StringVar(&c.jwksURL, "jwks-url", "", "https `URL` of the keys of a login, in place of -jwt-secret")
	fs.StringVar(&c.jwt.Issuer, "jwt-issuer", "", "what the claim iss of a token has to be")
	fs.Func("jwt-audience", "what the claim aud of a token has to hold", func(s string) error {
		c.jwt.Audience = []string{s}
		return nil
	})
	fs.StringVar(&c.jwt.MerchantClaim, "jwt-claim", jwtauth.DefaultMerchantClaim, "`claim` of a token that names the {tenant}")
	fs.StringVar(&c.jwt.AdminScope, "jwt-admin-scope", "",
		`scope of operators, who may act for every {tenant} (default "`+ownAdminScope+`" with -jwt-secret, none with -jwks-url)`)
	c.mail.flags(fs)
	c.yours.flags(fs, &bad)
	fs.DurationVar(&c.drainDelay, "drain-delay", 0,
		"time from saying no to /readyz until connections are refused, for balancers to notice")
	fs.StringVar(&c.tokenFor, "token", "", "print a token for this `{tenant}`, or for an operator if it is *, that is good for a day, and exit")
	fs.BoolVar(&c.check, "check", false, "ask the process that listens at -addr if it is ready, and exit with 0 if it is")
	fs.BoolVar(&out.InsecureAllowHTTP, "insecure-allow-http", false, "allow webhook URLs with http")
	fs.BoolVar(&out.InsecureAllowPrivateNetworks, "insecure-allow-private-networks", false,
		"allow webhook URLs on this machine and in private networks")
	fs.Func("retry", "`delays` after the first, second, … failed attempt; the third takes -max-attempts 4 (default 1m,5m,15m)", func(s string) error {
		delays, err := durations(s)
		d.Retry.Delays = delays
		return err
	})
	fs.IntVar(&d.Retry.MaxAttempts, "max-attempts", retry.DefaultMaxAttempts, "attempts of a delivery in all")
	fs.DurationVar(&d.AttemptTimeout, "timeout", 10*time.Second, "time in which an endpoint has to answer")
	fs.DurationVar(&d.Lease, "lease", 0,
		"time after which a delivery of a dead process is tried again (default 1m, or three times -timeout if that is more)")
	fs.IntVar(&d.DisableAfter, "disable-after", 10, "consecutive failures that disable a webhook")
	fs.IntVar(&d.Concurrency, "concurrency", 1024, "deliveries on the wire at once")
	fs.IntVar(&d.PerWebhook, "per-webhook", 10, "deliveries of one webhook on the wire at once")
	fs.TextVar(&c.logLevel, "log-level", slog.LevelInfo, "debug, info, warn or error; debug says why a token is refused")
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fs.SetOutput(stderr)
			_, _ = io.WriteString(stderr, usage)
			fs.VisitAll(func(f *flag.Flag) { f.Usage = c.yours.words.Say(words.Text(f.Usage)) })
			fs.PrintDefaults()
		}
		return nil, err
	}
	if err := fromEnvironment(fs); err != nil {
		return nil, err
	}
	if fs.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if c.check {
		return c, nil // It needs no login and no keys.
	}
	if err := errors.Join(append(bad, named("-jwt-claim", checkClaim(c.jwt.MerchantClaim)), c.yours.settle())...); err != nil {
		return nil, err
	}
	switch c.role {
	case "all", "api", "dispatch":
	default:
		return nil, fmt.Errorf("-role %q: must be all, api or dispatch", c.role)
	}
	if err := c.place(); err != nil {
		return nil, err
	}
	c.migrate = c.migrate || c.own
	if c.jwtSecret != nil && c.jwksURL != "" {
		return nil, errors.New("-jwt-secret and -jwks-url are two logins: give one")
	}
	if c.serves() && c.jwtSecret == nil && c.jwksURL == "" || c.tokenFor != "" && c.jwtSecret == nil {
		return nil, errors.New(`-jwt-secret is needed to serve the API, or -jwks-url; make one with: openssl rand -hex 32`)
	}
	if c.jwtSecret != nil {
		c.jwt.AdminScope = cmp.Or(c.jwt.AdminScope, ownAdminScope)
	}
	if c.jwksURL != "" && c.jwt.Issuer == "" && len(c.jwt.Audience) == 0 {
		return nil, errors.New("-jwks-url needs -jwt-issuer or -jwt-audience: the login has other services, too")
	}
	if c.own && c.role != "all" {
		return nil, fmt.Errorf("-role %s needs a -store, which it shares with the others", c.role)
	}
	if c.store == inMemory && c.role != "all" {
		return nil, errors.New("-store memory is not shared between processes: it needs -role all")
	}
	if err := c.sealed(); err != nil {
		return nil, err
	}
	c.service.Egress, d.Egress = out, out
	d.SecretKeys = c.service.SecretKeys
	c.service.Catalog, c.service.Wire, d.Wire = c.yours.catalog, c.yours.wire, c.yours.wire
	c.mail.opts.Title, c.mail.opts.Words = c.yours.title, c.yours.words
	return c, nil
}

// storageFlags are those that say where state lives, and what opens it.
func (c *config) storageFlags(fs *flag.FlagSet, bad *[]error) {
	fs.StringVar(&c.store, "store", "",
		`where state lives: "memory", which ends with the process, postgres://…, sqlite:PATH of a file, redis://… or redis+cluster://host:port?addr=host:port `+
			"(default "+ownStore+" in the working directory, a file of SQLite, which is made if it is missing)")
	fs.BoolVar(&c.migrate, "migrate", false, "prepare a -store of SQL, or bring it up to date, and then go on; several processes may do so at once; for other stores there is nothing to do")
	fs.Func("secret-key", "`id:base64` of 32 bytes that seal webhook secrets; several with commas or flags, the first seals; needed with every -store that lasts (default without -store: "+ownKey+" in the working directory, which is made once)",
		func(s string) error {
			keys, err := secretKeys(s)
			c.service.SecretKeys = append(c.service.SecretKeys, keys...)
			*bad = append(*bad, named("-secret-key", err)) // The flag package would repeat the key.
			return nil
		})
}

// place says where state lives if no flag does.
func (c *config) place() error {
	if c.own = c.store == ""; c.own {
		c.store = sqlitePrefix + ownStore
	}
	return named("-store", checkAddress(c.store))
}

// sealed fails if the store outlives the process, and there is no key for it.
func (c *config) sealed() error {
	if c.store != inMemory && !c.own && len(c.service.SecretKeys) == 0 {
		return errors.New("-secret-key is needed with a -store that lasts; make one with: echo k1:$(openssl rand -base64 32)")
	}
	return nil
}

func secretKey(s string) (webhook.SecretKey, error) {
	id, text, _ := strings.Cut(s, ":")
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) != 32 {
		return webhook.SecretKey{}, errors.New("is not id:base64 of 32 bytes; make one with: echo k1:$(openssl rand -base64 32)")
	}
	return webhook.SecretKey{ID: id, Key: [32]byte(raw)}, nil
}

// checkClaim fails if a token cannot name the tenant in a claim, since it says something else there.
func checkClaim(name string) error {
	if name == "" {
		return errors.New("must not be empty")
	}
	if slices.Contains([]string{"exp", "nbf", "iat", "iss", "aud", "scope", "scp"}, name) {
		return fmt.Errorf("%s has a meaning of its own in every token", name)
	}
	return nil
}

// named says which flag is wrong.
func named(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", name, err)
}

func durations(s string) ([]time.Duration, error) {
	var out []time.Duration
	for part := range strings.SplitSeq(s, ",") {
		d, err := time.ParseDuration(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}
