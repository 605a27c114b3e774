/**
 * Carries elements over a stream in both directions until all are answered, over as many connections as it takes.
 *
 * The rules: at most `window` elements are on their way or answered but not yet collected; requests are filled with
 * what is there, and wait for more only while many are unanswered (see outbox); UNAVAILABLE, or a stream that the service ends early, opens the next
 * connection, which begins with the oldest element that was not answered (see outbox). It gives up when the service was
 * never heard after `retries` more attempts, or when something waits for an answer longer than `patience`. Once the
 * service was heard, the next attempt waits until there is a connection.
 *
 * @module
 */
import { setImmediate as nextTick, setTimeout as sleep } from "node:timers/promises";
import type { ClientDuplexStream } from "@grpc/grpc-js";
import { Backoff } from "./backoff.js";
import { Cancelled, DeadlineExceeded, Unavailable } from "./errors.js";
import type { Exchange } from "./exchange.js";
import type { Outbox } from "./outbox.js";
import { reading } from "./reading.js";
import { Condition, onAbort } from "./signals.js";

/** How a delivery speaks, and how long it tries. */
export interface Route<Sent, Request, Response, Answer> {
  readonly outbox: Outbox<Sent>;
  /** Opens a connection that ends when the signal aborts. */
  readonly connect: (signal: AbortSignal) => ClientDuplexStream<Request, Response>;
  /** Resolves when there is a connection; rejects with the reason of the signal. */
  readonly ready: (signal: AbortSignal) => Promise<void>;
  /** Begins what is said on a connection. */
  readonly exchange: (outbox: Outbox<Sent>) => Exchange<Request, Response, Answer>;
  /** Longest time without any answer while one is due, in milliseconds. */
  readonly patience: number;
  /** More attempts to reach a service that was never heard. */
  readonly retries: number;
  /** Each ends the delivery with its reason. */
  readonly signals: readonly (AbortSignal | undefined)[];
}

/** One delivery; it connects when there is something to send. */
export class Delivery<Sent, Request, Response, Answer> {
  readonly #route: Route<Sent, Request, Response, Answer>;
  readonly #outbox: Outbox<Sent>;
  readonly #changed = new Condition(); // for those who put and receive
  readonly #sendable = new Condition(); // for those who send
  readonly #ending = new AbortController();
  #answers: Answer[] = [];
  #complete = false; // nothing more will be put
  #delivered = false;
  #lost: Unavailable | undefined; // why there is no connection at the moment
  #watch: NodeJS.Timeout | undefined;

  constructor(route: Route<Sent, Request, Response, Answer>) {
    this.#route = route;
    this.#outbox = route.outbox;
    const forget = route.signals.map((signal) => onAbort(signal, () => this.stop(signal?.reason)));
    this.#carry()
      .then(() => (this.#delivered = true))
      .catch((error: unknown) => this.stop(error))
      .finally(() => {
        forget.forEach((take) => take());
        this.#changed.notify();
      });
  }

  /** Waits for room, then puts an element. Throws what ended the delivery. */
  async put(element: Sent): Promise<void> {
    while (this.#outbox.size + this.#answers.length >= this.#outbox.window && !this.#ending.signal.aborted) {
      await this.#changed.wait();
    }
    this.#ending.signal.throwIfAborted();
    this.#outbox.put(element);
    if (this.#outbox.size === 1) {
      this.#expectAnswer();
    }
    this.#sendable.notify();
  }

  /** Encodes and puts all values as there is room; {@link receive} throws an error of theirs. */
  async feed<Value>(values: Iterable<Value> | AsyncIterable<Value>, encode: (value: Value) => Sent): Promise<void> {
    try {
      for await (const value of values) {
        await this.put(encode(value));
      }
      this.finish();
    } catch (error) {
      this.stop(error);
    }
  }

  /** Says that nothing more will be put. */
  finish(): void {
    this.#complete = true;
    this.#sendable.notify();
  }

  /** Waits for answers and returns them; none when everything was answered. Throws what ended the delivery. */
  async receive(): Promise<Answer[]> {
    while (this.#answers.length === 0 && !this.#delivered) {
      this.#ending.signal.throwIfAborted();
      await this.#changed.wait();
    }
    const answers = this.#answers;
    this.#answers = [];
    this.#changed.notify();
    return answers;
  }

  /** Ends the delivery, whatever is still on its way. */
  stop(reason: unknown = new Cancelled("the delivery was stopped")): void {
    if (!this.#delivered && !this.#ending.signal.aborted) {
      this.#ending.abort(reason);
      clearTimeout(this.#watch);
      this.#changed.notify();
      this.#sendable.notify();
    }
  }

  async #carry(): Promise<void> {
    const { signal } = this.#ending;
    const backoff = new Backoff();
    for (;;) {
      await this.#until(() => this.#outbox.size > 0 || this.#complete || signal.aborted);
      signal.throwIfAborted();
      if (this.#outbox.size === 0) {
        return;
      }
      const { settled } = this.#outbox;
      if (settled > 0) {
        await this.#route.ready(signal); // attempts without a connection would only lengthen the pauses
      }
      this.#lost = await this.#conversed();
      if (this.#complete && this.#outbox.size === 0) {
        return;
      }
      if (this.#outbox.settled > settled) {
        backoff.succeeded();
      }
      if (this.#outbox.settled === 0 && backoff.failures >= this.#route.retries) {
        throw this.#lost;
      }
      await sleep(backoff.next(), undefined, { signal });
    }
  }

  /** Speaks over one connection until it ends; returns why it ended too early, throws what must not be tried again. */
  async #conversed(): Promise<Unavailable> {
    try {
      await this.#converse();
      return new Unavailable("the service ended the stream before it had answered everything");
    } catch (error) {
      if (error instanceof Unavailable) {
        return error;
      }
      throw error;
    }
  }

  async #converse(): Promise<void> {
    const exchange = this.#route.exchange(this.#outbox);
    const call = this.#route.connect(this.#ending.signal);
    const connected = new AbortController();
    const heard = reading(call, (response) => {
      const answers = exchange.answers(response);
      if (answers.length === 0) {
        return; // a later service may say things that are not known here; they are no answer
      }
      for (const answer of answers) {
        this.#answers.push(answer);
      }
      this.#lost = undefined;
      this.#expectAnswer();
      this.#changed.notify();
      this.#sendable.notify();
    });
    const talked = this.#talk(call, exchange, connected.signal);
    try {
      await heard;
    } finally {
      connected.abort();
      this.#sendable.notify();
      await talked;
    }
  }

  async #talk(
    call: ClientDuplexStream<Request, Response>,
    exchange: Exchange<Request, Response, Answer>,
    connected: AbortSignal,
  ): Promise<void> {
    for (;;) {
      await this.#until(() => this.#outbox.due || (this.#complete && !this.#outbox.waiting) || connected.aborted);
      await nextTick(); // whoever puts one by one puts all that it has within this turn of the loop
      if (connected.aborted) {
        return;
      }
      if (!this.#outbox.waiting) {
        call.end();
        return;
      }
      await written(call, exchange.request(), connected);
    }
  }

  #expectAnswer(): void {
    clearTimeout(this.#watch);
    if (this.#outbox.size > 0) {
      const { patience } = this.#route;
      this.#watch = setTimeout(() => {
        const waited = `no answer for ${patience} ms, ${this.#outbox.size} elements are not answered`;
        this.stop(this.#lost ?? new DeadlineExceeded(waited));
      }, patience);
    }
  }

  async #until(ready: () => boolean): Promise<void> {
    while (!ready()) {
      await this.#sendable.wait();
    }
  }
}

/** Resolves when the message was written, or nothing can be any more. One at a time, so that the next one can fill. */
function written<Request>(
  call: ClientDuplexStream<Request, unknown>,
  message: Request,
  connected: AbortSignal,
): Promise<void> {
  return new Promise((resolve) => {
    const forget = onAbort(connected, resolve);
    // A failed write says less than the status that the reader is about to see.
    call.write(message, () => {
      forget();
      resolve();
    });
  });
}
