/**
 * The client: every verb of the contract.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Connection, closed, type ConnectionOptions, type RawStubs } from "./connection.js";
import { decodeInterests, decodeItem, decodeRecommendation, decodeRecommendations, decodeRecorded } from "./decode.js";
import { Delivery } from "./delivery.js";
import { encodeEvent, encodeItem, encodeOptions, encodeStart, eventBytes, itemBytes } from "./encode.js";
import { UnansweredEvents } from "./errors.js";
import { EventExchange, ItemExchange } from "./exchange.js";
import { Following } from "./following.js";
import type { CallOptions, DeliveryOptions, Event, Item, ListOptions } from "./model.js";
import type { ReadOptions, RecommendOptions, RecordOptions } from "./model.js";
import { Outbox } from "./outbox.js";
import { Recorder, type EventDelivery } from "./recorder.js";
import type { Acknowledged, DeleteResult, Interests, Recommendation, Recommendations, Recorded } from "./results.js";
import type { Refused, UpsertResult } from "./results.js";
import { fromCall } from "./status.js";
import { RecommendationStream, UpdateStream, type Line } from "./stream.js";
import type { StubOptions } from "./stubs.js";
import { LastWrites } from "./writes.js";

/** Where the service listens when nothing else is said. */
export const DEFAULT_TARGET = "127.0.0.1:50551";

const DEFAULT_TIMEOUT = 5_000; // milliseconds
const DEFAULT_BATCH = 100;
const DEFAULT_WINDOW = 1_000;
const DEFAULT_PATIENCE = 60_000; // milliseconds

/** Full requests of items on their way at once. */
const UPSERTS_AT_ONCE = 4;
/** Most ids that the contract allows in one request. */
const DELETE_BATCH = 1_000;

/** How a client reaches the service. */
export interface ClientOptions extends ConnectionOptions {
  /** Deadline of every unary call and of a stream's first update, in milliseconds above 0; by default 5,000. */
  readonly timeout?: number;
  /**
   * True: reads of a user wait for the last event of that user that this client recorded, of the 10,000 users who wrote
   * last. By default false.
   */
  readonly readYourWrites?: boolean;
}

/** How a recorder sends. */
export interface RecorderOptions extends RecordOptions {
  /** Hears what became of each event, in order; `flush` then has nothing. What it throws ends the recorder. */
  readonly onAcknowledged?: (acknowledged: Acknowledged) => void;
}

/**
 * A connection to the service, opened by its first call; to be closed, or declared with `using`.
 *
 * Calls reject with a {@link PenchantError}, with the reason of their signal when that aborts, and with RangeError or
 * TypeError for values that cannot be sent.
 */
export class Client {
  readonly #connection: Connection;
  readonly #timeout: number;
  readonly #writes: LastWrites | undefined;
  readonly #recorders = new Set<Recorder>();
  #closed: Promise<void> | undefined;

  /** `target` is a gRPC target, for example `host:port`. Throws when an option cannot be. */
  constructor(target: string = DEFAULT_TARGET, options: ClientOptions = {}) {
    this.#timeout = options.timeout ?? DEFAULT_TIMEOUT;
    if (!(this.#timeout > 0)) {
      throw new RangeError(`timeout: ${this.#timeout} is not above 0`);
    }
    this.#connection = new Connection(target, options);
    this.#writes = options.readYourWrites ? new LastWrites() : undefined;
  }

  /** The generated stubs, for calls that the client does not cover; they have no deadline of their own. */
  get raw(): RawStubs {
    return this.#connection.stubs;
  }

  /**
   * Closes recorders that are open, for at most the client's `timeout`, then the connection, at once when there are none;
   * calls under way reject with {@link Cancelled}. Rejects with {@link UnansweredEvents}, which says how many, when
   * recorders still hold events then. Closing again resolves, or rejects, alike.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  /** Closes the client at the end of `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Begins to close the client at the end of `using`, which waits for nothing; when that fails, nobody catches it. */
  [Symbol.dispose](): void {
    void this.close();
  }

  /** Records one event; when it resolves, the event is durable and applied. */
  async record(event: Event, options?: CallOptions): Promise<Recorded> {
    const request = { event: encodeEvent(event) };
    const recorded = decodeRecorded(await this.#ask(this.raw.events.recordEvent, request, options));
    this.#writes?.remember(event.userId, recorded.freshnessToken);
    return recorded;
  }

  /**
   * Records many events over one stream and gives what became of each, in order. What was not acknowledged when the
   * service went away is sent again, in order; an event that had arrived then comes back as unchanged. Leaving the
   * `for await` ends the stream.
   */
  async *recordMany(
    events: Iterable<Event> | AsyncIterable<Event>,
    options: RecordOptions = {},
  ): AsyncGenerator<Acknowledged, undefined, undefined> {
    const { delivery } = this.#eventDelivery(options);
    void delivery.feed(events, encodeEvent);
    yield* received(delivery);
  }

  /** Returns a recorder: one long stream for events as they come. Throws {@link Cancelled} after {@link close}. */
  recorder(options: RecorderOptions = {}): Recorder {
    if (this.#closed !== undefined) {
      throw closed();
    }
    const { delivery, outbox } = this.#eventDelivery(options);
    return new Recorder(delivery, outbox, options.onAcknowledged, this.#recorders);
  }

  /**
   * Adds items or replaces those with the same id; refused ones are reported and stop nothing. Sending resumes as in
   * {@link recordMany}; after an error some items may be in the catalogue, and sending all of them again is safe.
   */
  async upsertItems(items: Iterable<Item> | AsyncIterable<Item>, options: DeliveryOptions = {}): Promise<UpsertResult> {
    const { batch = DEFAULT_BATCH, patience = DEFAULT_PATIENCE, signal } = options;
    const delivery = new Delivery({
      outbox: new Outbox(batch, batch * UPSERTS_AT_ONCE, itemBytes),
      connect: (ending) => this.raw.catalog.upsertItems({ signal: ending }),
      exchange: (outbox) => new ItemExchange(outbox),
      patience,
      ...this.#ways(signal),
    });
    void delivery.feed(items, encodeItem);
    let accepted = 0;
    const refused: Refused[] = [];
    for await (const answer of received(delivery)) {
      accepted += answer.accepted;
      refused.push(...answer.refused);
    }
    return { accepted, refused };
  }

  /** Removes items; users' events on them count again if an item comes back. */
  async deleteItems(itemIds: Iterable<string>, options?: CallOptions): Promise<DeleteResult> {
    if (typeof itemIds === "string") {
      // A string is an iterable of its letters.
      throw new TypeError("itemIds: takes several ids; write [itemId]");
    }
    const ids = [...itemIds];
    let deleted = 0;
    const unknownItemIds: string[] = [];
    for (let first = 0; first < ids.length; first += DELETE_BATCH) {
      const request = { itemIds: ids.slice(first, first + DELETE_BATCH) };
      const answer = await this.#ask(this.raw.catalog.deleteItems, request, options);
      deleted += answer.deleted;
      unknownItemIds.push(...answer.unknownItemIds);
    }
    return { deleted, unknownItemIds };
  }

  /** Returns the item as stored, its text normalised; rejects with {@link NotFound}. */
  async getItem(itemId: string, options?: CallOptions): Promise<Item> {
    const { item } = await this.#ask(this.raw.catalog.getItem, { itemId }, options);
    return item === undefined ? { itemId } : decodeItem(item);
  }

  /** Gives every item of the catalogue, in a fixed order, asking for the next page when it is needed. */
  async *listItems(options?: CallOptions): AsyncGenerator<Item, undefined, undefined> {
    let pageToken = "";
    do {
      const page = await this.#ask(this.raw.catalog.listItems, { pageToken }, options);
      yield* page.items.map(decodeItem);
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
  }

  /** Returns one ranked list for a user; for a user without events, what is popular now. */
  async recommend(userId: string, options: RecommendOptions = {}): Promise<Recommendations> {
    const request = {
      userId,
      options: encodeOptions(options),
      surface: options.surface ?? "",
      minFreshness: this.#minFreshness(userId, options),
    };
    return decodeRecommendations(await this.#ask(this.raw.recommendations.recommend, request, options));
  }

  /** Returns items like one item, by its words and by what people went on to; rejects with {@link NotFound}. */
  async similar(itemId: string, options: ListOptions & CallOptions = {}): Promise<Recommendation[]> {
    const request = { itemId, options: encodeOptions(options) };
    const answer = await this.#ask(this.raw.recommendations.similarItems, request, options);
    return answer.recommendations.map(decodeRecommendation);
  }

  /** Returns items by meaning, closest first, for 1–8,192 bytes of words in any language. */
  async search(query: string, options: ListOptions & CallOptions = {}): Promise<Recommendation[]> {
    const request = { query, options: encodeOptions(options) };
    const answer = await this.#ask(this.raw.recommendations.searchItems, request, options);
    return answer.recommendations.map(decodeRecommendation);
  }

  /** Returns the user's interests and the events they rest on; a user never heard of has none. */
  async interests(userId: string, options: ReadOptions = {}): Promise<Interests> {
    const request = { userId, minFreshness: this.#minFreshness(userId, options) };
    return decodeInterests(await this.#ask(this.raw.users.getInterests, request, options));
  }

  /** Returns the user's list, whole, whenever it changes; it resumes by itself when the connection breaks. */
  watch(userId: string, options: RecommendOptions = {}): UpdateStream {
    const following = this.#following(userId, options);
    return new UpdateStream({
      following,
      connect: (signal) => this.raw.recommendations.watchRecommendations({ open: following.opening() }, { signal }),
      patience: options.timeout ?? this.#timeout,
      ...this.#ways(options.signal),
    });
  }

  /** Returns the same list as a stream that can be steered by what was shown, and by other options. */
  stream(userId: string, options: RecommendOptions = {}): RecommendationStream {
    return new RecommendationStream({
      following: this.#following(userId, options),
      connect: (signal) => this.raw.recommendations.streamRecommendations({ signal }),
      patience: options.timeout ?? this.#timeout,
      ...this.#ways(options.signal),
    });
  }

  async #close(): Promise<void> {
    const recorders = [...this.#recorders];
    const causes: unknown[] = [];
    if (recorders.length > 0) {
      const closing = recorders.map((one) => one.close().catch((error: unknown) => causes.push(error)));
      const late = new AbortController();
      await Promise.race([Promise.all(closing), waited(this.#timeout, late.signal)]);
      late.abort();
    }
    this.#connection.close();
    const events = recorders.flatMap((one) => one.unanswered);
    if (events.length > 0) {
      throw new UnansweredEvents(events, causes[0]);
    }
  }

  #eventDelivery(options: RecordOptions): { delivery: EventDelivery; outbox: EventOutbox } {
    const { batch = DEFAULT_BATCH, window = DEFAULT_WINDOW, patience = DEFAULT_PATIENCE, signal } = options;
    const recorded = (userId: string, freshnessToken: string): void => this.#writes?.remember(userId, freshnessToken);
    const outbox: EventOutbox = new Outbox(batch, window, eventBytes);
    const delivery: EventDelivery = new Delivery({
      outbox,
      connect: (ending) => this.raw.events.recordEvents({ signal: ending }),
      exchange: (waiting) => new EventExchange(waiting, recorded),
      patience,
      ...this.#ways(signal),
    });
    return { delivery, outbox };
  }

  #following(userId: string, options: RecommendOptions): Following {
    return new Following(encodeStart(userId, options, options.surface ?? "", this.#minFreshness(userId, options)));
  }

  #ways(signal: AbortSignal | undefined): Pick<Line<never>, "ready" | "retries" | "signals"> {
    const { retries, closing } = this.#connection;
    return { ready: (ending) => this.#connection.ready(ending), retries, signals: [signal, closing] };
  }

  #minFreshness(userId: string, { minFreshness }: ReadOptions): string {
    return minFreshness ?? this.#writes?.of(userId) ?? "";
  }

  async #ask<Request, Response>(
    method: (request: Request, options: StubOptions) => Promise<Response>,
    request: Request,
    { timeout = this.#timeout, signal }: CallOptions = {},
  ): Promise<Response> {
    try {
      return await method(request, { timeout, signal });
    } catch (error) {
      throw fromCall(error);
    }
  }
}

/** Resolves after so many milliseconds, or when the signal aborts. */
function waited(time: number, signal: AbortSignal): Promise<void> {
  return sleep(time, undefined, { signal }).catch(() => undefined);
}

type EventOutbox = ConstructorParameters<typeof EventExchange>[0];

/** Gives the answers of a delivery as they come, and stops it when the reader leaves. */
async function* received<Sent, Request, Response, Answer>(
  delivery: Delivery<Sent, Request, Response, Answer>,
): AsyncGenerator<Answer, undefined, undefined> {
  try {
    for (;;) {
      const answers = await delivery.receive();
      if (answers.length === 0) {
        return;
      }
      yield* answers;
    }
  } finally {
    delivery.stop();
  }
}
