/**
 * A list that follows its user, over as many streams as it takes.
 *
 * An update holds the whole order, and details only of items that the update before had not: the details of the present
 * order are kept. Every update has a token with which a new stream goes on where the last one broke, without repeating.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import {
  StreamStartSchema,
  type ListOptionsSchema,
  type Recommendation,
  type RecommendationUpdate,
  type Trigger,
} from "./gen/penchant/v1/recommendation_pb.js";
import { fault, type Service } from "./service.js";

const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 5_000;
/** What another attempt does not mend. */
const FINAL = new Set([
  Code.InvalidArgument,
  Code.NotFound,
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.Unimplemented,
]);

export interface List {
  readonly sequence: number;
  /** Best first. */
  readonly recommendations: readonly Recommendation[];
  /** The event that moved it; undefined when none did. */
  readonly trigger: Trigger | undefined;
  /** To be sent back on events that come of the list. */
  readonly attributionToken: string;
}

/** Applies updates to the list before. */
class Following {
  readonly #details = new Map<string, Recommendation>();
  #sequence = 0n;

  /** Returns the list after an update; undefined when the update was given before. */
  after(update: RecommendationUpdate): List | undefined {
    if (update.streamSequence <= this.#sequence) return undefined;
    this.#sequence = update.streamSequence;
    for (const one of update.recommendations) this.#details.set(one.itemId, one);
    const listed = new Set(update.order);
    for (const itemId of this.#details.keys()) if (!listed.has(itemId)) this.#details.delete(itemId);
    return {
      sequence: Number(update.streamSequence),
      recommendations: update.order.flatMap((itemId) => this.#details.get(itemId) ?? []),
      trigger: update.trigger,
      attributionToken: update.attributionToken,
    };
  }
}

export interface Watched {
  readonly userId: string;
  readonly options: MessageInitShape<typeof ListOptionsSchema>;
  readonly surface: string;
  /** Told whenever the stream is there or not. */
  readonly onConnected: (connected: boolean) => void;
}

/** Gives the list whenever it moves, until the signal aborts. Throws what another attempt does not mend. */
export async function* following(service: Service, watched: Watched, signal: AbortSignal): AsyncGenerator<List> {
  let seen = new Following();
  const open = create(StreamStartSchema, {
    userId: watched.userId,
    options: watched.options,
    surface: watched.surface,
  });
  let wait = FIRST_WAIT_MS;
  while (!signal.aborted) {
    try {
      // A stream has no deadline: it lasts until the service says farewell.
      for await (const { update } of service.lists.watchRecommendations({ open }, { signal, timeoutMs: 0 })) {
        if (update === undefined) continue;
        wait = FIRST_WAIT_MS;
        watched.onConnected(!update.goingAway);
        open.resumeToken = update.resumeToken;
        const list = seen.after(update);
        if (list !== undefined) yield list;
      }
    } catch (error) {
      if (signal.aborted) return;
      const { code } = fault(error);
      if (FINAL.has(code)) throw error;
      if (code === Code.FailedPrecondition) {
        // The token is of a store that is no more: begin anew.
        open.resumeToken = "";
        seen = new Following();
      }
    }
    watched.onConnected(false);
    // Not all pages at once: each comes back at a moment of its own.
    await slept(wait * (0.5 + Math.random() / 2), signal);
    wait = Math.min(wait * 2, LONGEST_WAIT_MS);
  }
}

function slept(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
