import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { status, type ServerDuplexStream } from "@grpc/grpc-js";
import {
  Cancelled,
  DeadlineExceeded,
  Internal,
  InvalidArgument,
  NotFound,
  UnansweredEvents,
  Unavailable,
  type Acknowledged,
  type Event,
} from "penchant";
import {
  UpsertItemsResponseSchema,
  type UpsertItemsRequest,
  type UpsertItemsResponse,
} from "../src/gen/penchant/v1/catalog_pb.js";
import {
  RecordEventsResponseSchema,
  type RecordEventsRequest,
  type RecordEventsResponse,
} from "../src/gen/penchant/v1/event_pb.js";
import { Fake, Refusal, Told, broken, later } from "./fake.js";

type Call = ServerDuplexStream<RecordEventsRequest, RecordEventsResponse>;

/** Takes events as the service does: each once, unknown items refused. Before an event it may do something else. */
class Ledger {
  readonly ids: string[] = [];
  readonly requests: number[] = [];
  connections = 0;
  before: (eventId: string, call: Call) => boolean = () => true;

  readonly recordEvents = (call: Call): void => {
    this.connections += 1;
    let ordinal = 0n;
    let isOver = false;
    call.on("data", ({ events }: RecordEventsRequest) => {
      if (isOver) {
        return; // it came behind the request that broke the stream
      }
      this.requests.push(events.length);
      const acknowledgements = [];
      for (const { eventId, itemId } of events) {
        if (!this.before(eventId, call)) {
          isOver = true;
          return; // what was taken of this request stays unanswered
        }
        const unchanged = this.ids.includes(eventId);
        const known = itemId !== "nope";
        if (known && !unchanged) {
          this.ids.push(eventId);
        }
        const error = known ? undefined : { code: status.NOT_FOUND, message: "no such item" };
        acknowledgements.push({ ordinal, eventId, unchanged, ...(error && { error }) });
        ordinal += 1n;
      }
      call.write(create(RecordEventsResponseSchema, { acknowledgements, freshnessToken: `f${this.ids.length}` }));
    });
    call.on("end", () => call.end());
  };
}

function* events(count: number): Generator<Event> {
  for (let n = 0; n < count; n += 1) {
    yield { userId: "ada", type: "view", itemId: n === 2 ? "nope" : "a", eventId: `e${n}` };
  }
}

async function collected<T>(values: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const value of values) {
    all.push(value);
  }
  return all;
}

function ordinals(answers: readonly Acknowledged[]): number[] {
  return answers.map(({ ordinal }) => ordinal);
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

test("many are acknowledged in order, and a refused one stops nothing", async () => {
  const ledger = new Ledger();
  using fake = await Fake.start({ events: ledger });
  const answers = await collected(fake.client.recordMany(events(250), { batch: 50, window: 100 }));
  assert.deepEqual(ordinals(answers), upTo(250));
  assert.deepEqual(
    answers.filter(({ error }) => error !== undefined).map(({ eventId }) => eventId),
    ["e2"],
  );
  assert.ok(answers[2]?.error instanceof NotFound);
  assert.equal(ledger.ids.length, 249);
  assert.ok(Math.max(...ledger.requests) <= 50);
  assert.deepEqual(await collected(fake.client.recordMany([])), []);
});

test("after a break all that was not answered is sent again, and counts once", async () => {
  const ledger = new Ledger();
  const breaks = new Set(["e0", "e7", "e8", "e30"]);
  ledger.before = (eventId, call) => {
    if (!breaks.delete(eventId)) {
      return true;
    }
    if (eventId === "e30") {
      call.end(); // a stream that ends early is one that broke
    } else {
      call.emit("error", broken());
    }
    return false;
  };
  using fake = await Fake.start({ events: ledger });
  const answers = await collected(fake.client.recordMany(events(40), { batch: 5 }));
  assert.deepEqual(ordinals(answers), upTo(40));
  assert.deepEqual(
    ledger.ids,
    upTo(40)
      .filter((n) => n !== 2)
      .map((n) => `e${n}`),
  );
  assert.equal(ledger.connections, 5);
  assert.deepEqual(
    answers.filter(({ unchanged }) => unchanged).map(({ eventId }) => eventId),
    ["e5", "e6", "e7"],
  );
});

test("it gives up on a service that was never heard, and on errors that repeating does not mend", async () => {
  let connections = 0;
  let refusal = broken();
  const recordEvents = (call: Call): void => {
    connections += 1;
    call.on("data", () => call.emit("error", refusal));
  };
  using fake = await Fake.start({ events: { recordEvents } }, { retries: 1 });
  await assert.rejects(collected(fake.client.recordMany(events(3))), Unavailable);
  assert.equal(connections, 2);
  refusal = new Refusal(status.INVALID_ARGUMENT, "no");
  await assert.rejects(collected(fake.client.recordMany(events(3))), InvalidArgument);
  assert.equal(connections, 3);
});

test("it waits for an answer no longer than it has patience", async () => {
  const recordEvents = (call: Call): void => void call.on("data", () => undefined);
  using fake = await Fake.start({ events: { recordEvents } });
  await assert.rejects(collected(fake.client.recordMany(events(3), { patience: 30 })), DeadlineExceeded);
});

test("an answer that breaks the contract ends it", async () => {
  const acknowledgements = [{ ordinal: 1n }];
  const recordEvents = (call: Call): void =>
    void call.on("data", () => call.write(create(RecordEventsResponseSchema, { acknowledgements })));
  using fake = await Fake.start({ events: { recordEvents } });
  await assert.rejects(collected(fake.client.recordMany(events(3))), Internal);
});

test("no more than the window is read ahead of the answers, from a slow source and an endless one", async () => {
  const ledger = new Ledger();
  using fake = await Fake.start({ events: ledger });
  let read = 0;
  async function* endless(): AsyncGenerator<Event> {
    for (;;) {
      read += 1;
      yield { userId: "ada", type: "view", itemId: "a" };
    }
  }
  let answered = 0;
  for await (const { ordinal } of fake.client.recordMany(endless(), { batch: 2, window: 4 })) {
    answered = ordinal + 1;
    // Those taken to be given, those on their way, and the one that waits for room.
    assert.ok(read <= ordinal + 4 + 4 + 1);
    if (answered === 100) {
      break;
    }
  }
  assert.equal(answered, 100);
});

test("an error of the source, and an event that cannot be sent, are told to the reader", async () => {
  using fake = await Fake.start({ events: new Ledger() });
  const failing = (function* (): Generator<Event> {
    throw new Error("no more");
  })();
  await assert.rejects(collected(fake.client.recordMany(failing)), /no more/);
  const event = { userId: "ada", type: "view", occurredAt: Number.NaN };
  await assert.rejects(collected(fake.client.recordMany([event])), RangeError);
});

test("leaving the loop ends the stream, and so does the signal", async () => {
  const ended = new Told<void>();
  const ledger = new Ledger();
  const recordEvents = (call: Call): void => {
    call.on("cancelled", () => ended.tell());
    ledger.recordEvents(call);
  };
  using fake = await Fake.start({ events: { recordEvents } });
  const abort = new AbortController();
  const silence = new Promise<never>(() => undefined);
  const endless = (async function* (): AsyncGenerator<Event> {
    yield* events(1);
    await silence;
  })();
  for await (const _ of fake.client.recordMany(endless)) {
    break;
  }
  await ended;
  const recorder = fake.client.recorder({ signal: abort.signal });
  await recorder.put({ userId: "ada", type: "view", itemId: "a" });
  await recorder.flush();
  abort.abort(new Error("enough"));
  await assert.rejects(recorder.put({ userId: "ada", type: "view", itemId: "a" }), /enough/);
});

test("a recorder tells at every flush what became of all since the last", async () => {
  const ledger = new Ledger();
  using fake = await Fake.start({ events: ledger }, { readYourWrites: true });
  const recorder = fake.client.recorder({ batch: 2, window: 3 });
  for (const event of events(5)) {
    await recorder.put(event);
  }
  const first = await recorder.flush();
  assert.deepEqual(ordinals(first), upTo(5));
  assert.ok(first[2]?.error instanceof NotFound);
  assert.equal(first.at(-1)?.freshnessToken, "f4");
  assert.deepEqual(await recorder.flush(), []);
  void recorder.put({ userId: "ada", type: "view", itemId: "a", eventId: "late" }); // closing waits for it
  assert.deepEqual(ordinals(await recorder.close()), [5]);
  assert.deepEqual(await recorder.close(), []);
  await assert.rejects(recorder.put({ userId: "ada", type: "view" }), /closed/);
  assert.equal(ledger.connections, 1);
  assert.ok(Math.max(...ledger.requests) <= 2);
});

test("events put one by one within a turn of the loop go in one request", async () => {
  const ledger = new Ledger();
  using fake = await Fake.start({ events: ledger });
  const recorder = fake.client.recorder();
  for (const event of events(100)) {
    await recorder.put(event);
  }
  await recorder.close();
  assert.deepEqual(ledger.requests, [100]);
});

test("events put faster than they are answered fill requests, and what is left is sent after an answer", async () => {
  const sizes: number[] = [];
  const calls: Call[] = [];
  let ordinal = 0n;
  const answer = (count: number): void => {
    const acknowledgements = Array.from({ length: count }, () => ({ ordinal: ordinal++ }));
    calls[0]?.write(create(RecordEventsResponseSchema, { acknowledgements }));
  };
  const recordEvents = (call: Call): void => {
    calls.push(call);
    call.on("data", ({ events: sent }: RecordEventsRequest) => {
      sizes.push(sent.length);
      if (sizes.length > 4) {
        answer(sent.length);
      }
    });
  };
  using fake = await Fake.start({ events: { recordEvents } });
  const recorder = fake.client.recorder({ batch: 10, window: 30 });
  const sent = async (count: number): Promise<void> => {
    while (sizes.length < count) {
      await new Promise(setImmediate);
    }
  };
  let put = 0;
  for (const event of events(15)) {
    await recorder.put(event);
    put += 1;
    await (put <= 3 ? sent(put) : new Promise(setImmediate));
  }
  await sent(4);
  assert.deepEqual(sizes, [1, 1, 1, 10]);
  sizes.slice().forEach((size) => answer(size));
  assert.equal((await recorder.flush()).length, 15);
  assert.deepEqual(sizes, [1, 1, 1, 10, 2]);
});

test("a recorder that is listened to keeps nothing", async () => {
  using fake = await Fake.start({ events: new Ledger() });
  const heard: number[] = [];
  {
    await using recorder = fake.client.recorder({ onAcknowledged: ({ ordinal }) => heard.push(ordinal) });
    for (const event of events(3)) {
      await recorder.put(event);
    }
    assert.deepEqual(await recorder.flush(), []);
  }
  assert.deepEqual(heard, [0, 1, 2]);
});

test("what a recorder could not send is told, and another one can send it", async () => {
  const ledger = new Ledger();
  ledger.before = (eventId, call) => {
    if (eventId !== "e2") {
      return true;
    }
    call.emit("error", new Refusal(status.PERMISSION_DENIED, "no"));
    return false;
  };
  using fake = await Fake.start({ events: ledger });
  const recorder = fake.client.recorder({ batch: 1, window: 10 });
  for (const event of events(5)) {
    await recorder.put(event);
  }
  await assert.rejects(recorder.close(), { name: "PermissionDenied" });
  assert.deepEqual(
    recorder.unanswered.map(({ eventId }) => eventId),
    ["e2", "e3", "e4"],
  );
  ledger.before = () => true;
  const other = fake.client.recorder();
  for (const event of recorder.unanswered) {
    await other.put(event);
  }
  assert.equal((await other.close()).length, 3);
  assert.deepEqual(ledger.ids, ["e0", "e1", "e3", "e4"]);
});

test("closing the client closes its recorders first", async () => {
  const ledger = new Ledger();
  using fake = await Fake.start({ events: ledger });
  const heard: number[] = [];
  const recorder = fake.client.recorder({ onAcknowledged: ({ ordinal }) => heard.push(ordinal) });
  for (const event of events(40)) {
    await recorder.put(event);
  }
  const other = fake.client.recorder();
  await other.put({ userId: "bob", type: "view", itemId: "a", eventId: "other" });
  {
    await using client = fake.client;
    void client;
  }
  assert.deepEqual(heard, upTo(40));
  assert.ok(ledger.ids.includes("other"));
  await assert.rejects(recorder.put({ userId: "ada", type: "view" }), /closed/);
  assert.throws(() => fake.client.recorder(), Cancelled);
});

test("closing the client fails with the number of events that its recorders still hold", async () => {
  const recordEvents = (call: Call): void => void call.on("data", () => undefined);
  using fake = await Fake.start({ events: { recordEvents } }, { timeout: 50 });
  const recorders = [fake.client.recorder(), fake.client.recorder(), fake.client.recorder()];
  const late = { userId: "ada", type: "view", itemId: "a", eventId: "late" };
  await recorders[0]?.put(late);
  await recorders[2]?.put(late);
  await recorders[2]?.put({ ...late, eventId: "later" });
  const flushed = assert.rejects(recorders[0]?.flush() ?? Promise.resolve(), Cancelled);
  for (const closing of [fake.client.close(), fake.client.close()]) {
    await assert.rejects(
      closing,
      (error) =>
        error instanceof UnansweredEvents &&
        error instanceof DeadlineExceeded &&
        error.message.includes("3 events") &&
        error.events.map(({ eventId }) => eventId).join() === "late,late,later",
    );
  }
  await flushed;
});

test("a recorder whose closing was told is not told of again", async () => {
  const recordEvents = (call: Call): void =>
    void call.on("data", () => call.emit("error", new Refusal(status.PERMISSION_DENIED, "no")));
  using fake = await Fake.start({ events: { recordEvents } });
  const [told, open] = [fake.client.recorder(), fake.client.recorder()];
  await told.put({ userId: "ada", type: "view", itemId: "a" });
  await open.put({ userId: "ada", type: "view", itemId: "a" });
  await assert.rejects(told.close(), { name: "PermissionDenied" });
  await assert.rejects(fake.client.close(), (error: Error) => {
    assert.match(error.message, /\b1 events/);
    return (error.cause as Error).name === "PermissionDenied";
  });
});

test("a response that says nothing known is no answer", async () => {
  const ledger = new Ledger();
  const recordEvents = (call: Call): void => {
    call.write(later(create(RecordEventsResponseSchema, {})));
    ledger.recordEvents(call);
  };
  const upsertItems = (call: ServerDuplexStream<UpsertItemsRequest, UpsertItemsResponse>): void => {
    call.write(later(create(UpsertItemsResponseSchema, {})));
    call.on("data", ({ items }: UpsertItemsRequest) =>
      call.write(create(UpsertItemsResponseSchema, { accepted: items.length })),
    );
    call.on("end", () => call.end());
  };
  using fake = await Fake.start({ events: { recordEvents }, catalog: { upsertItems } });
  assert.deepEqual(ordinals(await collected(fake.client.recordMany(events(3)))), upTo(3));
  assert.equal((await fake.client.upsertItems([{ itemId: "a" }, { itemId: "b" }])).accepted, 2);
});

test("it loses patience with one who says nothing known", async () => {
  const recordEvents = (call: Call): void => {
    const saying = setInterval(() => call.write(create(RecordEventsResponseSchema, {})), 5);
    call.on("cancelled", () => clearInterval(saying));
    call.on("data", () => undefined);
  };
  using fake = await Fake.start({ events: { recordEvents } });
  await assert.rejects(collected(fake.client.recordMany(events(3), { patience: 60 })), DeadlineExceeded);
});

test("an event that no request has room for is refused, and ends nothing else", async () => {
  const ledger = new Ledger();
  using fake = await Fake.start({ events: ledger });
  const recorder = fake.client.recorder();
  await recorder.put({ userId: "ada", type: "view", itemId: "a", eventId: "before" });
  const huge = { userId: "ada", type: "review", text: "x".repeat(1 << 20), eventId: "huge" };
  const isRefused = (error: unknown): boolean => error instanceof InvalidArgument && error.field === "event";
  await assert.rejects(recorder.put(huge), isRefused);
  await assert.rejects(fake.client.record(huge), isRefused);
  await recorder.put({ userId: "ada", type: "view", itemId: "a", eventId: "after" });
  assert.deepEqual(ordinals(await recorder.close()), [0, 1]);
  assert.deepEqual(ledger.ids, ["before", "after"]);
});

test("items are sent over one stream, and refused ones are counted from the first of all", async () => {
  const sizes: number[] = [];
  using fake = await Fake.start({
    catalog: {
      upsertItems: (call) => {
        call.on("data", ({ items }: UpsertItemsRequest) => {
          sizes.push(items.length);
          const refused = items.flatMap(({ itemId, title }, index) =>
            title === "" ? [{ index, itemId, error: { code: 3 } }] : [],
          );
          call.write(create(UpsertItemsResponseSchema, { accepted: items.length - refused.length, refused }));
        });
        call.on("end", () => call.end());
      },
    },
  });
  const items = Array.from({ length: 10 }, (_, n) => ({ itemId: `i${n}`, title: n === 7 ? "" : "title" }));
  const { accepted, refused } = await fake.client.upsertItems(items, { batch: 4 });
  assert.equal(accepted, 9);
  assert.deepEqual(
    refused.map(({ index, itemId }) => [index, itemId]),
    [[7, "i7"]],
  );
  assert.ok(refused[0]?.error instanceof InvalidArgument);
  assert.ok(Math.max(...sizes) <= 4);
});
