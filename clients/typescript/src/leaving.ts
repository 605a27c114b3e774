/**
 * Warns of events that go down with a program that closes nothing.
 *
 * @module
 */

/** Something that holds events. */
export interface Holder {
  /** How many are not answered. */
  readonly held: number;
}

const holders = new Set<Holder>();
let isWatching = false;

/** Watches a holder until it is let go; the end of the process is not delayed. Returns what lets go. */
export function watched(holder: Holder): () => void {
  if (!isWatching) {
    isWatching = true;
    process.on("exit", warn);
  }
  holders.add(holder);
  return () => void holders.delete(holder);
}

function warn(): void {
  const held = [...holders].reduce((sum, one) => sum + one.held, 0);
  if (held > 0) {
    // Not console.warn, which a program may have taken over: this late nobody else can write.
    process.stderr.write(`penchant: ${held} events are not answered and end with the program; close the client first\n`);
  }
}
