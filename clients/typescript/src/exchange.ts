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
  /** Settles what a response answers and returns the answers; throws {@link Internal} when it skips an element. */
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
    return response.acknowledgements.map((one) => this.#answer(one, response.freshnessToken));
  }

  #answer(message: Acknowledgement, freshnessToken: string): Acknowledged {
    const ordinal = this.#first + Number(message.ordinal);
    if (ordinal !== this.#outbox.settled) {
      throw new Internal(`the service acknowledged event ${ordinal} where ${this.#outbox.settled} was due`);
    }
    const [event] = this.#outbox.settle(1);
    const { eventId, unchanged } = message;
    if (event !== undefined && message.error === undefined) {
      this.#recorded(event.userId, freshnessToken);
    }
    return { ordinal, eventId, unchanged, freshnessToken, error: message.error && fromStatus(message.error) };
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
