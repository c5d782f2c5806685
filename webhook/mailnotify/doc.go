// Package mailnotify sends mail to the owner of a webhook when failures have disabled
// it, when they may soon do so, and when it has recovered.
//
//	mailer, err := mailnotify.New("smtp.example.com", "Webhooks <webhooks@example.com>", addresses, &mailnotify.Options{
//		Username: "webhooks", Password: os.Getenv("SMTP_PASSWORD"),
//	})
//	…
//	disp, err := webhook.NewDispatcher(st, &webhook.DispatcherOptions{OnNotice: mailer.Notify, WarnAfter: 5})
//
// # Guarantees
//
// Each address gets one mail for each transition of a webhook, over all processes
// that share a store. There are two exceptions. If a process or the connection ends
// between the server's answer and the moment at which that is noted, the mail is sent
// again. If an owner has several addresses and one is refused, other processes that
// try that one again send to all, because each process remembers only what it has
// sent itself. Repeated mails have the same Message-ID.
//
// While the mail server is away, a notice is tried again for as long as the store
// keeps it: see [webhook.Retention]. What the server refuses for good, with a status
// of 500 and more, is tried for [Options.GiveUpAfter], in case the server was set up
// wrongly. Then it is logged and given up.
//
// A mail shows a webhook's URL without user and query, which may hold a token, and
// says in fixed words how deliveries failed. It holds nothing that an endpoint has
// answered. Neither errors nor log lines have an address in them.
//
// # Limits
//
// Each address gets a mail of its own, so owners do not see each other. The texts are
// in English: [Options.Words] replaces or translates them, for all addresses alike, and
// Options takes whole templates. Bounces that come after the server's answer are not read.
package mailnotify
