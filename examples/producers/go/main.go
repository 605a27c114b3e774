// Sends events to Penchant's log: go run . -bootstrap HOST:PORT USER…
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"penchant.dev/go"
	penchantv1 "penchant.dev/go/penchant/v1"
)

// viewOf tells that somebody looks at a tent, now.
func viewOf(userID string) penchant.Event {
	return penchant.Event{UserID: userID, Type: "view", ItemID: "tent", Surface: "home", OccurredAt: time.Now()}
}

// recordOf lays an event out for the log. The record has an id: sent again, the event counts once.
func recordOf(event penchant.Event, asJSON bool) (*kgo.Record, error) {
	key, value, err := penchant.KafkaRecord(event)
	if err != nil {
		return nil, err
	}
	kind := "application/x-protobuf"
	if asJSON {
		kind = "application/json"
		if value, err = jsonOf(value); err != nil {
			return nil, err
		}
	}
	return &kgo.Record{
		Key:     key,
		Value:   value,
		Headers: []kgo.RecordHeader{{Key: "content-type", Value: []byte(kind)}},
	}, nil
}

// jsonOf is for those who would rather read their log: it costs the consumer more.
func jsonOf(value []byte) ([]byte, error) {
	message := &penchantv1.Event{}
	if err := proto.Unmarshal(value, message); err != nil {
		return nil, err
	}
	return protojson.Marshal(message)
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
