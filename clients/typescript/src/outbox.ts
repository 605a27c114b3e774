/**
 * What was handed over for a stream and is not yet answered: bounded, in order, ready to be sent again. Pure.
 *
 * Theory of operation: the service answers in the order of the requests, so an answer always settles the oldest
 * elements in flight. When a connection breaks, everything in flight waits again, at the front; the service knows the
 * events and items it has already taken by their ids, so that sending them twice changes nothing.
 *
 * @module
 */
import { Internal } from "./errors.js";
import { Queue } from "./queue.js";

/** Most elements that the contract allows in one request. */
const MAX_BATCH = 1_000;
/** A request is closed before it grows beyond this; gRPC servers refuse messages above 4 MiB by default. */
export const REQUEST_BYTES = 1 << 20;

/**
 * Elements on their way: at most `window` of them, sent `batch` or fewer at a time.
 *
 * What waits is sent at once, unless as many requests are unanswered as the window has room for full ones: one who puts
 * faster than the service answers would otherwise send one element in each request, which costs both sides dearly.
 */
export class Outbox<Sent> {
  readonly window: number;
  readonly #batch: number;
  readonly #bytes: (element: Sent) => number;
  readonly #elements = new Queue<Sent>();
  #inFlight = 0; // the oldest so many elements were sent on the current connection
  #settled = 0;
  /** What {@link settled} is once each of the requests in flight is answered. */
  readonly #requests: number[] = [];

  /** `bytes` gives a number that an element does not exceed on the wire. */
  constructor(batch: number, window: number, bytes: (element: Sent) => number) {
    if (!Number.isInteger(batch) || batch < 1 || batch > MAX_BATCH) {
      throw new RangeError(`batch: ${batch} is not a whole number of 1–${MAX_BATCH}`);
    }
    if (!(window >= batch)) {
      throw new RangeError(`window: ${window} is below batch, ${batch}`);
    }
    this.#batch = batch;
    this.window = window;
    this.#bytes = bytes;
  }

  /** How many elements are not answered. */
  get size(): number {
    return this.#elements.size;
  }

  /** How many elements were answered so far: the position of the oldest one that was not. */
  get settled(): number {
    return this.#settled;
  }

  /** True when something is to be sent. */
  get waiting(): boolean {
    return this.#elements.size > this.#inFlight;
  }

  /** True when something is to be sent now; what is not is sent after an answer, or when there is more of it. */
  get due(): boolean {
    const waiting = this.#elements.size - this.#inFlight;
    return waiting >= this.#batch || (waiting > 0 && this.#requests.length < Math.floor(this.window / this.#batch));
  }

  /** All that is not answered, the oldest first. */
  get unanswered(): Sent[] {
    return [...this.#elements];
  }

  /** Adds an element behind all others. */
  put(element: Sent): void {
    this.#elements.push(element);
  }

  /** Returns the next elements to send, none when nothing waits; they are in flight from now on. */
  take(): Sent[] {
    const taken: Sent[] = [];
    let size = 0;
    while (taken.length < this.#batch) {
      const element = this.#elements.at(this.#inFlight);
      if (element === undefined) {
        break;
      }
      size += this.#bytes(element);
      if (taken.length > 0 && size > REQUEST_BYTES) {
        break;
      }
      taken.push(element);
      this.#inFlight += 1;
    }
    if (taken.length > 0) {
      this.#requests.push(this.#settled + this.#inFlight);
    }
    return taken;
  }

  /** Lets go of the oldest elements in flight and returns them; throws {@link Internal} when there are not so many. */
  settle(count: number): Sent[] {
    if (count > this.#inFlight) {
      throw new Internal(`the service answered ${count} elements where ${this.#inFlight} were sent`);
    }
    this.#inFlight -= count;
    this.#settled += count;
    while ((this.#requests[0] ?? Infinity) <= this.#settled) {
      this.#requests.shift();
    }
    return this.#elements.shift(count);
  }

  /** Lets everything in flight wait again, in the same order. */
  rewind(): void {
    this.#inFlight = 0;
    this.#requests.length = 0;
  }
}
