// Sends events to Penchant's log: go run . -bootstrap HOST:PORT USER…
//
// Run ./generate.sh first; it makes the message classes from protos/.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"strings"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	penchantv1 "penchant.dev/examples/producer/events/penchant/v1"
)

// viewOf tells that somebody looks at a tent, now.
func viewOf(userID string) *penchantv1.Event {
	return &penchantv1.Event{
		// An id of our own: sent again, the event counts once.
		EventId:    "go-" + uuid.NewString(),
		UserId:     userID,
		Type:       "view",
		ItemId:     "tent",
		Surface:    "home",
		OccurredAt: timestamppb.Now(),
	}
}

// recordOf lays an event out for the log. The key is the user's id, always.
func recordOf(event *penchantv1.Event, asJSON bool) (*kgo.Record, error) {
	marshal, kind := proto.Marshal, "application/x-protobuf"
	if asJSON {
		marshal, kind = protojson.Marshal, "application/json"
	}
	value, err := marshal(event)
	if err != nil {
		return nil, err
	}
	return &kgo.Record{
		Key:     []byte(event.UserId),
		Value:   value,
		Headers: []kgo.RecordHeader{{Key: "content-type", Value: []byte(kind)}},
	}, nil
}

func run(ctx context.Context, bootstrap, topic string, users []string, asJSON bool) error {
	// franz-go asks for all acks, is idempotent and partitions keys as Kafka does (murmur2), unless told otherwise.
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(bootstrap, ",")...),
		kgo.DefaultProduceTopic(topic),
		kgo.ProducerBatchCompression(kgo.ZstdCompression()),
	)
	if err != nil {
		return err
	}
	defer client.Close()

	records := make([]*kgo.Record, 0, len(users))
	for _, user := range users {
		record, err := recordOf(viewOf(user), asJSON)
		if err != nil {
			return err
		}
		records = append(records, record)
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return err
	}
	for _, sent := range records {
		fmt.Printf("%d\t%d\t%s\n", sent.Partition, sent.Offset, sent.Key)
	}
	return nil
}

func main() {
	bootstrap := flag.String("bootstrap", "127.0.0.1:9092", "brokers, separated by commas")
	prefix := flag.String("prefix", "penchant", "prefix of the topics")
	asJSON := flag.Bool("json", false, "send JSON instead of protobuf")
	flag.Parse()
	if flag.NArg() == 0 {
		log.Fatal("name the users: producer [flags] USER…")
	}
	if err := run(context.Background(), *bootstrap, *prefix+".events", flag.Args(), *asJSON); err != nil {
		log.Fatal(err)
	}
}
