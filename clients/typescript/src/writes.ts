/**
 * The last write of each user, so that a read can wait for it. Pure.
 *
 * @module
 */

/** Most users whose last write is remembered. */
export const MAX_USERS = 10_000;

/** Remembers the newest freshness token of each user; those who wrote longest ago go first. */
export class LastWrites {
  readonly #tokens = new Map<string, string>(); // in the order of the writes

  /** Keeps in mind that a user's write has this token. */
  remember(userId: string, freshnessToken: string): void {
    this.#tokens.delete(userId);
    this.#tokens.set(userId, freshnessToken);
    if (this.#tokens.size > MAX_USERS) {
      const [oldest] = this.#tokens.keys();
      this.#tokens.delete(oldest ?? "");
    }
  }

  /** Returns the token of a user's last write; empty when it is not known. */
  of(userId: string): string {
    return this.#tokens.get(userId) ?? "";
  }
}
