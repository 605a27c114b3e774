/**
 * Lists that follow a user: reads updates, and opens the next connection where the last one ended.
 *
 * A stream that breaks before its first update is tried again as often as a unary call. After an update with a resume
 * token it goes on for as long as the caller listens, whenever the service is unavailable or said that it goes away: as
 * soon as there is a connection again, since attempts without one would only lengthen the pauses.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ClientDuplexStream, ClientReadableStream } from "@grpc/grpc-js";
import { Backoff } from "./backoff.js";
import { encodeOptions } from "./encode.js";
import { Unavailable } from "./errors.js";
import type { Following } from "./following.js";
import type {
  StreamRecommendationsRequest,
  StreamRecommendationsResponse,
} from "./gen/penchant/v1/recommendation_pb.js";
import { Mailbox, type UpdateResponse } from "./mailbox.js";
import type { ListOptions } from "./model.js";
import type { Update } from "./results.js";
import { onAbort } from "./signals.js";

/** How a stream is opened, and how long it tries. */
export interface Line<Call extends ClientReadableStream<UpdateResponse>> {
  readonly following: Following;
  /** Opens a connection that ends when the signal aborts. */
  readonly connect: (signal: AbortSignal) => Call;
  /** Resolves when there is a connection; rejects with the reason of the signal. */
  readonly ready: (signal: AbortSignal) => Promise<void>;
  /** Deadline of the first update, reconnections included, in milliseconds. */
  readonly patience: number;
  /** More attempts before the first update. */
  readonly retries: number;
  /** Each ends the stream with its reason. */
  readonly signals: readonly (AbortSignal | undefined)[];
}

/**
 * The updates of a user's list, each of them the whole list, made by {@link Client.watch}. To be read by one `for
 * await`, once; leaving it, or {@link close}, ends the stream. It connects when it is first read. A reader that is slow
 * is given the newest list and not those between.
 */
export class UpdateStream implements AsyncIterable<Update> {
  protected readonly following: Following;
  /** The connection of the moment. */
  protected mailbox: Mailbox | undefined;
  readonly #ending = new AbortController();
  readonly #updates: AsyncGenerator<Update, undefined, undefined>;
  #closed = false;

  /** @internal */
  constructor(line: Line<ClientReadableStream<UpdateResponse>>) {
    this.following = line.following;
    this.#updates = this.#follow(line);
  }

  [Symbol.asyncIterator](): AsyncGenerator<Update, undefined, undefined> {
    return this.#updates;
  }

  /** Ends the stream: a `for await` over it ends without an error. Closing again does nothing. */
  close(): void {
    this.#closed = true;
    this.#ending.abort();
  }

  /** Closes the stream at the end of `using`. */
  [Symbol.dispose](): void {
    this.close();
  }

  async *#follow(line: Line<ClientReadableStream<UpdateResponse>>): AsyncGenerator<Update, undefined, undefined> {
    const { signal } = this.#ending;
    const forget = line.signals.map((one) => onAbort(one, () => this.#ending.abort(one?.reason)));
    try {
      yield* this.#connections(line, signal);
    } catch (error) {
      if (!this.#closed) {
        throw signal.aborted ? signal.reason : error;
      }
    } finally {
      forget.forEach((take) => take());
    }
  }

  async *#connections(
    { following, connect, ready, patience, retries }: Line<ClientReadableStream<UpdateResponse>>,
    signal: AbortSignal,
  ): AsyncGenerator<Update, undefined, undefined> {
    const backoff = new Backoff();
    const due = performance.now() + patience;
    for (;;) {
      signal.throwIfAborted();
      if (following.resumable) {
        await ready(signal);
      }
      const call = connect(signal);
      const mailbox = new Mailbox(call, following.sequence);
      this.mailbox = mailbox;
      try {
        for (;;) {
          const message = await mailbox.take(following.sequence === 0 ? due - performance.now() : undefined);
          signal.throwIfAborted(); // what waits is not for one who has left
          if (message === undefined) {
            break;
          }
          const update = following.accept(message);
          if (update !== undefined) {
            if (!following.goingAway) {
              backoff.succeeded();
            }
            yield update;
          }
        }
        if (!following.goingAway) {
          return;
        }
      } catch (error) {
        const untold = following.sequence === 0 && backoff.failures < retries;
        if (!(error instanceof Unavailable && (following.resumable || untold))) {
          throw error;
        }
      } finally {
        this.mailbox = undefined;
        call.cancel();
      }
      await sleep(backoff.next(), undefined, { signal });
    }
  }
}

/** A call of StreamRecommendations. */
export type SteeredCall = ClientDuplexStream<StreamRecommendationsRequest, StreamRecommendationsResponse>;

/** The updates of a user's list that the reader can steer; made by {@link Client.stream}. */
export class RecommendationStream extends UpdateStream {
  readonly #calls: { current?: SteeredCall };

  /** @internal */
  constructor(line: Line<SteeredCall>) {
    const calls: { current?: SteeredCall } = {};
    super({
      ...line,
      connect: (signal) => {
        calls.current = line.connect(signal);
        calls.current.write(line.following.introduction());
        return calls.current;
      },
    });
    this.#calls = calls;
  }

  /**
   * Says that the first so many positions of an update, 0–100, are on the screen: they stay as they are. `sequence` is
   * that update's, by default the last one's. Throws RangeError when it has no such positions.
   */
  shown(positions: number, sequence = this.following.sequence): void {
    const message = this.following.shown(positions, sequence);
    // Of an update that the service has forgotten it would end the stream; the reader is about to be given a newer one.
    if (this.mailbox?.remembers(sequence)) {
      this.#tell(message);
    }
  }

  /**
   * Says what the list should look like from now on; options left out go back to their defaults. Positions that were
   * shown are released.
   */
  change(options: ListOptions): void {
    this.#tell(this.following.change(encodeOptions(options)));
  }

  #tell(message: StreamRecommendationsRequest): void {
    // Without a connection there is nobody to tell: the introduction of the next one says it.
    if (this.mailbox !== undefined) {
      this.#calls.current?.write(message);
    }
  }
}
