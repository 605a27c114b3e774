/**
 * One connection of the driver, and what was opened on it.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { fromJson, toJson, type JsonValue } from "@bufbuild/protobuf";
import { Client, fromCall, type Acknowledged, type Recorder } from "penchant";
import type { RecommendationStream, UpdateStream } from "penchant";
import { RecommendRequestSchema, RecommendResponseSchema } from "../src/gen/penchant/v1/recommendation_pb.js";
import { acknowledged, failed, listed, updated } from "./answers.js";
import { measured } from "./measures.js";
import { Reader } from "./reader.js";
import { Unsupported, clientOptions, event, freshness, item, limits, options, type Json } from "./requests.js";

interface Opened {
  readonly stream: UpdateStream;
  /** Undefined where it only listens. */
  readonly steered: RecommendationStream | undefined;
  readonly reader: Reader;
}

/** A client, its recorders and its streams. */
export class Connected {
  readonly #client: Client;
  readonly #timeout: number;
  readonly #recorders = new Map<string, Recorder>();
  readonly #streams = new Map<string, Opened>();

  constructor(request: Json) {
    const { target } = request;
    const chosen = clientOptions(request);
    this.#client = new Client(target == null ? undefined : String(target), chosen);
    this.#timeout = chosen.timeout ?? 5_000;
  }

  /** Does what a request says and returns what it gives. */
  async perform(request: Json): Promise<Json> {
    const verb = String(request["do"]);
    const one = VERBS[verb];
    if (one === undefined) {
      throw new Unsupported(`"${verb}" is not known`);
    }
    return (await one.call(this, request)) ?? {};
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  async record({ event: given }: Json): Promise<Json> {
    const { eventId, freshnessToken, unchanged } = await this.#client.record(event(given));
    return { event_id: eventId, freshness_token: freshnessToken, unchanged };
  }

  async upsert(request: Json): Promise<Json> {
    const { batch } = limits(request);
    const items = (request["items"] as unknown[]).map(item);
    const { accepted, refused } = await this.#client.upsertItems(items, batch === undefined ? {} : { batch });
    return {
      accepted,
      refused: refused.map(({ index, itemId, error }) => ({ index, item_id: itemId, error: failed(error) })),
    };
  }

  async delete({ item_ids: itemIds }: Json): Promise<Json> {
    const { deleted, unknownItemIds } = await this.#client.deleteItems(itemIds as string[]);
    return { deleted, unknown: unknownItemIds };
  }

  async recommend(request: Json): Promise<Json> {
    const wanted = { ...options(request["options"]), ...freshness(request) };
    const { recommendations, attributionToken } = await this.#client.recommend(String(request["user_id"]), wanted);
    return listed(recommendations, attributionToken);
  }

  async similar({ item_id: itemId, options: wanted }: Json): Promise<Json> {
    return listed(await this.#client.similar(String(itemId), options(wanted)));
  }

  async search({ query, options: wanted }: Json): Promise<Json> {
    return listed(await this.#client.search(String(query), options(wanted)));
  }

  async interests(request: Json): Promise<Json> {
    const known = await this.#client.interests(String(request["user_id"]), freshness(request));
    return { event_count: known.eventCount, interests: known.interests.length, dislikes: known.dislikes.length };
  }

  async recordMany(request: Json): Promise<Json> {
    const answers: Acknowledged[] = [];
    for await (const one of this.#client.recordMany((request["events"] as unknown[]).map(event), limits(request))) {
      answers.push(one);
    }
    return acknowledged(answers);
  }

  openRecorder(request: Json): undefined {
    this.#recorders.set(String(request["name"]), this.#client.recorder(limits(request)));
  }

  async put({ name, events }: Json): Promise<undefined> {
    const recorder = opened(this.#recorders, name);
    for (const one of events as unknown[]) {
      await recorder.put(event(one));
    }
  }

  async flush({ name }: Json): Promise<Json> {
    return acknowledged(await opened(this.#recorders, name).flush());
  }

  async closeRecorder({ name }: Json): Promise<Json> {
    const recorder = opened(this.#recorders, name);
    this.#recorders.delete(String(name));
    return acknowledged(await recorder.close());
  }

  openStream(request: Json): undefined {
    const name = String(request["name"]);
    const userId = String(request["user_id"]);
    const wanted = { ...options(request["options"]), ...freshness(request) };
    const steered = request["watch"] ? undefined : this.#client.stream(userId, wanted);
    const stream = steered ?? this.#client.watch(userId, wanted);
    this.#streams.set(name, { stream, steered, reader: new Reader(stream, Boolean(request["lazy"])) });
  }

  async next({ name, within, after }: Json): Promise<Json> {
    await sleep(Number(after ?? 0));
    return updated(await opened(this.#streams, name).reader.next(Number(within ?? 5_000)));
  }

  async latest({ name, after }: Json): Promise<Json> {
    const { reader } = opened(this.#streams, name);
    await sleep(Number(after ?? 0));
    return updated(reader.latest());
  }

  shown({ name, positions, sequence }: Json): undefined {
    const given = sequence == null ? undefined : Number(sequence);
    this.#steered(name).shown(Number(positions), given);
  }

  change({ name, options: wanted }: Json): undefined {
    this.#steered(name).change(options(wanted));
  }

  closeStream({ name }: Json): undefined {
    opened(this.#streams, name).stream.close();
    this.#streams.delete(String(name));
  }

  measure(request: Json): Promise<Json> {
    return measured(this.#client, this.#timeout, request).catch((error: unknown) => Promise.reject(fromCall(error)));
  }

  async raw({ recommend }: Json): Promise<Json> {
    if (recommend == null) {
      throw new Unsupported("only recommend is asked by its stub");
    }
    const request = fromJson(RecommendRequestSchema, recommend as JsonValue);
    const asked = this.#client.raw.recommendations.recommend(request, { timeout: 5_000 });
    const response = await asked.catch((error: unknown) => Promise.reject(fromCall(error)));
    return { response: toJson(RecommendResponseSchema, response) };
  }

  #steered(name: unknown): RecommendationStream {
    const { steered } = opened(this.#streams, name);
    if (steered === undefined) {
      throw new Unsupported(`"${String(name)}" only listens`);
    }
    return steered;
  }
}

type Verb = (this: Connected, request: Json) => Promise<Json | undefined> | Json | undefined;

const VERBS: Readonly<Record<string, Verb>> = {
  close: async function () {
    await this.close();
    return undefined;
  },
  record: Connected.prototype.record,
  upsert: Connected.prototype.upsert,
  delete: Connected.prototype.delete,
  recommend: Connected.prototype.recommend,
  similar: Connected.prototype.similar,
  search: Connected.prototype.search,
  interests: Connected.prototype.interests,
  record_many: Connected.prototype.recordMany,
  open_recorder: Connected.prototype.openRecorder,
  put: Connected.prototype.put,
  flush: Connected.prototype.flush,
  close_recorder: Connected.prototype.closeRecorder,
  open_stream: Connected.prototype.openStream,
  next: Connected.prototype.next,
  latest: Connected.prototype.latest,
  shown: Connected.prototype.shown,
  change: Connected.prototype.change,
  close_stream: Connected.prototype.closeStream,
  measure: Connected.prototype.measure,
  raw: Connected.prototype.raw,
};

function opened<T>(named: ReadonlyMap<string, T>, name: unknown): T {
  const one = named.get(String(name));
  if (one === undefined) {
    throw new Unsupported(`there is nothing open by the name "${String(name)}"`);
  }
  return one;
}
