import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test, type TestContext } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Server, ServerCredentials, status, type ServerDuplexStream, type ServerWritableStream } from "@grpc/grpc-js";
import { Cancelled, Unavailable } from "penchant";
import { Connection } from "../src/connection.js";
import {
  RecordEventsResponseSchema,
  type RecordEventsRequest,
  type RecordEventsResponse,
} from "../src/gen/penchant/v1/event_pb.js";
import {
  WatchRecommendationsResponseSchema,
  type WatchRecommendationsRequest,
  type WatchRecommendationsResponse,
} from "../src/gen/penchant/v1/recommendation_pb.js";
import { Fake, Told, broken } from "./fake.js";

/** A channel that is there when the test says so; how often somebody waited for it. */
class Door {
  readonly asked: Told<void>[] = [new Told<void>()];
  #open = new Told<void>();

  constructor(context: TestContext) {
    context.mock.method(Connection.prototype, "ready", async () => {
      this.asked.at(-1)?.tell();
      this.asked.push(new Told<void>());
      await this.#open;
    });
  }

  open(): void {
    this.#open.tell();
    this.#open = new Told<void>();
  }
}

const turns = async (count: number): Promise<void> => {
  for (let n = 0; n < count; n += 1) {
    await new Promise(setImmediate);
  }
};

test("a list goes on when there is a connection, and not before", async (context) => {
  const door = new Door(context);
  let connections = 0;
  const watchRecommendations = (
    call: ServerWritableStream<WatchRecommendationsRequest, WatchRecommendationsResponse>,
  ): void => {
    connections += 1;
    const update = { streamSequence: BigInt(connections), resumeToken: "r" };
    call.write(create(WatchRecommendationsResponseSchema, { update }));
    call.emit("error", broken());
  };
  using fake = await Fake.start({ recommendations: { watchRecommendations } }, { retries: 0 });
  const updates = fake.client.watch("ada")[Symbol.asyncIterator]();
  await updates.next();
  for (const sequence of [2, 3]) {
    const next = updates.next();
    await door.asked[sequence - 2];
    await turns(20);
    assert.equal(connections, sequence - 1);
    door.open();
    assert.equal((await next).value?.sequence, sequence);
  }
  await updates.return(undefined);
});

test("a recorder goes on when there is a connection, and not before", async (context) => {
  const door = new Door(context);
  let connections = 0;
  const recordEvents = (call: ServerDuplexStream<RecordEventsRequest, RecordEventsResponse>): void => {
    connections += 1;
    call.on("data", ({ events }: RecordEventsRequest) => {
      const acknowledgements = events.map(({ eventId }, n) => ({ eventId, ordinal: BigInt(n) }));
      call.write(create(RecordEventsResponseSchema, { acknowledgements }));
      call.emit("error", broken());
    });
  };
  using fake = await Fake.start({ events: { recordEvents } }, { retries: 0 });
  const recorder = fake.client.recorder();
  const event = { userId: "ada", type: "view", itemId: "a" };
  await recorder.put(event);
  await recorder.flush();
  for (const connection of [2, 3]) {
    await recorder.put(event);
    const flushed = recorder.flush();
    await door.asked[connection - 2];
    await turns(20);
    assert.equal(connections, connection - 1);
    door.open();
    assert.equal((await flushed).length, 1);
  }
});

test("before the service was heard nobody waits for a connection", async (context) => {
  const door = new Door(context);
  using fake = await Fake.start(
    { events: { recordEvents: (call) => void call.on("data", () => call.emit("error", broken())) } },
    { retries: 1 },
  );
  const recorder = fake.client.recorder();
  await recorder.put({ userId: "ada", type: "view", itemId: "a" });
  await assert.rejects(recorder.flush(), Unavailable);
  assert.equal(door.asked.length, 1);
});

/** A server, and a connection to where it is; the server comes and goes. */
class Place implements Disposable {
  readonly connection: Connection;
  readonly port: number;
  #server: Server;

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
    this.connection = new Connection(`127.0.0.1:${port}`, { retries: 0 });
  }

  static async open(): Promise<Place> {
    const server = new Server();
    return new Place(server, await bound(server, 0));
  }

  leave(): void {
    this.#server.forceShutdown();
  }

  async comeBack(): Promise<void> {
    this.#server = new Server();
    await bound(this.#server, this.port);
  }

  [Symbol.dispose](): void {
    this.connection.close();
    this.leave();
  }
}

function bound(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, at) =>
      error ? reject(error) : resolve(at),
    ),
  );
}

test("the connection is ready when the service is back, for all who wait", async () => {
  using place = await Place.open();
  const { signal } = new AbortController();
  await place.connection.ready(signal);
  place.leave();
  await assert.rejects(place.connection.stubs.users.getInterests({ userId: "ada" }), { code: status.UNAVAILABLE });
  let isBack = false;
  const waiting = [1, 2, 3].map(() => place.connection.ready(signal).then(() => assert.ok(isBack)));
  await turns(20);
  isBack = true;
  await place.comeBack();
  await Promise.all(waiting);
});

test("who waits for a connection leaves with the signal, and when the client is closed", async () => {
  using place = await Place.open();
  place.leave();
  const leaving = new AbortController();
  const reason = new Error("enough");
  const left = place.connection.ready(leaving.signal);
  const closed = [place.connection.closing, new AbortController().signal].map((one) => place.connection.ready(one));
  leaving.abort(reason);
  await assert.rejects(left, (error) => error === reason);
  await assert.rejects(place.connection.ready(leaving.signal), (error) => error === reason);
  place.connection.close();
  closed.push(place.connection.ready(new AbortController().signal));
  for (const one of closed) {
    await assert.rejects(one, Cancelled);
  }
});

test("a program that waits for a connection goes on, and ends when it is told to", () => {
  const module = new URL("../src/connection.js", import.meta.url).href;
  const program = `
    const { Connection } = await import("${module}");
    const connection = new Connection("127.0.0.1:1", {});
    const waiting = connection.ready(connection.closing).catch(() => console.log("closed"));
    setTimeout(() => connection.close(), 300).unref();
    await waiting;`;
  const { stdout, status: code } = spawnSync(process.execPath, ["--input-type=module", "-e", program], { timeout: 10_000 });
  assert.deepEqual([stdout.toString(), code], ["closed\n", 0]);
});
