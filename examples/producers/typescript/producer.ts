// Sends events to Penchant's log: node dist/producer.js [--bootstrap HOST:PORT] [--prefix NAME] [--json] USER…

import { randomUUID } from "node:crypto";
import { parseArgs } from "node:util";
import { compatibilityPartitioner, ProduceAcks, Producer } from "@platformatic/kafka";
import { kafkaRecord, type Event } from "penchant";

/** Somebody looks at a tent, now. */
function viewOf(userId: string): Event {
  // An id of our own: sent again, the event counts once.
  return { eventId: randomUUID(), userId, type: "view", itemId: "tent", surface: "home", occurredAt: new Date() };
}

/** Lays an event out for the log. */
function messageOf(topic: string, event: Event, json: boolean) {
  const { key, value } = kafkaRecord(event);
  const kind = json ? "application/json" : "application/x-protobuf";
  const headers = new Map([[Buffer.from("content-type"), Buffer.from(kind)]]);
  // An event, its time a Date, has the names and the form of protobuf's JSON.
  return { topic, key, value: json ? Buffer.from(JSON.stringify(event)) : value, headers };
}

const { values: options, positionals: users } = parseArgs({
  allowPositionals: true,
  options: {
    bootstrap: { type: "string", default: "127.0.0.1:9092" },
    prefix: { type: "string", default: "penchant" },
    json: { type: "boolean", default: false },
  },
});

const producer = new Producer({
  clientId: "example",
  bootstrapBrokers: options.bootstrap.split(","),
  acks: ProduceAcks.ALL,
  idempotent: true,
  compression: "lz4",
  // The default one puts half of the users elsewhere than other clients do.
  partitioner: compatibilityPartitioner,
});
try {
  for (const user of users) {
    const message = messageOf(`${options.prefix}.events`, viewOf(user), options.json);
    const { offsets } = await producer.send({ messages: [message] });
    const place = offsets![0]!;
    console.log(`${place.partition}\t${place.offset}\t${user}`);
  }
} finally {
  await producer.close();
}
