/**
 * An event as a record of Penchant's topic of events, for a shop that has Kafka in front. Pure but for the ids that it
 * makes; the client itself needs no library of Kafka.
 *
 * @module
 */
import { toBinary } from "@bufbuild/protobuf";
import { encodeEvent } from "./encode.js";
import { InvalidArgument } from "./errors.js";
import { EventSchema } from "./gen/penchant/v1/event_pb.js";
import type { Event } from "./model.js";

/** Key and value of a record. */
export interface KafkaRecord {
  /** The user's id in UTF-8: it decides the partition, by Kafka's own partitioner. */
  readonly key: Buffer;
  /** The event in protobuf. */
  readonly value: Buffer;
}

/**
 * Returns the record of an event. An event without an id is given one: keep the record over retries, so that it counts
 * once. Throws {@link InvalidArgument} for an event without a user, since there would be nobody to tell, and what
 * {@link Client.record} throws before it sends.
 */
export function kafkaRecord(event: Event): KafkaRecord {
  if (!event.userId) {
    throw new InvalidArgument("event.user_id: is empty, and it is the key", { reason: "INVALID_FIELD", field: "event.user_id" });
  }
  const message = encodeEvent(event);
  return { key: Buffer.from(message.userId), value: Buffer.from(toBinary(EventSchema, message)) };
}
