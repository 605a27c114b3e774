import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { text } from "node:stream/consumers";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { create } from "@bufbuild/protobuf";
import { RecordEventsResponseSchema, type RecordEventsRequest } from "../src/gen/penchant/v1/event_pb.js";
import { Fake } from "./fake.js";

const ROOT = fileURLToPath(new URL("../../", import.meta.url)); // from dist/test

/** Runs a program that has put two events, of which the service answers none but those with an id. */
async function ended(last: string): Promise<{ status: unknown; said: string }> {
  using fake = await Fake.start({
    events: {
      recordEvents: (call) => {
        call.on("data", ({ events }: RecordEventsRequest) => {
          const answered = events.filter(({ eventId }) => eventId === "answered");
          const acknowledgements = answered.map((one, ordinal) => ({ ordinal: BigInt(ordinal), eventId: one.eventId }));
          call.write(create(RecordEventsResponseSchema, { acknowledgements }));
        });
        call.on("end", () => call.end());
      },
    },
  });
  const program = `
    import { Client } from "penchant";
    const client = new Client(${JSON.stringify(fake.target)}, { timeout: 200 });
    const recorder = client.recorder({ batch: 1 });
    const put = (eventId) => recorder.put({ userId: "ada", type: "view", itemId: "a", eventId });
    ${last}
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], { cwd: ROOT });
  const status = new Promise((resolve) => child.on("close", resolve));
  return { said: await text(child.stderr), status: await status };
}

test("a program that ends without closing is warned, with the number of events that end with it", async () => {
  const { said, status } = await ended("await put('answered'); await recorder.flush(); await put('x'); await put('y'); process.exit(3)");
  assert.match(said, /^penchant: 2 events are not answered/);
  assert.equal(status, 3);
});

test("a program that closes, or holds nothing, is told nothing", async () => {
  for (const last of ["await put('answered'); await client.close()", "process.exit(0)"]) {
    assert.deepEqual(await ended(last), { said: "", status: 0 });
  }
});

test("a closing that fails ends a program that does not care, once, with the number", async () => {
  const { said, status } = await ended("await put('x'); client.close()");
  assert.match(said, /the client was closed with 1 events that are not answered/);
  assert.doesNotMatch(said, /^penchant: /m);
  assert.equal(status, 1);
});
