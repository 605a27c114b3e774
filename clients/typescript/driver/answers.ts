/**
 * From what the client gives to the driver's JSON.
 *
 * @module
 */
import { PenchantError, type Acknowledged, type Recommendation, type Update } from "penchant";
import { NoUpdate, Unsupported, type Json } from "./requests.js";

/** Returns an error as the driver tells it. */
export function failed(error: unknown): Json {
  const told = { reason: "", field: "", message: error instanceof Error ? error.message : String(error) };
  if (error instanceof PenchantError) {
    const { reason, field, retryAfter } = error;
    return { ...told, kind: error.name, reason, field, retry_after: retryAfter ?? null };
  }
  if (error instanceof RangeError || error instanceof TypeError) {
    return { ...told, kind: "InvalidArgument", retry_after: null }; // refused before anything was sent
  }
  const kind = error instanceof Unsupported ? "Unsupported" : error instanceof NoUpdate ? "NoUpdate" : "Internal";
  return { ...told, kind, retry_after: null };
}

/** Returns a list, as ids and with its details. */
export function listed(recommendations: readonly Recommendation[], attributionToken = ""): Json {
  return {
    order: recommendations.map((one) => one.itemId),
    list: recommendations.map(({ itemId, score, item, reasons }) => ({
      item_id: itemId,
      score,
      ...(item && { title: item.title }),
      reasons: reasons.map(({ kind, contribution }) => ({ kind, contribution })),
    })),
    attribution_token: attributionToken,
  };
}

/** Returns an update of a stream. */
export function updated({ recommendations, attributionToken, sequence, changed, trigger }: Update): Json {
  return {
    ...listed(recommendations, attributionToken),
    sequence,
    changed,
    trigger: trigger ? { event_id: trigger.eventId, type: trigger.type, item_id: trigger.itemId } : null,
  };
}

/** Returns what became of events. */
export function acknowledged(answers: readonly Acknowledged[]): Json {
  return {
    acknowledged: answers.map(({ ordinal, eventId, unchanged, error }) => ({
      ordinal,
      event_id: eventId,
      unchanged,
      error: error ? failed(error) : null,
    })),
    freshness_token: answers.at(-1)?.freshnessToken ?? "",
  };
}
