package penchant_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log"
	"os"
	"strings"
	"testing"
	"time"

	"penchant.dev/go"
)

func ExampleClient_Stream() {
	ctx, client := dial()
	defer client.Close()

	stream := client.Stream(ctx, "ada", penchant.ListOptions{PageSize: 5})
	defer stream.Close()
	for update, err := range stream.Updates() { // the whole list, whenever it moves
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(update.Sequence, update.Recommendations)
		if err := stream.Shown(2, update.Sequence); err != nil { // the first two are on the screen: they stay
			log.Fatal(err)
		}
	}
}

func ExampleClient_Recorder() {
	ctx, client := dial()
	defer client.Close()

	recorder, err := client.Recorder(func(one penchant.Acknowledged) {
		if one.Err != nil {
			log.Print(one.EventID, one.Err.Reason, one.Err.Message)
		}
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := recorder.Put(ctx, penchant.Event{UserID: "ada", Type: "search", Text: "socks for winter"}); err != nil {
		log.Fatal(err)
	}
	var left *penchant.UnansweredError
	if err := recorder.Close(ctx); errors.As(err, &left) {
		log.Print("keep these for later: ", left.Events)
	}
}

func ExampleClient_RecordMany() {
	ctx, client := dial()
	defer client.Close()

	for one, err := range client.RecordMany(ctx, readEvents()) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(one.Ordinal, one.EventID, one.Unchanged, one.Err)
	}
}

func ExampleKafkaRecord() {
	produce := func(topic string, key, value []byte) {}

	key, value, err := penchant.KafkaRecord(penchant.Event{UserID: "ada", Type: "view", ItemID: "shoe"})
	if err != nil {
		log.Fatal(err)
	}
	produce("penchant.events", key, value) // client.Produce(ctx, &kgo.Record{Topic: topic, Key: key, Value: value}, nil)
}

func ExampleError() {
	ctx, client := dial()
	defer client.Close()

	_, err := client.Similar(ctx, "boots", penchant.ListOptions{MaxPrice: new(50.0)})
	var failure *penchant.Error
	switch {
	case errors.Is(err, penchant.ErrNotFound):
		log.Print("no such item")
	case errors.As(err, &failure) && failure.RetryAfter != nil: // it is overloaded
		time.Sleep(*failure.RetryAfter)
	case err != nil:
		log.Fatal(err)
	}
}

func ExampleWithTLSFiles() {
	client, err := penchant.Dial("penchant.example:443",
		penchant.WithTLSFiles(penchant.TLSFiles{CA: "ca.pem", Cert: "me.pem", Key: "me.key"}),
		penchant.WithAPIKey(os.Getenv("PENCHANT_API_KEY")),
		penchant.WithTimeout(2*time.Second),
	)
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
}

func dial() (context.Context, *penchant.Client) {
	client, err := penchant.Dial("127.0.0.1:50551")
	if err != nil {
		log.Fatal(err)
	}
	return context.Background(), client
}

func readEvents() iter.Seq[penchant.Event] {
	return func(yield func(penchant.Event) bool) {
		yield(penchant.Event{UserID: "ada", Type: "view", ItemID: "shoe"})
	}
}

// What the README shows is code that compiles: every line of it stands in a file, in the same order.
func TestTheReadmeShowsCodeThatCompiles(t *testing.T) {
	var compiled strings.Builder
	for _, name := range []string{"examples/first/main.go", "example_test.go"} {
		compiled.WriteString(unindented(t, name))
	}
	for number, part := range strings.Split(unindented(t, "README.md"), "```go\n")[1:] {
		block, _, _ := strings.Cut(part, "```")
		if !strings.Contains(compiled.String(), block) {
			t.Errorf("example %d stands nowhere else:\n%s", number+1, block)
		}
	}
}

func unindented(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(text), "\n")
	for at := range lines {
		lines[at] = strings.TrimLeft(lines[at], "\t")
	}
	return strings.Join(lines, "\n")
}
