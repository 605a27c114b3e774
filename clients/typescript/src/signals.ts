/**
 * Waiting, and being told to stop.
 *
 * @module
 */

/** Calls `act` once when the signal aborts, at once when it has; returns what takes that back. */
export function onAbort(signal: AbortSignal | undefined, act: () => void): () => void {
  if (signal === undefined) {
    return () => undefined;
  }
  if (signal.aborted) {
    act();
    return () => undefined;
  }
  signal.addEventListener("abort", act, { once: true });
  return () => signal.removeEventListener("abort", act);
}

/** Wakes all who wait whenever something changed; who was woken looks whether it is what he waits for. */
export class Condition {
  #waiting: (() => void)[] = [];

  /** Resolves at the next {@link notify}. */
  wait(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Wakes all who wait. */
  notify(): void {
    if (this.#waiting.length === 0) {
      return;
    }
    const woken = this.#waiting;
    this.#waiting = [];
    for (const wake of woken) {
      wake();
    }
  }
}
