/**
 * When to try again, and how soon. Pure.
 *
 * Unary calls are retried by gRPC itself, as told by the service config, within the call's deadline. Streams are
 * reopened by the client, since only it knows where the last one stopped; {@link Backoff} paces it.
 *
 * @module
 */

const FIRST_DELAY = 50; // milliseconds
const LONGEST_DELAY = 5_000; // milliseconds

/** Delays that double from 50 ms to 5 s, each shortened by up to a half at random so that clients spread out. */
export class Backoff {
  #failures = 0;
  readonly #draw: () => number;

  /** `draw` gives a number of 0–1, 1 excluded. */
  constructor(draw: () => number = Math.random) {
    this.#draw = draw;
  }

  /** Delays taken since the last success. */
  get failures(): number {
    return this.#failures;
  }

  /** Returns the milliseconds to wait before the next attempt. */
  next(): number {
    const longest = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.#failures);
    this.#failures += 1;
    return longest * (1 - this.#draw() / 2);
  }

  /** Begins again with the shortest delay. */
  succeeded(): void {
    this.#failures = 0;
  }
}
