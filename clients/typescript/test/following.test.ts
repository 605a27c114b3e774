import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { Internal } from "penchant";
import { encodeOptions, encodeStart } from "../src/encode.js";
import { Following, merged } from "../src/following.js";
import { RecommendationUpdateSchema, type RecommendationUpdate } from "../src/gen/penchant/v1/recommendation_pb.js";

function update(sequence: number, order: string, told: string, more: object = {}): RecommendationUpdate {
  return create(RecommendationUpdateSchema, {
    streamSequence: BigInt(sequence),
    order: [...order],
    recommendations: [...told].map((itemId) => ({ itemId, score: sequence })),
    resumeToken: `r${sequence}`,
    ...more,
  });
}

function following(): Following {
  return new Following(encodeStart("ada", { pageSize: 3 }, "home", "f1"));
}

test("differences are applied: an update is the whole list", () => {
  const list = following();
  list.accept(update(1, "abc", "abc", { snapshot: true }));
  const second = list.accept(update(2, "cad", "d"));
  assert.deepEqual(
    second?.recommendations.map(({ itemId, score }) => [itemId, score]),
    [
      ["c", 1],
      ["a", 1],
      ["d", 2],
    ],
  );
  assert.equal(second?.changed, true);
  assert.equal(list.accept(update(3, "cad", "a"))?.changed, false);
});

test("details of an item that left are forgotten", () => {
  const list = following();
  list.accept(update(1, "ab", "ab"));
  list.accept(update(2, "a", ""));
  assert.throws(
    () => list.accept(update(3, "ab", "")),
    (error) => error instanceof Internal && /"b"/.test(error.message),
  );
});

test("a number that is not above the last one is passed over, but its token counts", () => {
  const list = following();
  list.accept(update(2, "ab", "ab"));
  assert.equal(list.accept(update(2, "ab", "ab", { resumeToken: "later", goingAway: true })), undefined);
  assert.equal(list.goingAway, true);
  assert.equal(list.opening().resumeToken, "later");
  assert.equal(list.goingAway, false);
});

test("the next connection goes on after the last update", () => {
  const list = following();
  assert.equal(list.resumable, false);
  assert.equal(list.opening().minFreshness, "f1");
  list.accept(update(1, "abc", "abc"));
  list.shown(2, 1);
  const { resumeToken, shownPositions, minFreshness, userId, surface, options } = list.opening();
  assert.deepEqual([resumeToken, shownPositions, minFreshness, userId, surface], ["r1", 2, "", "ada", "home"]);
  assert.equal(options?.pageSize, 3);
  assert.equal(list.resumable, true);
});

test("positions shown are those of the last update: the next one has its own", () => {
  const list = following();
  list.accept(update(1, "abc", "abc"));
  list.shown(2, 1);
  list.accept(update(2, "abc", ""));
  assert.equal(list.opening().shownPositions, 0);
  list.shown(3, 1); // of an update before: its token knows nothing of it
  assert.equal(list.opening().shownPositions, 0);
});

test("a change releases what was shown and is in every opening after it", () => {
  const list = following();
  list.accept(update(1, "abc", "abc"));
  list.shown(2, 1);
  assert.equal(list.change(encodeOptions({ pageSize: 7 })).message.case, "change");
  assert.equal(list.opening().shownPositions, 0);
  assert.equal(list.opening().options?.pageSize, 7);
});

test("positions that an update does not have are refused", () => {
  const list = following();
  assert.throws(() => list.shown(1, 0), RangeError);
  list.accept(update(1, "abc", "abc"));
  assert.throws(() => list.shown(4, 1), /positions: 4 is not within 0–3/);
  assert.throws(() => list.shown(-1, 1), RangeError);
  assert.throws(() => list.shown(1, 2), /update 2 was not received/);
});

test("updates that waited become one, with the details of all and the newest trigger", () => {
  const list = following();
  list.accept(update(1, "abc", "abc"));
  const waiting = [
    update(2, "abd", "d", { trigger: { eventId: "e2" } }),
    update(3, "dbe", "eb", { goingAway: true }),
    update(4, "edc", "c"),
  ].reduce(merged);
  const given = list.accept(waiting);
  assert.deepEqual(
    given?.recommendations.map(({ itemId, score }) => [itemId, score]),
    [
      ["e", 3],
      ["d", 2],
      ["c", 4],
    ],
  );
  assert.equal(given?.sequence, 4);
  assert.equal(given?.trigger?.eventId, "e2");
  assert.equal(list.opening().resumeToken, "r4");
});

test("a repetition that finds an update waiting is passed over, but its token counts", () => {
  const list = following();
  const repeated = update(2, "a", "a", { resumeToken: "later", goingAway: true });
  const given = list.accept(merged(update(2, "ab", "ab"), repeated));
  assert.equal(given?.recommendations.length, 2);
  assert.equal(list.goingAway, true);
  assert.equal(list.opening().resumeToken, "later");
});

test("what waits is no longer than a list, however much was merged", () => {
  let waiting = update(1, "abc", "abc");
  for (let sequence = 2; sequence < 1_000; sequence += 1) {
    const fresh = String.fromCharCode(1_000 + sequence);
    waiting = merged(waiting, update(sequence, `ab${fresh}`, fresh));
  }
  assert.equal(waiting.recommendations.length, 3);
});
