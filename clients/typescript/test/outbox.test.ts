import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { Internal, NotFound } from "penchant";
import { EventExchange, ItemExchange } from "../src/exchange.js";
import { ItemSchema, UpsertItemsResponseSchema, type Item } from "../src/gen/penchant/v1/catalog_pb.js";
import { EventSchema, RecordEventsResponseSchema, type Event } from "../src/gen/penchant/v1/event_pb.js";
import { Outbox } from "../src/outbox.js";

function filled(...elements: number[]): Outbox<number> {
  const outbox = new Outbox<number>(3, 10, (size) => size);
  elements.forEach((element) => outbox.put(element));
  return outbox;
}

test("elements are taken in order, so many at a time", () => {
  const outbox = filled(1, 2, 3, 4);
  assert.deepEqual([outbox.take(), outbox.take(), outbox.take()], [[1, 2, 3], [4], []]);
  assert.equal(outbox.waiting, false);
  assert.equal(outbox.size, 4);
});

test("a request is closed before it exceeds 1 MiB, but takes one element in any case", () => {
  const mebibyte = 1 << 20;
  assert.deepEqual(filled(mebibyte - 1, 1, 1).take(), [mebibyte - 1, 1]);
  assert.deepEqual(filled(mebibyte + 1, 1).take(), [mebibyte + 1]);
});

test("what is in flight waits again after a break, before what waited", () => {
  const outbox = filled(1, 2, 3, 4);
  outbox.take();
  assert.deepEqual(outbox.settle(1), [1]);
  outbox.rewind();
  assert.deepEqual(outbox.unanswered, [2, 3, 4]);
  assert.deepEqual(outbox.take(), [2, 3, 4]);
  assert.equal(outbox.settled, 1);
});

test("a request that is not full waits while as many are unanswered as the window has room for full ones", () => {
  const outbox = filled(); // three at a time, ten unanswered
  const sends = (element: number): boolean => {
    outbox.put(element);
    return outbox.due && outbox.take().length > 0;
  };
  assert.equal(outbox.due, false);
  assert.deepEqual([1, 2, 3, 4, 5].map(sends), [true, true, true, false, false]);
  assert.ok(sends(6)); // it is full
  outbox.put(7);
  outbox.settle(1);
  assert.equal(outbox.due, false); // three are unanswered still
  outbox.settle(1);
  assert.equal(outbox.due, true);
  assert.deepEqual(outbox.take(), [7]);
  outbox.put(8);
  assert.equal(outbox.due, false);
  outbox.settle(3); // the first request that is left, and a part of the next one
  assert.equal(outbox.due, true);
  outbox.rewind();
  assert.deepEqual([outbox.due, outbox.take()], [true, [6, 7, 8]]);
});

test("no more is settled than is in flight", () => {
  const outbox = filled(1, 2, 3, 4);
  outbox.take();
  assert.throws(() => outbox.settle(4), Internal);
});

test("a million elements go through without growing slow", () => {
  const outbox = new Outbox<number>(1_000, 1_000, () => 1);
  for (let n = 0; n < 1_000_000; n += 1) {
    outbox.put(n);
    if (outbox.size === 1_000) {
      assert.equal(outbox.settle(outbox.take().length).length, 1_000);
    }
  }
  assert.equal(outbox.settled, 1_000_000);
});

test("limits are checked", () => {
  assert.throws(() => new Outbox(0, 10, () => 1), /batch: 0/);
  assert.throws(() => new Outbox(1_001, 2_000, () => 1), /batch: 1001/);
  assert.throws(() => new Outbox(10, 9, () => 1), /window: 9/);
});

function events(count: number): Outbox<Event> {
  const outbox = new Outbox<Event>(2, 10, () => 1);
  for (let n = 0; n < count; n += 1) {
    outbox.put(create(EventSchema, { eventId: `e${n}`, userId: `u${n}` }));
  }
  return outbox;
}

test("ordinals go on over connections, and refused events are not proof of a write", () => {
  const outbox = events(3);
  const recorded: string[] = [];
  const hear = (userId: string, token: string): void => void recorded.push(`${userId} ${token}`);
  const first = new EventExchange(outbox, hear);
  assert.equal(first.request().events.length, 2);
  first.answers(
    create(RecordEventsResponseSchema, { acknowledgements: [{ ordinal: 0n, eventId: "e0" }], freshnessToken: "t0" }),
  );

  const second = new EventExchange(outbox, hear);
  assert.deepEqual(
    second.request().events.map((event) => event.eventId),
    ["e1", "e2"],
  );
  const answers = second.answers(
    create(RecordEventsResponseSchema, {
      acknowledgements: [
        { ordinal: 0n, eventId: "e1", error: { code: status.NOT_FOUND, message: "no such item" } },
        { ordinal: 1n, eventId: "e2", unchanged: true },
      ],
      freshnessToken: "t1",
    }),
  );
  assert.deepEqual(
    answers.map(({ ordinal, unchanged }) => [ordinal, unchanged]),
    [
      [1, false],
      [2, true],
    ],
  );
  assert.ok(answers[0]?.error instanceof NotFound);
  assert.deepEqual(recorded, ["u0 t0", "u2 t1"]);
});

test("an acknowledgement that skips an event breaks the contract", () => {
  const exchange = new EventExchange(events(2), () => undefined);
  exchange.request();
  const skipping = create(RecordEventsResponseSchema, { acknowledgements: [{ ordinal: 1n }] });
  assert.throws(() => exchange.answers(skipping), Internal);
});

test("items are answered by request, and refused ones are counted from the first of all", () => {
  const outbox = new Outbox<Item>(2, 10, () => 1);
  ["a", "b", "c"].forEach((itemId) => outbox.put(create(ItemSchema, { itemId })));
  const exchange = new ItemExchange(outbox);
  exchange.request();
  exchange.request();
  exchange.answers(create(UpsertItemsResponseSchema, { accepted: 2 }));
  const refused = [{ index: 0, itemId: "c", error: { code: status.INVALID_ARGUMENT } }];
  const [answer] = exchange.answers(create(UpsertItemsResponseSchema, { refused }));
  assert.equal(answer?.refused[0]?.index, 2);
  assert.deepEqual(exchange.answers(create(UpsertItemsResponseSchema, {})), []); // no request is without items
  assert.throws(() => exchange.answers(create(UpsertItemsResponseSchema, { accepted: 1 })), Internal);
});
