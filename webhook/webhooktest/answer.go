package webhooktest

import (
	"fmt"
	"net/http"
	"time"
)

// Answer is how an [Endpoint] answers one request. It is a value: each method returns
// a changed copy. The zero Answer is not valid.
type Answer struct {
	status int // 0: no answer
	header http.Header
	body   string
	delay  time.Duration
	end    ending
}

// ending is how an answer ends.
type ending int

const (
	none     ending = iota
	complete        // an answer
	open            // an answer whose body does not end
	reset           // a connection that is reset
	silence         // nothing, on a connection that stays open
)

// Status answers with a status, 200 to 999, and an empty body.
func Status(code int) Answer { return Answer{status: code, end: complete} }

// Redirect answers 307 with the Location.
func Redirect(location string) Answer {
	return Status(http.StatusTemporaryRedirect).Header("Location", location)
}

// Reset reads the request and resets the connection. If the connection was kept from
// an earlier request, the sender's transport may send the request again at once, in
// the same attempt. The endpoint counts both.
func Reset() Answer { return Answer{end: reset} }

// Never reads the request and does not answer until the sender gives up.
func Never() Answer { return Answer{end: silence} }

// Header answers with one more header line.
func (a Answer) Header(key, value string) Answer {
	a.header = a.header.Clone()
	if a.header == nil {
		a.header = http.Header{}
	}
	a.header.Add(key, value)
	return a
}

// Body answers with a body. A status that has none, such as 204, leaves it out.
func (a Answer) Body(text string) Answer {
	a.body = text
	return a
}

// After waits for d before it answers, unless the sender gives up first.
func (a Answer) After(d time.Duration) Answer {
	a.delay = d
	return a
}

// Hang sends status, headers and body, and then leaves the sender waiting for the end
// of the body.
func (a Answer) Hang() Answer {
	a.end = open
	return a
}

func (a Answer) check() {
	switch {
	case a.end == none:
		panic("webhooktest: the zero Answer answers nothing: begin with Status, Redirect, Reset or Never")
	case (a.end == complete || a.end == open) && (a.status < 200 || a.status > 999):
		panic(fmt.Sprintf("webhooktest: %d is no status that ends a request", a.status))
	}
}
