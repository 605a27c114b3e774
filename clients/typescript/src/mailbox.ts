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

/** How many updates the service remembers of a connection, to know which one positions were shown of. */
const REMEMBERED = 16;

/** A response of either kind of stream. */
export interface UpdateResponse {
  readonly update?: RecommendationUpdate;
}

/** Updates of one connection, read as they come and merged while they wait, so that they take bounded memory. */
export class Mailbox {
  readonly #changed = new Condition();
  readonly #first: number;
  #update: RecommendationUpdate | undefined;
  #newest: number;
  #ended = false;
  #failure: { readonly error: unknown } | undefined;

  /** `first` is the number of the last update given before the connection: the service knows none before it. */
  constructor(call: ClientReadableStream<UpdateResponse>, first: number) {
    this.#first = first;
    this.#newest = first;
    reading(call, ({ update }) => this.#put(update))
      .catch((error: unknown) => (this.#failure = { error }))
      .finally(() => {
        this.#ended = true;
        this.#changed.notify();
      });
  }

  /** Sequence number of the newest update that came, on this connection or before. */
  get newest(): number {
    return this.#newest;
  }

  /** True when the service still knows an update that was given, as far as one can tell from here. */
  remembers(sequence: number): boolean {
    return sequence >= this.#first && this.#newest - sequence < REMEMBERED;
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
    // A later service may say things that are not known here.
    if (update !== undefined) {
      this.#update = this.#update === undefined ? update : merged(this.#update, update);
      this.#newest = Math.max(this.#newest, Number(update.streamSequence));
      this.#changed.notify();
    }
  }
}
