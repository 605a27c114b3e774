/**
 * What is said on one connection of a delivery: translates between its numbers and those of the whole delivery. Pure.
 *
 * Making an exchange means that the connection before is gone.
 *
 * @module
 */
import { create } from "@bufbuild/protobuf";
import { Internal } from "./errors.js";
import {
  UpsertItemsRequestSchema,
  type Item,
  type UpsertItemsRequest,
  type UpsertItemsResponse,
} from "./gen/penchant/v1/catalog_pb.js";
import {
  RecordEventsRequestSchema,
  type Acknowledgement,
  type Event,
  type RecordEventsRequest,
  type RecordEventsResponse,
} from "./gen/penchant/v1/event_pb.js";
import type { Outbox } from "./outbox.js";
import type { Acknowledged, UpsertResult } from "./results.js";
import { fromStatus } from "./status.js";

/** Makes requests of what waits in an outbox, and settles what a response answers. */
export interface Exchange<Request, Response, Answer> {
  /** Returns the next request; something must be waiting. */
  request(): Request;
  /**
   * Settles what a response answers and returns the answers, none when it says nothing that is known; throws
   * {@link Internal} when it skips an element.
   */
  answers(response: Response): Answer[];
}

/** RecordEvents: every event is acknowledged by its ordinal on the connection. */
export class EventExchange implements Exchange<RecordEventsRequest, RecordEventsResponse, Acknowledged> {
  readonly #outbox: Outbox<Event>;
  readonly #recorded: (userId: string, freshnessToken: string) => void;
  readonly #first: number;

  /** `recorded` hears of every event that the service took. */
  constructor(outbox: Outbox<Event>, recorded: (userId: string, freshnessToken: string) => void) {
    outbox.rewind();
    this.#outbox = outbox;
    this.#recorded = recorded;
    this.#first = outbox.settled;
  }

  request(): RecordEventsRequest {
    return create(RecordEventsRequestSchema, { events: this.#outbox.take() });
  }

  answers(response: RecordEventsResponse): Acknowledged[] {
    const { acknowledgements, freshnessToken } = response;
    const due = this.#outbox.settled;
    const answers = acknowledgements.map((one, n) => this.#answer(one, freshnessToken, due + n));
    this.#outbox.settle(answers.length).forEach(({ userId }, n) => {
      if (answers[n]?.error === undefined) {
        this.#recorded(userId, freshnessToken);
      }
    });
    return answers;
  }

  #answer(message: Acknowledgement, freshnessToken: string, due: number): Acknowledged {
    const ordinal = this.#first + Number(message.ordinal);
    if (ordinal !== due) {
      throw new Internal(`the service acknowledged event ${ordinal} where ${due} was due`);
    }
    const { eventId, unchanged, error } = message;
    return { ordinal, eventId, unchanged, freshnessToken, error: error && fromStatus(error) };
  }
}

/** UpsertItems: every request is answered as a whole. */
export class ItemExchange implements Exchange<UpsertItemsRequest, UpsertItemsResponse, UpsertResult> {
  readonly #outbox: Outbox<Item>;
  readonly #sizes: number[] = []; // of the requests in flight

  constructor(outbox: Outbox<Item>) {
    outbox.rewind();
    this.#outbox = outbox;
  }

  request(): UpsertItemsRequest {
    const items = this.#outbox.take();
    this.#sizes.push(items.length);
    return create(UpsertItemsRequestSchema, { items });
  }

  answers({ accepted, refused }: UpsertItemsResponse): UpsertResult[] {
    if (accepted === 0 && refused.length === 0) {
      return []; // no request is without items
    }
    const size = this.#sizes.shift();
    if (size === undefined) {
      throw new Internal("the service answered more requests than were sent");
    }
    const first = this.#outbox.settled;
    this.#outbox.settle(size);
    return [
      {
        accepted,
        refused: refused.map(({ index, itemId, error }) => ({
          index: first + index,
          itemId,
          error: error ? fromStatus(error) : new Internal("the service refused an item without a reason"),
        })),
      },
    ];
  }
}
