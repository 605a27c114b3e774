/**
 * Reads a stream for the driver, which waits only so long.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Update, UpdateStream } from "penchant";
import { NoUpdate } from "./requests.js";

/** What follows the last update there is comes sooner than this, in milliseconds, or is not there. */
const QUIET = 200;

/** Asks for one update at a time; a question that was not answered in time stays open for the next one. */
export class Reader {
  readonly #updates: AsyncIterator<Update, undefined>;
  #asked: Promise<IteratorResult<Update, undefined>> | undefined;

  constructor(stream: UpdateStream) {
    this.#updates = stream[Symbol.asyncIterator]();
    this.#ask(); // so that the stream is opened
  }

  /** Returns the next update; throws {@link NoUpdate} when none comes within so many milliseconds. */
  async next(within: number): Promise<Update> {
    const late = new AbortController();
    const result = await Promise.race([this.#ask(), sleep(within, undefined, { signal: late.signal })]).finally(() =>
      late.abort(),
    );
    if (result === undefined) {
      throw new NoUpdate(`no update within ${within} ms`);
    }
    this.#asked = undefined;
    if (result.value === undefined) {
      throw new NoUpdate("the stream has ended");
    }
    return result.value;
  }

  /** Returns the newest update there is. */
  async latest(): Promise<Update> {
    let newest = await this.next(QUIET);
    for (;;) {
      try {
        newest = await this.next(QUIET);
      } catch (error) {
        if (error instanceof NoUpdate) {
          return newest;
        }
        throw error;
      }
    }
  }

  #ask(): Promise<IteratorResult<Update, undefined>> {
    this.#asked ??= this.#updates.next();
    this.#asked.catch(() => undefined); // its error is told when it is asked for
    return this.#asked;
  }
}
