/**
 * Between the contract's times and JavaScript's milliseconds. Pure.
 *
 * @module
 */

/** Seconds and nanoseconds, as Duration and Timestamp hold them. */
export interface Time {
  readonly seconds: bigint;
  readonly nanos: number;
}

/** Returns a duration, or a time since 1970, in milliseconds. */
export function milliseconds(time: Time): number {
  return Number(time.seconds) * 1_000 + time.nanos / 1e6;
}

/** Returns milliseconds since 1970 as seconds and nanoseconds, kept to the millisecond. */
export function fromMilliseconds(time: number): Time {
  const whole = Math.round(time);
  const seconds = Math.floor(whole / 1_000);
  return { seconds: BigInt(seconds), nanos: (whole - seconds * 1_000) * 1_000_000 };
}
