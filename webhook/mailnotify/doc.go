// Package mailnotify sends mail to the owner of a webhook when its failures have
// disabled it, may soon do so, and when it has recovered.
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
// that share a store. It gets another one if a process or the connection ends
// between the server's answer and the moment at which that is noted, and, where an
// owner has several addresses of which one is refused, from each process that tries
// that one again: who has got the mail already is known to one process only. All of
// them have the same Message-ID.
//
// A mail server that is away costs no mail: the notice is tried again for as long
// as the store keeps it, see [webhook.Retention]. What the server refuses for good
// (a status of 500 and more), it refuses again, unless it was set up wrongly; so
// that is tried for [Options.GiveUpAfter], then logged and given up.
//
// A mail shows a webhook's URL without user and query, which may hold a token, and
// says in fixed words how deliveries failed. It holds nothing that an endpoint has
// answered. Neither errors nor log lines have an address in them.
//
// # Limits
//
// There is one mail for each address, so owners do not see each other. The texts
// are in English; [Options] takes others. Bounces that come later than the
// server's answer are not read.
package mailnotify
