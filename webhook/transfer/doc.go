// Package transfer moves registered webhooks from one store to another: from memory or
// a file to a database, from Redis to PostgreSQL, from staging to a second region.
//
//	_, err := transfer.Export(ctx, file, oldStore, &transfer.ExportOptions{
//		SecretKeys: oldKeys,    // of what the old store holds
//		SealWith:   newKeys[0], // of what is written
//	})
//	…
//	_, err = transfer.Import(ctx, newStore, file, &transfer.ImportOptions{
//		Service: webhook.ServiceOptions{SecretKeys: newKeys},
//		DryRun:  true, // a rehearsal; then once more without
//	})
//
// What moves is all of a registration that lasts: id, URL, events, status with its
// reason and time, notes, headers, rate, how bodies are written, when it was registered
// and changed, and its secrets with the grace of a rotation. Receivers notice nothing.
//
// # The file
//
// A file is lines of JSON. The first has the format's version and the id of the key
// that seals the rest, then there is a line for each webhook, and the last one has
// their number. Secrets and the values of headers are sealed; URLs and notes are not,
// and nothing says that nobody has changed them. So keep the file as you keep the
// store.
//
// # Guarantees
//
// Both sides need memory for a page of webhooks, however many there are. [Import] can
// be repeated: what is there already and the same is left alone, and what is there and
// differs is refused with its name, unless [ImportOptions].Overwrite is set. A file
// that was cut off is an error. What cannot be kept is refused with its line and field,
// and costs no other webhook.
//
// # Limits
//
// Events, deliveries, their log, replays and the streak of failures stay where they
// are: the old dispatcher finishes what it has. The new store does not know which
// event ids the old one has published. How to move while serving, and what a publisher
// has to mind, is in docs/migration.md.
package transfer
