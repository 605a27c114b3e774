/**
 * Does a thing many times, by the client or by the bare stubs, and tells what it cost.
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { Client, fromCall } from "penchant";
import { RecordEventsRequestSchema, type RecordEventsResponse } from "../src/gen/penchant/v1/event_pb.js";
import { Unsupported, type Json } from "./requests.js";

const BATCH = 100;
const WINDOW = 1_000;

interface Wanted {
  readonly client: Client;
  /** Of the client, in milliseconds. */
  readonly timeout: number;
  readonly userId: string;
  readonly count: number;
  readonly itemIds: readonly string[];
}

/** Returns what a measurement gives; `timeout` is the client's. */
export async function measured(client: Client, timeout: number, request: Json): Promise<Json> {
  const what = String(request["what"]);
  const measure = MEASURES[what];
  if (measure === undefined) {
    throw new Unsupported(`"${what}" is not measured`);
  }
  const count = Number(request["count"]);
  const itemIds = (request["item_ids"] ?? []) as string[];
  const usedBefore = process.cpuUsage();
  const begun = performance.now();
  const took = await measure({ client, timeout, userId: String(request["user_id"]), count, itemIds });
  const seconds = (performance.now() - begun) / 1_000;
  const { user, system } = process.cpuUsage(usedBefore);
  took.sort((one, other) => one - other);
  return { count, seconds, cpu: (user + system) / 1e6, p50: percentile(took, 0.5), p99: percentile(took, 0.99) };
}

/** Each returns how long single calls took, in milliseconds. */
const MEASURES: Readonly<Record<string, (wanted: Wanted) => Promise<number[]>>> = {
  recommend: ({ client, userId, count }) => repeated(count, () => client.recommend(userId)),
  recommend_raw: ({ client, timeout, userId, count }) =>
    repeated(count, () => client.raw.recommendations.recommend({ userId }, { timeout })),
  events: recordViews,
  events_raw: recordViewsRaw,
};

async function repeated(count: number, call: () => Promise<unknown>): Promise<number[]> {
  const took: number[] = [];
  while (took.length < count) {
    const begun = performance.now();
    await call();
    took.push(performance.now() - begun);
  }
  return took;
}

function percentile(sorted: readonly number[], part: number): number | null {
  return sorted[Math.ceil(part * sorted.length) - 1] ?? null;
}

/** Returns the item of a view, by turns. */
function itemOf(number: number, itemIds: readonly string[]): string {
  const itemId = itemIds[number % itemIds.length];
  if (itemId === undefined) {
    throw new Unsupported("views of no item");
  }
  return itemId;
}

async function recordViews({ client, userId, count, itemIds }: Wanted): Promise<number[]> {
  const recorder = client.recorder({ batch: BATCH, window: WINDOW });
  for (let number = 0; number < count; number += 1) {
    await recorder.put({ userId, type: "view", itemId: itemOf(number, itemIds) });
  }
  await recorder.close();
  return [];
}

async function recordViewsRaw({ client, userId, count, itemIds }: Wanted): Promise<number[]> {
  const ending = new AbortController();
  const call = client.raw.events.recordEvents({ signal: ending.signal });
  let answered = 0;
  let wake = (): void => undefined;
  const ended = new Promise<void>((resolve, reject) => {
    call.on("data", ({ acknowledgements }: RecordEventsResponse) => {
      answered += acknowledgements.length;
      wake();
    });
    call.on("error", (error) => reject(fromCall(error)));
    call.on("end", resolve);
  });
  try {
    for (let first = 0; first < count; first += BATCH) {
      while (first - answered > WINDOW - BATCH) {
        await Promise.race([ended, new Promise<void>((resolve) => (wake = resolve))]);
      }
      const views = Array.from({ length: Math.min(BATCH, count - first) }, (_, n) => ({
        eventId: randomUUID(),
        userId,
        type: "view",
        itemId: itemOf(first + n, itemIds),
      }));
      call.write(create(RecordEventsRequestSchema, { events: views }));
    }
    call.end();
    await ended;
  } finally {
    ending.abort();
  }
  if (answered !== count) {
    throw new Error(`${answered} of ${count} events were answered`);
  }
  return [];
}
