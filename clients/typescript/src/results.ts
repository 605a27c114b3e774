/**
 * What the service answers, as plain values.
 *
 * @module
 */
import type { PenchantError } from "./errors.js";
import type { Item } from "./model.js";

/** An event that is durable and applied. */
export interface Recorded {
  readonly eventId: string;
  /** Pass it as `minFreshness` to read your own write. */
  readonly freshnessToken: string;
  /** True when the event was known already, or older than everything the user's full ledger keeps. */
  readonly unchanged: boolean;
}

/** What became of one event of `recordMany` or of a recorder. */
export interface Acknowledged {
  /** Position of the event in what was handed over, from 0. */
  readonly ordinal: number;
  readonly eventId: string;
  /** As in {@link Recorded}. */
  readonly unchanged: boolean;
  /** Proof of the writes acknowledged so far; empty while there is none. */
  readonly freshnessToken: string;
  /** Why the event was refused; it changed nothing. Undefined: it was recorded. */
  readonly error: PenchantError | undefined;
}

/** An item that `upsertItems` could not place; it changed nothing. */
export interface Refused {
  /** Position of the item in what was handed over, from 0. */
  readonly index: number;
  readonly itemId: string;
  readonly error: PenchantError;
}

/** What became of the items of `upsertItems`. */
export interface UpsertResult {
  /** Items that are now in the catalogue as sent. */
  readonly accepted: number;
  readonly refused: readonly Refused[];
}

/** What became of the ids of `deleteItems`. */
export interface DeleteResult {
  /** Items that were there and are gone. */
  readonly deleted: number;
  /** Ids that were not in the catalogue; after a retried call also ids that its first attempt deleted. */
  readonly unknownItemIds: readonly string[];
}

/** How fresh a reply is. */
export interface Freshness {
  /** Every write whose token is at or before this one is in the reply. Comparable by the service only. */
  readonly appliedThrough: string;
  /** How long ago that last write was applied, in milliseconds, not negative. */
  readonly age: number;
}

/**
 * What kind of evidence a reason is: `content`, the item's words are close to the event's; `together`, people who acted
 * on the event's item also acted on this one; `popularity`, it is popular now; `disliked`, it is close to something the
 * user disliked or hid; `learned`, a sequence model expects it; `unknown`, a kind that this client is too old to know.
 */
export type ReasonKind = "content" | "together" | "popularity" | "disliked" | "learned" | "unknown";

/** One part of a score; the parts add up to the score (to 1e-4). */
export interface Reason {
  readonly kind: ReasonKind;
  /** Its part of the score; negative when it speaks against the item. */
  readonly contribution: number;
  /** The event behind it; empty for popularity and for what is learned. */
  readonly eventId: string;
  readonly eventType: string;
  /** The event's item; empty when it had none. */
  readonly itemId: string;
  /** The event's words, at most 200 characters; empty when the reason is not its words. */
  readonly text: string;
}

/** One item of a list. */
export interface Recommendation {
  readonly itemId: string;
  /** Comparable within one list. Higher is better; may be negative. */
  readonly score: number;
  /** Which of the user's interests it serves most, from 0, the strongest. */
  readonly interest: number;
  /** The stored item, when `includeItems` was set. */
  readonly item: Item | undefined;
  /** Why it has its score, strongest first, when `explain` was set. */
  readonly reasons: readonly Reason[];
  /** Probability that the item stands in this list, 0–1, where the service explores; 0: it does not. */
  readonly propensity: number;
}

/** One ranked list. */
export interface Recommendations {
  /** Best first. */
  readonly recommendations: readonly Recommendation[];
  /** Send it back on events that come of this list. */
  readonly attributionToken: string;
  readonly freshness: Freshness;
  /** Profile that the list was scored with, as `name@version`; empty: the service's own settings. */
  readonly profile: string;
  /** Encoder that the list was made with; empty from a service that does not say. */
  readonly model: string;
}

/** The event that moved a list. */
export interface Trigger {
  readonly eventId: string;
  readonly type: string;
  /** Its item; empty when it had none. */
  readonly itemId: string;
  /** Its words, at most 200 characters. */
  readonly text: string;
}

/** The whole current list of a stream; differences are already applied. */
export interface Update extends Recommendations {
  /** Counts the updates of a stream from 1, resumed ones included; a slow reader is not given every number. */
  readonly sequence: number;
  /** True when the items or their order differ from the update given before. */
  readonly changed: boolean;
  /** The newest event that the update follows; undefined when it was not an event. */
  readonly trigger: Trigger | undefined;
}

/** An event and how much it counts now. */
export interface Evidence {
  readonly eventId: string;
  readonly type: string;
  /** Its item; empty when it had none. */
  readonly itemId: string;
  /** Its words, at most 200 characters. */
  readonly text: string;
  /** When it happened. */
  readonly occurredAt: Date;
  /** Its part of all weights, 0–1 for interests and −1–0 for dislikes. */
  readonly weight: number;
}

/** One direction of a user's taste. */
export interface Interest {
  /** Its part of all interests, 0–1; the shares add up to 1. */
  readonly share: number;
  /** The events it rests on, heaviest first. */
  readonly evidence: readonly Evidence[];
}

/** What the service knows of a user. */
export interface Interests {
  /** Strongest first. */
  readonly interests: readonly Interest[];
  /** What speaks against items: disliked, hidden, rated low. Newest first. */
  readonly dislikes: readonly Evidence[];
  /** Events in the user's ledger. */
  readonly eventCount: number;
  readonly freshness: Freshness;
}
