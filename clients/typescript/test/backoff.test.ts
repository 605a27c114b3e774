import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "../src/backoff.js";

test("delays double from 50 ms to 5 s", () => {
  const backoff = new Backoff(() => 0);
  const delays = Array.from({ length: 9 }, () => backoff.next());
  assert.deepEqual(delays, [50, 100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  assert.equal(backoff.failures, 9);
});

test("a delay is shortened by up to a half", () => {
  assert.equal(new Backoff(() => 0.5).next(), 37.5);
  assert.ok(new Backoff(() => 0.999).next() >= 25);
});

test("it begins anew after a success, and does not overflow before", () => {
  const backoff = new Backoff(() => 0);
  for (let n = 0; n < 2_000; n += 1) {
    assert.ok(backoff.next() <= 5_000);
  }
  backoff.succeeded();
  assert.equal(backoff.failures, 0);
  assert.equal(backoff.next(), 50);
});
