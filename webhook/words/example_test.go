package words_test

import (
	"fmt"

	"github.com/rag-assistant/webhooks/webhook/words"
)

func Example() {
	w, err := words.New(&words.Options{
		Tenant: "shop",
		Texts:  map[string]string{"This {tenant} has as many webhooks as it may have. Delete one first.": "Your {tenant} is full."},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(w.Say("These credentials are not for this {tenant}."))
	fmt.Println(w.Say("This {tenant} has as many webhooks as it may have. Delete one first."))
	fmt.Println(w.Count(3, "1 attempt", "%d attempts"))
	fmt.Println("/" + w.Segment() + "/42/webhooks")
	// Output:
	// These credentials are not for this shop.
	// Your shop is full.
	// 3 attempts
	// /shops/42/webhooks
}
