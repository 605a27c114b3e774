/**
 * Reads a stream for the driver, which waits only so long.
 *
 * @module
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Update, UpdateStream } from "penchant";
import { NoUpdate } from "./requests.js";

type Read = { readonly update: Update } | { readonly error: unknown };

/** Reads updates as they come; a lazy one reads when it is asked, one at a time. */
export class Reader {
  readonly #updates: AsyncIterator<Update, undefined>;
  readonly #isLazy: boolean;
  readonly #read: Read[] = []; // and not taken
  #reading: Promise<boolean> | undefined;
  #wake = (): void => undefined;

  constructor(stream: UpdateStream, isLazy: boolean) {
    this.#updates = stream[Symbol.asyncIterator]();
    this.#isLazy = isLazy;
    if (!isLazy) {
      void this.#readAll();
    }
  }

  /** Returns the next update; throws {@link NoUpdate} when none comes within so many milliseconds. */
  async next(within: number): Promise<Update> {
    if (this.#isLazy && this.#read.length === 0) {
      this.#reading ??= this.#readOne().finally(() => (this.#reading = undefined));
    }
    const late = new AbortController();
    const timer = sleep(within, undefined, { signal: late.signal }).catch(() => undefined);
    if (this.#read.length === 0) {
      await Promise.race([timer, new Promise<void>((resolve) => (this.#wake = resolve))]);
    }
    late.abort();
    return returned(this.#read.shift());
  }

  /** Returns the newest update that was read. */
  latest(): Update {
    return returned(this.#read.splice(0).at(-1));
  }

  async #readAll(): Promise<void> {
    while (await this.#readOne()) {
      // on to the next one
    }
  }

  /** Returns false at the end of the stream. */
  async #readOne(): Promise<boolean> {
    const one = await this.#updates.next().then(
      ({ value }): Read => (value === undefined ? { error: new NoUpdate("the stream has ended") } : { update: value }),
      (error: unknown): Read => ({ error }),
    );
    this.#read.push(one);
    this.#wake();
    return "update" in one;
  }
}

function returned(read: Read | undefined): Update {
  if (read === undefined) {
    throw new NoUpdate("no update came in time");
  }
  if ("error" in read) {
    throw read.error;
  }
  return read.update;
}
