import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { status, type ServerDuplexStream, type ServerWritableStream } from "@grpc/grpc-js";
import { Cancelled, Client, DeadlineExceeded, Internal, InvalidArgument, Unavailable, type Update } from "penchant";
import {
  StreamRecommendationsResponseSchema,
  WatchRecommendationsResponseSchema,
  type StreamRecommendationsRequest,
  type StreamRecommendationsResponse,
  type StreamStart,
  type WatchRecommendationsRequest,
  type WatchRecommendationsResponse,
} from "../src/gen/penchant/v1/recommendation_pb.js";
import { Fake, Refusal, Told, broken, later } from "./fake.js";

type Call = ServerDuplexStream<StreamRecommendationsRequest, StreamRecommendationsResponse>;
type Watched = ServerWritableStream<WatchRecommendationsRequest, WatchRecommendationsResponse>;

function update(sequence: number, order = "abc", more: object = {}): StreamRecommendationsResponse {
  return create(StreamRecommendationsResponseSchema, {
    update: {
      streamSequence: BigInt(sequence),
      order: [...order],
      recommendations: [...order].map((itemId) => ({ itemId })),
      resumeToken: `r${sequence}`,
      ...more,
    },
  });
}

/** A service whose connections are written one by one; what the client says on all of them is kept. */
class Script {
  readonly starts: StreamStart[] = [];
  readonly said: StreamRecommendationsRequest["message"][] = [];
  readonly cancelled = new Told<void>();
  readonly #connections: ((call: Call, said: StreamRecommendationsRequest["message"]) => void)[];

  /** Each is called with everything that is said on its connection; the last one goes on for all that follow. */
  constructor(...connections: ((call: Call, said: StreamRecommendationsRequest["message"]) => void)[]) {
    this.#connections = connections;
  }

  readonly streamRecommendations = (call: Call): void => {
    const hear = this.#connections.length > 1 ? this.#connections.shift() : this.#connections[0];
    call.on("cancelled", () => this.cancelled.tell());
    call.on("data", ({ message }: StreamRecommendationsRequest) => {
      if (message.case === "open") {
        this.starts.push(message.value);
      } else {
        this.said.push(message);
      }
      hear?.(call, message);
    });
  };
}

async function next(updates: AsyncIterator<Update>): Promise<Update> {
  const { value, done } = await updates.next();
  assert.ok(!done);
  return value as Update;
}

test("a stream goes on after a break, with its token, the newest options and what was shown", async () => {
  const script = new Script(
    (call) => call.emit("error", broken()), // before the first update
    (call, said) => {
      if (said.case === "open") {
        call.write(update(1));
      } else if (said.case === "change") {
        call.write(update(2, "ca"));
      } else if (said.case === "shown" && said.value.streamSequence === 2n) {
        call.emit("error", broken());
      }
    },
    (call) => {
      call.write(update(2, "ca")); // a repetition
      call.write(update(3, "cb"));
    },
  );
  using fake = await Fake.start({ recommendations: script });
  using stream = fake.client.stream("ada", { minFreshness: "f1", pageSize: 3 });
  const updates = stream[Symbol.asyncIterator]();
  assert.deepEqual(
    (await next(updates)).recommendations.map(({ itemId }) => itemId),
    ["a", "b", "c"],
  );
  stream.shown(2);
  stream.change({ pageSize: 2 });
  assert.equal((await next(updates)).sequence, 2);
  stream.shown(1);
  const third = await next(updates);
  assert.deepEqual([third.sequence, third.changed], [3, true]);
  const told = script.starts.map((one) => [
    one.resumeToken,
    one.shownPositions,
    one.options?.pageSize,
    one.minFreshness,
  ]);
  assert.deepEqual(told, [
    ["", 0, 3, "f1"],
    ["", 0, 3, "f1"],
    ["r2", 1, 2, ""],
  ]);
  assert.deepEqual(
    script.said.map((one) => one.case),
    ["shown", "change", "shown"],
  );
});

test("a service that goes away is asked again, though it ended the stream well or with another error", async () => {
  const script = new Script(
    (call) => {
      call.write(update(1, "abc", { goingAway: true }));
      call.end();
    },
    (call) => call.write(update(2)),
  );
  using fake = await Fake.start({ recommendations: script });
  using stream = fake.client.stream("ada");
  const updates = stream[Symbol.asyncIterator]();
  assert.deepEqual([(await next(updates)).sequence, (await next(updates)).sequence], [1, 2]);
  assert.equal(script.starts[1]?.resumeToken, "r1");
});

test("leaving the loop ends the call, and so does closing the stream", async () => {
  const left = new Script((call) => call.write(update(1)));
  const ended = new Script((call) => call.write(update(1)));
  {
    using fake = await Fake.start({ recommendations: left });
    for await (const { sequence } of fake.client.stream("ada")) {
      assert.equal(sequence, 1);
      break;
    }
    await left.cancelled;
  }
  using fake = await Fake.start({ recommendations: ended });
  const stream = fake.client.stream("ada");
  const sequences = [];
  for await (const { sequence } of stream) {
    sequences.push(sequence);
    queueMicrotask(() => stream.close()); // while the loop waits
  }
  await ended.cancelled;
  assert.deepEqual(sequences, [1]);
  stream.close();
  assert.deepEqual(await stream[Symbol.asyncIterator]().next(), { value: undefined, done: true });
});

test("a signal ends a stream with its reason, closing the client with Cancelled", async () => {
  const script = new Script((call) => call.write(update(1)));
  using fake = await Fake.start({ recommendations: script });
  const abort = new AbortController();
  const reason = new Error("enough");
  const aborted = fake.client.stream("ada", { signal: abort.signal })[Symbol.asyncIterator]();
  const cut = fake.client.stream("ada")[Symbol.asyncIterator]();
  await Promise.all([next(aborted), next(cut)]);
  abort.abort(reason);
  await assert.rejects(aborted.next(), (error) => error === reason);
  await fake.client.close();
  await assert.rejects(cut.next(), Cancelled);
});

test("errors other than UNAVAILABLE end a stream, and so does an end that was not announced", async () => {
  const script = new Script(
    (call) => call.emit("error", new Refusal(status.INVALID_ARGUMENT, "no")),
    (call) => {
      call.write(update(1));
      call.end();
    },
  );
  using fake = await Fake.start({ recommendations: script });
  await assert.rejects(fake.client.stream("ada")[Symbol.asyncIterator]().next(), InvalidArgument);
  const sequences = [];
  for await (const { sequence } of fake.client.stream("ada")) {
    sequences.push(sequence);
  }
  assert.deepEqual(sequences, [1]);
});

test("an update that lacks an item breaks the contract", async () => {
  const script = new Script((call) => call.write(update(1, "abc", { recommendations: [] })));
  using fake = await Fake.start({ recommendations: script });
  await assert.rejects(fake.client.stream("ada")[Symbol.asyncIterator]().next(), Internal);
});

test("before the first update it is tried as often as a unary call, and waited for as long", async () => {
  const breaking = new Script((call) => call.emit("error", broken()));
  {
    using fake = await Fake.start({ recommendations: breaking }, { retries: 2 });
    await assert.rejects(fake.client.stream("ada")[Symbol.asyncIterator]().next(), Unavailable);
    assert.equal(breaking.starts.length, 3);
  }
  using fake = await Fake.start({ recommendations: new Script(() => undefined) }, { timeout: 30 });
  await assert.rejects(fake.client.stream("ada")[Symbol.asyncIterator]().next(), DeadlineExceeded);
  using client = new Client("localhost:1", { retries: 0 });
  await assert.rejects(client.watch("ada")[Symbol.asyncIterator]().next(), Unavailable);
});

test("a slow reader is given the newest list, and may say what it showed of the one before", async () => {
  const told = new Told<void>();
  let call: Call | undefined;
  const script = new Script((one, said) => {
    call = one;
    if (said.case === "open") {
      one.write(update(1));
    } else {
      told.tell();
    }
  });
  using fake = await Fake.start({ recommendations: script });
  using stream = fake.client.stream("ada");
  const updates = stream[Symbol.asyncIterator]();
  await next(updates);
  for (let sequence = 2; sequence <= 12; sequence += 1) {
    // Only the first of them tells of "d".
    const recommendations = sequence === 2 ? [{ itemId: "d" }] : [];
    call?.write(update(sequence, sequence % 2 ? "abd" : "dba", { recommendations }));
  }
  await until(() => newest(stream) === 12);
  stream.shown(2);
  await told;
  const given = await next(updates);
  assert.deepEqual([given.sequence, given.recommendations[0]?.itemId], [12, "d"]);
  for (let sequence = 13; sequence <= 40; sequence += 1) {
    call?.write(update(sequence));
  }
  await until(() => newest(stream) === 40);
  stream.shown(1); // the service has forgotten update 12 and would end the stream
  assert.equal((await next(updates)).sequence, 40);
  stream.shown(3);
  await until(() => script.said.length === 2);
  assert.deepEqual(
    script.said.map((one) => one.case === "shown" && Number(one.value.streamSequence)),
    [1, 40],
  );
});

test("the next connection is told of no update that it does not know", async () => {
  const script = new Script(
    (call, said) => {
      if (said.case === "open") {
        call.write(update(1));
      } else if (said.case === "change") {
        call.write(update(2));
      } else {
        call.emit("error", broken());
      }
    },
    (call, said) => void (said.case === "open" && call.write(update(3))),
  );
  using fake = await Fake.start({ recommendations: script });
  using stream = fake.client.stream("ada");
  const updates = stream[Symbol.asyncIterator]();
  await next(updates);
  stream.change({});
  await next(updates);
  stream.shown(2);
  assert.equal((await next(updates)).sequence, 3);
  [1, 2, 3].forEach((sequence) => stream.shown(1, sequence));
  await until(() => script.said.length === 4);
  assert.deepEqual(
    script.said.slice(2).map((one) => one.case === "shown" && Number(one.value.streamSequence)),
    [2, 3],
  );
});

test("one who closes a stream is not given what waited", async () => {
  const script = new Script((call) => [1, 2].forEach((sequence) => call.write(update(sequence))));
  using fake = await Fake.start({ recommendations: script });
  const given = [];
  const stream = fake.client.stream("ada");
  for await (const { sequence } of stream) {
    given.push(sequence);
    await until(() => newest(stream) === 2);
    stream.close();
  }
  assert.equal(given.length, 1);
});

test("messages that say nothing known are skipped, and the stream goes on with its token", async () => {
  const nothing = later(create(StreamRecommendationsResponseSchema, {}));
  const script = new Script((call) => {
    [nothing, later(update(script.starts.length)), nothing].forEach((one) => call.write(one));
    call.emit("error", broken());
  });
  const watchRecommendations = (call: Watched): void => {
    const silent = create(WatchRecommendationsResponseSchema, {});
    [later(silent), create(WatchRecommendationsResponseSchema, rest(update(1))), silent].forEach((one) => call.write(one));
    call.end();
  };
  using fake = await Fake.start({ recommendations: { ...script, watchRecommendations } }, { retries: 0 });
  const sequences = [];
  for await (const { sequence } of fake.client.stream("ada")) {
    sequences.push(sequence);
    if (sequence === 3) {
      break;
    }
  }
  for await (const { sequence } of fake.client.watch("ada")) {
    sequences.push(sequence);
  }
  assert.deepEqual(sequences, [1, 2, 3, 1]);
  assert.deepEqual(
    script.starts.map(({ resumeToken }) => resumeToken),
    ["", "r1", "r2"],
  );
});

test("a list that is only watched resumes too", async () => {
  const starts: (StreamStart | undefined)[] = [];
  const watchRecommendations = (call: Watched): void => {
    starts.push(call.request.open);
    call.write({ $typeName: "penchant.v1.WatchRecommendationsResponse", ...rest(update(starts.length)) });
    if (starts.length === 1) {
      call.emit("error", broken());
    }
  };
  using fake = await Fake.start({ recommendations: { watchRecommendations } });
  const sequences = [];
  for await (const { sequence } of fake.client.watch("ada", { surface: "home" })) {
    sequences.push(sequence);
    if (sequence === 2) {
      break;
    }
  }
  assert.deepEqual(sequences, [1, 2]);
  assert.deepEqual(
    starts.map((one) => [one?.resumeToken, one?.surface]),
    [
      ["", "home"],
      ["r1", "home"],
    ],
  );
});

function rest({ update: inner }: StreamRecommendationsResponse): Pick<WatchRecommendationsResponse, "update"> {
  return inner === undefined ? {} : { update: inner };
}

/** Number of the newest update that has come to the client, given or not. */
function newest(stream: object): number {
  return (stream as { mailbox?: { newest: number } }).mailbox?.newest ?? 0;
}

async function until(ready: () => boolean): Promise<void> {
  while (!ready()) {
    await new Promise(setImmediate);
  }
}
