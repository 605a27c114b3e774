/**
 * From the contract's messages to the client's results. Pure; the reverse of encode.
 *
 * @module
 */
import type { Item as ItemMessage } from "./gen/penchant/v1/catalog_pb.js";
import type { Event as EventMessage, RecordEventResponse } from "./gen/penchant/v1/event_pb.js";
import {
  Reason_Kind,
  type Freshness as FreshnessMessage,
  type Reason as ReasonMessage,
  type Recommendation as RecommendationMessage,
  type RecommendResponse,
} from "./gen/penchant/v1/recommendation_pb.js";
import type { Evidence as EvidenceMessage, GetInterestsResponse } from "./gen/penchant/v1/user_pb.js";
import type { Event, Item } from "./model.js";
import type {
  Evidence,
  Freshness,
  Interests,
  Reason,
  ReasonKind,
  Recommendation,
  Recommendations,
  Recorded,
} from "./results.js";
import { milliseconds } from "./times.js";

const KINDS: ReadonlyMap<Reason_Kind, ReasonKind> = new Map([
  [Reason_Kind.CONTENT, "content"],
  [Reason_Kind.TOGETHER, "together"],
  [Reason_Kind.POPULARITY, "popularity"],
  [Reason_Kind.DISLIKED, "disliked"],
  [Reason_Kind.LEARNED, "learned"],
]);

/** Returns the result of one recorded event. */
export function decodeRecorded({ eventId, freshnessToken, unchanged }: RecordEventResponse): Recorded {
  return { eventId, freshnessToken, unchanged };
}

/** Returns an event as it was handed over, with its id. */
export function decodeEvent(message: EventMessage): Event {
  const { eventId, userId, type, itemId, text, surface, attributionToken, value, occurredAt } = message;
  return {
    eventId,
    userId,
    type,
    itemId,
    text,
    surface,
    attributionToken,
    ...(value !== undefined && { value }),
    ...(occurredAt !== undefined && { occurredAt: new Date(milliseconds(occurredAt)) }),
  };
}

/** Returns the item as a plain value. */
export function decodeItem(message: ItemMessage): Item {
  const { itemId, title, description, categories, unavailable, attributes, images, price } = message;
  return {
    itemId,
    title,
    description,
    categories,
    unavailable,
    attributes,
    images,
    ...(price !== undefined && { price }),
  };
}

/** Returns one entry of a list. */
export function decodeRecommendation(message: RecommendationMessage): Recommendation {
  const { itemId, score, interest, propensity, item, explanation } = message;
  return {
    itemId,
    score,
    interest,
    propensity,
    item: item && decodeItem(item),
    reasons: explanation?.reasons.map(decodeReason) ?? [],
  };
}

function decodeReason({ kind, contribution, eventId, eventType, itemId, text }: ReasonMessage): Reason {
  return { kind: KINDS.get(kind) ?? "unknown", contribution, eventId, eventType, itemId, text };
}

/** Returns the reply to one request for recommendations. */
export function decodeRecommendations(message: RecommendResponse): Recommendations {
  const { recommendations, attributionToken, freshness, profile, model } = message;
  return {
    recommendations: recommendations.map(decodeRecommendation),
    attributionToken,
    freshness: decodeFreshness(freshness),
    profile,
    model,
  };
}

/** Returns how fresh a reply is. */
export function decodeFreshness(message: FreshnessMessage | undefined): Freshness {
  return { appliedThrough: message?.appliedThrough ?? "", age: message?.age ? milliseconds(message.age) : 0 };
}

/** Returns what the service knows of a user. */
export function decodeInterests(message: GetInterestsResponse): Interests {
  return {
    interests: message.interests.map(({ share, evidence }) => ({ share, evidence: evidence.map(decodeEvidence) })),
    dislikes: message.dislikes.map(decodeEvidence),
    eventCount: message.eventCount,
    freshness: decodeFreshness(message.freshness),
  };
}

function decodeEvidence({ eventId, type, itemId, text, occurredAt, weight }: EvidenceMessage): Evidence {
  return { eventId, type, itemId, text, weight, occurredAt: new Date(occurredAt ? milliseconds(occurredAt) : 0) };
}
