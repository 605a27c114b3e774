import assert from "node:assert/strict";
import { test } from "node:test";
import { Metadata, status } from "@grpc/grpc-js";
import {
  Cancelled,
  Client,
  DeadlineExceeded,
  InvalidArgument,
  NotFound,
  Overloaded,
  Unavailable,
  Unimplemented,
} from "penchant";
import { Fake, Refusal, Told, detailed } from "./fake.js";

const LIST = {
  recommendations: [
    { itemId: "a", score: 1.5, explanation: { reasons: [{ kind: 1, contribution: 1 }, { kind: 99 }] } },
  ],
  attributionToken: "a1",
  freshness: { appliedThrough: "f1", age: { seconds: 1n, nanos: 500_000_000 } },
};

test("a list comes as plain values", async () => {
  using fake = await Fake.start({
    recommendations: {
      recommend: ({ userId, options, surface, minFreshness }) => {
        assert.deepEqual([userId, surface, minFreshness], ["ada", "home", "f0"]);
        assert.deepEqual(options?.filter?.attributes, { brand: "x" });
        assert.deepEqual(options?.filter?.excludeItemIds, ["b"]);
        return LIST;
      },
    },
  });
  const wanted = { surface: "home", minFreshness: "f0", attributes: { brand: "x" }, exclude: ["b"] };
  const list = await fake.client.recommend("ada", wanted);
  assert.equal(list.freshness.age, 1_500);
  assert.equal(list.recommendations[0]?.item, undefined);
  assert.deepEqual(
    list.recommendations[0]?.reasons.map(({ kind }) => kind),
    ["content", "unknown"],
  );
});

test("items are deleted a thousand at a time and listed page by page", async () => {
  using fake = await Fake.start({
    catalog: {
      deleteItems: ({ itemIds }) => ({ deleted: itemIds.length - 1, unknownItemIds: itemIds.slice(0, 1) }),
      listItems: ({ pageToken }) =>
        pageToken === "" ? { items: [{ itemId: "a" }], nextPageToken: "next" } : { items: [{ itemId: "b", price: 0 }] },
      getItem: ({ itemId }) => ({ item: { itemId, title: "title" } }),
    },
  });
  const ids = Array.from({ length: 1_500 }, (_, n) => `i${n}`);
  assert.deepEqual(await fake.client.deleteItems(ids), { deleted: 1_498, unknownItemIds: ["i0", "i1000"] });
  await assert.rejects(fake.client.deleteItems("abc"), TypeError);
  const items = [];
  for await (const { itemId, price } of fake.client.listItems()) {
    items.push([itemId, price]);
  }
  assert.deepEqual(items, [
    ["a", undefined],
    ["b", 0],
  ]);
  assert.equal((await fake.client.getItem("c")).title, "title");
});

test("UNAVAILABLE is tried again, with the same event id, and no other error is", async () => {
  const ids: string[] = [];
  let searches = 0;
  using fake = await Fake.start({
    events: {
      recordEvent: ({ event }) => {
        ids.push(event?.eventId ?? "");
        if (ids.length < 3) {
          throw new Refusal(status.UNAVAILABLE, "not now");
        }
        return { eventId: event?.eventId ?? "", freshnessToken: "f1" };
      },
    },
    recommendations: {
      searchItems: () => {
        searches += 1;
        throw new Refusal(status.RESOURCE_EXHAUSTED, "busy", detailed(status.RESOURCE_EXHAUSTED, "busy"));
      },
    },
  });
  const recorded = await fake.client.record({ userId: "ada", type: "view", itemId: "a" });
  assert.equal(recorded.freshnessToken, "f1");
  assert.deepEqual(ids, [recorded.eventId, recorded.eventId, recorded.eventId]);
  await assert.rejects(
    fake.client.search("shoes"),
    (error) => error instanceof Overloaded && error.retryAfter === 1_500,
  );
  assert.equal(searches, 1);
});

test("retries are as many as was said", async () => {
  let asked = 0;
  const users = {
    getInterests: () => {
      asked += 1;
      throw new Refusal(status.UNAVAILABLE, "not now");
    },
  };
  for (const retries of [0, 1]) {
    asked = 0;
    using fake = await Fake.start({ users }, { retries });
    await assert.rejects(fake.client.interests("ada"), Unavailable);
    assert.equal(asked, retries + 1);
  }
});

test("errors come with their details; what the service does not know is told", async () => {
  using fake = await Fake.start({
    events: {
      recordEvent: () => {
        throw new Refusal(status.INVALID_ARGUMENT, "no", detailed(status.INVALID_ARGUMENT, "no"));
      },
    },
    recommendations: {
      similarItems: () => {
        throw new Refusal(status.NOT_FOUND, "no such item");
      },
    },
  });
  const record = fake.client.record({ userId: "ada", type: "nonsense" });
  await assert.rejects(record, (error) => error instanceof InvalidArgument && error.field === "event.type");
  await assert.rejects(fake.client.similar("a"), (error) => error instanceof NotFound && error.cause instanceof Error);
  await assert.rejects(fake.client.search("shoes"), Unimplemented);
});

test("a service that is not there is unavailable, before the deadline", async () => {
  using client = new Client("localhost:1", { timeout: 60_000, retries: 1 });
  await assert.rejects(client.recommend("ada"), Unavailable);
});

test("a call ends at its deadline, with its signal, or with the client", async () => {
  let asked = new Told<void>();
  using fake = await Fake.start(
    {
      recommendations: {
        recommend: () => {
          asked.tell();
          return new Promise(() => undefined);
        },
      },
    },
    { timeout: 50 },
  );
  await assert.rejects(fake.client.recommend("ada"), DeadlineExceeded);

  asked = new Told();
  const abort = new AbortController();
  const reason = new Error("enough");
  const aborted = assert.rejects(
    fake.client.recommend("ada", { signal: abort.signal, timeout: 60_000 }),
    (error) => error === reason,
  );
  await asked;
  abort.abort(reason);
  await aborted;
  await assert.rejects(
    fake.client.recommend("ada", { signal: AbortSignal.abort(reason) }),
    (error) => error === reason,
  );

  asked = new Told();
  const closed = assert.rejects(fake.client.recommend("ada", { timeout: 60_000 }), Cancelled);
  await asked;
  await fake.client.close();
  await closed;
  await fake.client.close();
  await assert.rejects(fake.client.recommend("ada"), Cancelled);
});

test("the key goes with every call, the stubs' own too", async () => {
  const keys: unknown[] = [];
  using fake = await Fake.start(
    {
      recommendations: {
        recommend: (_, metadata: Metadata) => {
          keys.push(metadata.get("authorization")[0], metadata.get("x-mine")[0]);
          return {};
        },
        watchRecommendations: (call) => {
          keys.push(call.metadata.get("authorization")[0]);
          call.write({ $typeName: "penchant.v1.WatchRecommendationsResponse" });
          call.end();
        },
      },
    },
    { apiKey: "key-1" },
  );
  await fake.client.recommend("ada");
  const metadata = new Metadata();
  metadata.set("x-mine", "yes");
  await fake.client.raw.recommendations.recommend({ userId: "ada" }, { metadata });
  for await (const response of fake.client.raw.recommendations.watchRecommendations({})) {
    assert.equal(response.update, undefined);
  }
  assert.deepEqual(keys, ["Bearer key-1", undefined, "Bearer key-1", "yes", "Bearer key-1"]);
});

test("reads wait for the writes of their user, when that was asked for", async () => {
  for (const readYourWrites of [true, false]) {
    const waited: string[] = [];
    using fake = await Fake.start(
      {
        events: { recordEvent: ({ event }) => ({ freshnessToken: `f-${event?.userId}` }) },
        recommendations: {
          recommend: ({ minFreshness }) => {
            waited.push(minFreshness);
            return {};
          },
        },
        users: {
          getInterests: ({ minFreshness }) => {
            waited.push(minFreshness);
            return {};
          },
        },
      },
      { readYourWrites },
    );
    await fake.client.record({ userId: "ada", type: "view", itemId: "a" });
    await fake.client.recommend("ada");
    await fake.client.recommend("bob");
    await fake.client.interests("ada");
    await fake.client.interests("ada", { minFreshness: "own" });
    assert.deepEqual(waited, readYourWrites ? ["f-ada", "", "f-ada", "own"] : ["", "", "", "own"]);
  }
});
