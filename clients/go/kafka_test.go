package penchant

import (
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	penchantv1 "penchant.dev/go/penchant/v1"
)

func recorded(t *testing.T, event Event) (string, *penchantv1.Event) {
	t.Helper()
	key, value, err := KafkaRecord(event)
	if err != nil {
		t.Fatal(err)
	}
	message := &penchantv1.Event{}
	if err := proto.Unmarshal(value, message); err != nil {
		t.Fatal(err)
	}
	return string(key), message
}

func TestARecordIsTheUserAndTheEvent(t *testing.T) {
	given := Event{
		ID: "e", UserID: "美", Type: "rate", ItemID: "a", Text: "t", Value: new(4.5),
		OccurredAt: time.UnixMilli(1_700_000_000_123), Surface: "home", AttributionToken: "x",
	}
	want, err := encodeEvent(given)
	if err != nil {
		t.Fatal(err)
	}
	key, message := recorded(t, given)
	same(t, "key", key, "\xe7\xbe\x8e")
	same(t, "value", message, want)
}

func TestARecordHasAnIdOfItsOwn(t *testing.T) {
	_, one := recorded(t, Event{UserID: "ann", Type: "view"})
	_, other := recorded(t, Event{UserID: "ann", Type: "view"})
	if one.GetEventId() == "" || one.GetEventId() == other.GetEventId() || one.OccurredAt != nil {
		t.Fatal(one, other)
	}
}

func TestAnEventThatNoConsumerTakesIsNoRecord(t *testing.T) {
	for field, event := range map[string]Event{"event.user_id": {Type: "view"}, "event.text": {UserID: "ann", Text: "\xff"}} {
		_, _, err := KafkaRecord(event)
		var refused *Error
		if !errors.As(err, &refused) || refused.Kind != ErrInvalidArgument || refused.Field != field {
			t.Fatalf("%s: %v", field, err)
		}
	}
}
