// Command driver is the conformance driver of the Go client: lines of JSON in, lines of JSON out, as
// tests/conformance/README.md says.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"penchant.dev/go"
)

// request is a line of input; each verb takes what it knows of it.
type request struct {
	Do             string          `json:"do"`
	Client         string          `json:"client"`
	Name           string          `json:"name"`
	Target         string          `json:"target"`
	Timeout        int64           `json:"timeout"`
	Retries        *int            `json:"retries"`
	APIKey         string          `json:"api_key"`
	TLS            json.RawMessage `json:"tls"`
	ReadYourWrites bool            `json:"read_your_writes"`
	Event          event           `json:"event"`
	Events         []event         `json:"events"`
	Items          []item          `json:"items"`
	ItemIDs        []string        `json:"item_ids"`
	ItemID         string          `json:"item_id"`
	UserID         string          `json:"user_id"`
	Query          string          `json:"query"`
	Options        options         `json:"options"`
	MinFreshness   string          `json:"min_freshness"`
	Batch          *int            `json:"batch"`
	Window         *int            `json:"window"`
	Watch          bool            `json:"watch"`
	Lazy           bool            `json:"lazy"`
	Within         int64           `json:"within"`
	After          int64           `json:"after"`
	Positions      int             `json:"positions"`
	Sequence       uint64          `json:"sequence"`
	Recommend      json.RawMessage `json:"recommend"`
	What           string          `json:"what"`
	Count          int             `json:"count"`
}

// answer is the object of an answer.
type answer map[string]any

// driver holds what was opened, by name.
type driver struct {
	clients   map[string]*penchant.Client
	timeouts  map[string]time.Duration // of the clients
	recorders map[string]*recorder
	streams   map[string]*stream
}

type verb func(*driver, context.Context, *penchant.Client, request) (answer, error)

var verbs = map[string]verb{
	"close":          (*driver).close,
	"record":         (*driver).record,
	"upsert":         (*driver).upsert,
	"delete":         (*driver).delete,
	"recommend":      (*driver).recommend,
	"similar":        (*driver).similar,
	"search":         (*driver).search,
	"interests":      (*driver).interests,
	"record_many":    (*driver).recordMany,
	"open_recorder":  (*driver).openRecorder,
	"put":            (*driver).put,
	"flush":          (*driver).flush,
	"close_recorder": (*driver).closeRecorder,
	"open_stream":    (*driver).openStream,
	"next":           (*driver).next,
	"latest":         (*driver).latest,
	"shown":          (*driver).shown,
	"change":         (*driver).change,
	"close_stream":   (*driver).closeStream,
	"raw":            (*driver).raw,
	"measure":        (*driver).measure,
}

// do returns what a line is answered with.
func (d *driver) do(ctx context.Context, asked request) answer {
	if asked.Client == "" {
		asked.Client = "main"
	}
	var given answer
	var err error
	if asked.Do == "connect" {
		given, err = d.connect(asked)
	} else if verb, known := verbs[asked.Do]; !known {
		err = problem{"Unsupported", asked.Do}
	} else if client, connected := d.clients[asked.Client]; !connected {
		err = problem{"Unsupported", "no client " + asked.Client}
	} else {
		given, err = verb(d, ctx, client, asked)
	}
	if err != nil {
		return answer{"error": errorOf(err)}
	}
	return answer{"ok": given}
}

// problem is an error of the driver itself.
type problem struct{ kind, message string }

func (p problem) Error() string { return p.kind + ": " + p.message }

func errorOf(err error) answer {
	told := answer{"kind": "Driver", "reason": "", "field": "", "message": err.Error(), "retry_after": nil}
	var failure *penchant.Error
	var left *penchant.UnansweredError
	var own problem
	switch {
	case errors.As(err, &failure):
		told["kind"], told["reason"], told["field"] = failure.Kind, failure.Reason, failure.Field
		told["message"] = failure.Message
		if errors.As(err, &left) {
			told["message"] = left.Error() // it says how many
		}
		if failure.RetryAfter != nil {
			told["retry_after"] = failure.RetryAfter.Milliseconds()
		}
	case errors.As(err, &own):
		told["kind"], told["message"] = own.kind, own.message
	}
	return told
}

// leave ends as a good program does that defers the closing of its clients.
func (d *driver) leave() error {
	var failed []error
	for _, client := range d.clients {
		failed = append(failed, client.Close())
	}
	return errors.Join(failed...)
}

func run(ctx context.Context) error {
	d := &driver{
		clients: map[string]*penchant.Client{}, timeouts: map[string]time.Duration{},
		recorders: map[string]*recorder{}, streams: map[string]*stream{},
	}
	lines := json.NewDecoder(bufio.NewReader(os.Stdin))
	answers := json.NewEncoder(os.Stdout)
	for lines.More() {
		var asked request
		if err := lines.Decode(&asked); err != nil {
			return fmt.Errorf("a request: %w", err)
		}
		if asked.Do == "leave" {
			return d.leave()
		}
		if err := answers.Encode(d.do(ctx, asked)); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
