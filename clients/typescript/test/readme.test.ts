import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const ROOT = new URL("../../", import.meta.url); // from dist/test

test("the first example is the one that is compiled, and short", () => {
  const readme = readFileSync(new URL("README.md", ROOT), "utf8");
  const [, first] = /```ts\n(.*?)```/s.exec(readme) ?? [];
  assert.equal(first, readFileSync(new URL("examples/first.ts", ROOT), "utf8"));
  assert.ok(first.trim().split("\n").length <= 15);
});
