package dev.penchant.client;

import java.nio.charset.StandardCharsets;

/**
 * An event as a record of the topic {@code penchant.events}, for any Kafka library. Kafka's default partitioner must see the
 * key: it keeps the events of one user in order.
 *
 * @param key the user id in UTF-8
 * @param value the event in protobuf, with an id
 */
public record KafkaRecord(byte[] key, byte[] value) {
    /**
     * Returns the record of an event. An event without an id is given one: keep the record, not the event, to send it
     * again.
     *
     * @param event the event
     * @return its record
     * @throws InvalidArgumentException if it has no user, which is the key, or is above 1 MiB
     */
    public static KafkaRecord of(Event event) {
        if (event.userId().isEmpty()) {
            throw Errors.invalid("event.user_id", "is empty, and it is the key");
        }
        return new KafkaRecord(event.userId().getBytes(StandardCharsets.UTF_8), Encode.event(event).toByteArray());
    }
}
