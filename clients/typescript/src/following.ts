/**
 * The list of one stream, across all its connections: applies differences and knows how to go on. Pure.
 *
 * Theory of operation: the service sends the whole order with every update but details only of items that were not in
 * the update before, so the details of the current order, and no others, are kept. Every update has a sequence number
 * and a resume token. When a connection ends, {@link Following.opening} asks for a stream that continues after the last
 * update that the reader was given, with its token and the newest options. The token knows what was shown before that
 * update; what was shown since is told with it. An update whose number is not above the last one is a repetition and is
 * passed over.
 *
 * @module
 */
import { clone, create } from "@bufbuild/protobuf";
import { decodeFreshness, decodeRecommendation } from "./decode.js";
import { Internal } from "./errors.js";
import {
  StreamRecommendationsRequestSchema,
  StreamStartSchema,
  type ListOptions,
  type RecommendationUpdate,
  type StreamRecommendationsRequest,
  type StreamStart,
} from "./gen/penchant/v1/recommendation_pb.js";
import type { Recommendation, Update } from "./results.js";

/** Longest list that the contract allows. */
const MAX_POSITIONS = 100;

/**
 * Returns one update in the place of two that follow each other: the later list, with the details of both. So a reader
 * that is slow is given the newest list, and what waits for it does not grow.
 */
export function merged(earlier: RecommendationUpdate, later: RecommendationUpdate): RecommendationUpdate {
  const { streamSequence, resumeToken, goingAway } = later;
  if (streamSequence <= earlier.streamSequence) {
    return { ...earlier, resumeToken, goingAway }; // a repetition is passed over, but its token counts
  }
  const told = new Set(later.recommendations.map((one) => one.itemId));
  const listed = new Set(later.order);
  const kept = earlier.recommendations.filter(({ itemId }) => listed.has(itemId) && !told.has(itemId));
  const trigger = later.trigger ?? earlier.trigger;
  return { ...later, recommendations: [...later.recommendations, ...kept], ...(trigger && { trigger }) };
}

/** What the client knows of one stream of recommendations. */
export class Following {
  readonly #start: StreamStart;
  #details: ReadonlyMap<string, Recommendation> = new Map();
  #order: readonly string[] = [];
  #sequence = 0;
  #goingAway = false;

  constructor(start: StreamStart) {
    this.#start = start;
  }

  /** Number of the last update given; 0 before the first. */
  get sequence(): number {
    return this.#sequence;
  }

  /** True when the service said that it ends the current connection. */
  get goingAway(): boolean {
    return this.#goingAway;
  }

  /** True when the stream can go on where it stopped. */
  get resumable(): boolean {
    return this.#start.resumeToken !== "";
  }

  /** Returns how the next connection begins. */
  opening(): StreamStart {
    this.#goingAway = false;
    return clone(StreamStartSchema, this.#start);
  }

  /** Returns what to say first on the next connection of a stream in both directions. */
  introduction(): StreamRecommendationsRequest {
    return create(StreamRecommendationsRequestSchema, { message: { case: "open", value: this.opening() } });
  }

  /**
   * Keeps in mind that the first so many positions of an update are seen; returns the message that says so. Throws
   * RangeError for an update that was not given and, of the last one, for more positions than it has.
   */
  shown(positions: number, sequence: number): StreamRecommendationsRequest {
    if (!Number.isInteger(sequence) || sequence < 1 || sequence > this.#sequence) {
      throw new RangeError(`sequence: update ${sequence} was not received, the last one is ${this.#sequence}`);
    }
    const isLast = sequence === this.#sequence;
    const most = isLast ? this.#order.length : MAX_POSITIONS;
    if (!Number.isInteger(positions) || positions < 0 || positions > most) {
      throw new RangeError(`positions: ${positions} is not within 0–${most}`);
    }
    if (isLast) {
      this.#start.shownPositions = positions;
    }
    return create(StreamRecommendationsRequestSchema, {
      message: { case: "shown", value: { positions, streamSequence: BigInt(sequence) } },
    });
  }

  /** Keeps in mind what the list should look like from now on; returns the message that says so. */
  change(options: ListOptions): StreamRecommendationsRequest {
    this.#start.options = options;
    this.#start.shownPositions = 0;
    return create(StreamRecommendationsRequestSchema, { message: { case: "change", value: options } });
  }

  /**
   * Returns the whole list after this update; undefined when it was given before. Throws {@link Internal} when the
   * update leaves out details of an item that was not in the update before.
   */
  accept(message: RecommendationUpdate): Update | undefined {
    this.#goingAway = message.goingAway;
    this.#start.resumeToken = message.resumeToken;
    this.#start.minFreshness = ""; // the first update has waited for it
    const sequence = Number(message.streamSequence);
    if (sequence <= this.#sequence) {
      return undefined;
    }
    // A snapshot brings all details anew, so it needs no case of its own.
    const told = new Map(message.recommendations.map((one) => [one.itemId, decodeRecommendation(one)]));
    const details = new Map<string, Recommendation>();
    for (const itemId of message.order) {
      const one = told.get(itemId) ?? this.#details.get(itemId);
      if (one === undefined) {
        throw new Internal(`update ${sequence} of the stream has no details of "${itemId}"`);
      }
      details.set(itemId, one);
    }
    const changed = this.#sequence === 0 || !sameOrder(this.#order, message.order);
    this.#details = details;
    this.#order = message.order;
    this.#start.shownPositions = 0;
    this.#sequence = sequence;
    const { trigger } = message;
    return {
      recommendations: [...details.values()],
      sequence,
      changed,
      trigger: trigger && {
        eventId: trigger.eventId,
        type: trigger.type,
        itemId: trigger.itemId,
        text: trigger.text,
      },
      attributionToken: message.attributionToken,
      freshness: decodeFreshness(message.freshness),
      profile: message.profile,
      model: message.model,
    };
  }
}

function sameOrder(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((itemId, position) => itemId === other[position]);
}
