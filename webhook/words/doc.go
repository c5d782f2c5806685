// Package words has what customers and operators read: the noun for those who register
// webhooks, and the texts of pages, answers and mail, to be replaced or translated. Code
// says its texts in English:
//
//	w.Say("This {tenant} has no webhook %s.", id)
//	w.Count(n, "1 webhook", "%d webhooks")
//
// and a host gives the same *[Words] to the API, the portal and mailnotify:
//
//	w, err := words.New(&words.Options{Tenant: "shop", Tenants: "shops"})
//	h, err := api.New(svc, authenticate, &api.Options{Words: w})      // answers at /shops/{shopId}/webhooks
//
// A translation is a map by the English text:
//
//	words.New(&words.Options{Texts: map[string]string{"Your changes are saved.": "Gespeichert."}})
//
// Names of fields, codes, log keys and metrics are part of contracts and are no words: they
// stay as they are.
package words
