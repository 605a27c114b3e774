package penchant

import "google.golang.org/protobuf/proto"

// KafkaRecord returns an event as a record of Penchant's topic of events: the key is the user's id, the value the event in
// protobuf. Like [Client.Record] it gives an event without an id one; keep the record over retries, so that it counts once.
// An event without a user is refused: there would be nobody to tell.
//
// The partitioner must be Kafka's own, murmur2, which is franz-go's default; docs/producing.md says what other libraries
// need.
func KafkaRecord(event Event) (key, value []byte, err error) {
	if event.UserID == "" {
		return nil, nil, invalid("event.user_id", "is empty, and it is the key")
	}
	message, err := encodeEvent(event)
	if err != nil {
		return nil, nil, err
	}
	value, err = proto.Marshal(message)
	if err != nil {
		return nil, nil, internal(err.Error())
	}
	return []byte(event.UserID), value, nil
}
