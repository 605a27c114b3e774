/**
 * Keeps what came over one connection of a stream until the reader asks for it: one update, the newest.
 *
 * @module
 */
import type { ClientReadableStream } from "@grpc/grpc-js";
import { DeadlineExceeded } from "./errors.js";
import { merged } from "./following.js";
import type { RecommendationUpdate } from "./gen/penchant/v1/recommendation_pb.js";
import { reading } from "./reading.js";
import { Condition } from "./signals.js";

/** A response of either kind of stream. */
export interface UpdateResponse {
  readonly update?: RecommendationUpdate;
}

/** Updates of one connection, read as they come and merged while they wait, so that they take bounded memory. */
export class Mailbox {
  readonly #changed = new Condition();
  #update: RecommendationUpdate | undefined;
  #newest = 0n;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(call: ClientReadableStream<UpdateResponse>) {
    reading(call, ({ update }) => this.#put(update))
      .catch((error: unknown) => (this.#failure = { error }))
      .finally(() => {
        this.#ended = true;
        this.#changed.notify();
      });
  }

  /** Sequence number of the newest update that came; 0 before the first. */
  get newest(): number {
    return Number(this.#newest);
  }

  /**
   * Returns what came since the last time, as one update, waiting for it; undefined at the end of the connection.
   * Throws what ended it, or {@link DeadlineExceeded} when nothing comes for `patience` milliseconds.
   */
  async take(patience?: number): Promise<RecommendationUpdate | undefined> {
    let late = false;
    const expire = (): void => {
      late = true;
      this.#changed.notify();
    };
    const timer = patience === undefined ? undefined : setTimeout(expire, Math.max(0, patience));
    try {
      while (this.#update === undefined) {
        if (this.#failure !== undefined) {
          throw this.#failure.error;
        }
        if (this.#ended) {
          return undefined;
        }
        if (late) {
          throw new DeadlineExceeded("no first update within the deadline");
        }
        await this.#changed.wait();
      }
      const update = this.#update;
      this.#update = undefined;
      return update;
    } finally {
      clearTimeout(timer);
    }
  }

  #put(update: RecommendationUpdate | undefined): void {
    if (update !== undefined) {
      this.#update = this.#update === undefined ? update : merged(this.#update, update);
      this.#newest = update.streamSequence;
      this.#changed.notify();
    }
  }
}
