/**
 * One long stream of events.
 *
 * @module
 */
import { decodeEvent } from "./decode.js";
import type { Delivery } from "./delivery.js";
import { encodeEvent } from "./encode.js";
import type { Event as EventMessage, RecordEventsRequest, RecordEventsResponse } from "./gen/penchant/v1/event_pb.js";
import { watched } from "./leaving.js";
import type { Event } from "./model.js";
import type { Outbox } from "./outbox.js";
import type { Acknowledged } from "./results.js";
import { Condition } from "./signals.js";

/** A delivery of events. */
export type EventDelivery = Delivery<EventMessage, RecordEventsRequest, RecordEventsResponse, Acknowledged>;

/**
 * Records events as they come, over one stream that is opened again when it breaks; made by {@link Client.recorder}.
 *
 * ```ts
 * await using recorder = client.recorder();
 * await recorder.put({ userId: "ada", type: "view", itemId: "shoe-1" });
 * ```
 */
export class Recorder {
  readonly #delivery: EventDelivery;
  readonly #outbox: Outbox<EventMessage>;
  readonly #hear: ((answer: Acknowledged) => void) | undefined;
  readonly #forget: () => void;
  readonly #changed = new Condition();
  #acknowledged: Acknowledged[] = [];
  #taken = 0; // events put, or waiting to be
  #answered = 0; // events whose answer was handed over
  #closed = false;
  #failure: { readonly error: unknown } | undefined;

  /** @internal */
  constructor(
    delivery: EventDelivery,
    outbox: Outbox<EventMessage>,
    hear: ((answer: Acknowledged) => void) | undefined,
    recorders: Set<Recorder>, // those of its client that are open
  ) {
    this.#delivery = delivery;
    this.#outbox = outbox;
    this.#hear = hear;
    recorders.add(this);
    const letGo = watched(this);
    this.#forget = () => {
      recorders.delete(this);
      letGo();
    };
    this.#collect()
      .catch((error: unknown) => {
        this.#failure = { error };
        delivery.stop(error); // when it was `hear` that threw
      })
      .finally(() => this.#changed.notify());
  }

  /**
   * Takes an event and sends it as soon as it can; resolves when there is room for it in the window. It is recorded
   * when {@link flush} resolves. Events are recorded in the order of the calls. Rejects with what ended the recorder.
   */
  async put(event: Event): Promise<void> {
    if (this.#closed) {
      throw new TypeError("the recorder is closed; make a new one");
    }
    const message = encodeEvent(event);
    this.#taken += 1; // at once, so that a flush waits for puts that wait for room
    await this.#delivery.put(message);
  }

  /**
   * Waits until all that was put is answered. Resolves with what became of every event since the last flush, refused
   * ones included, in order; with none when the recorder was made with `onAcknowledged`. Rejects with what ended the
   * recorder: {@link unanswered} then has the rest.
   */
  async flush(): Promise<Acknowledged[]> {
    while (this.#answered < this.#taken) {
      if (this.#failure !== undefined) {
        throw this.#failure.error;
      }
      await this.#changed.wait();
    }
    const acknowledged = this.#acknowledged;
    this.#acknowledged = [];
    return acknowledged;
  }

  /**
   * Flushes and ends the stream; closing again resolves with none. Rejects, as {@link flush} does, when not everything
   * was answered.
   */
  async close(): Promise<Acknowledged[]> {
    this.#closed = true;
    try {
      const acknowledged = await this.flush();
      this.#delivery.finish();
      return acknowledged;
    } finally {
      this.#forget();
    }
  }

  /** Closes the recorder at the end of `await using`; rejects when not everything was answered. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** @internal How many events are not answered. */
  get held(): number {
    return this.#outbox.size;
  }

  /**
   * Events that were put and not answered, the oldest first, with their ids: another recorder may be given them without
   * counting any twice.
   */
  get unanswered(): Event[] {
    return this.#outbox.unanswered.map(decodeEvent);
  }

  async #collect(): Promise<void> {
    for (;;) {
      const answers = await this.#delivery.receive();
      if (answers.length === 0) {
        return;
      }
      for (const answer of answers) {
        if (this.#hear === undefined) {
          this.#acknowledged.push(answer);
        } else {
          this.#hear(answer);
        }
      }
      this.#answered += answers.length;
      this.#changed.notify();
    }
  }
}
