/**
 * What a caller hands over: events, items, and what a list should look like.
 *
 * @module
 */

/** One thing a user did or said. Give `itemId`, `text` or both. */
export interface Event {
  /** Who: 1–128 bytes. An anonymous visitor's session id serves as well. */
  readonly userId: string;
  /** What happened, for example `view`, `purchase`, `search`, `hide`: 1–64 bytes. */
  readonly type: string;
  /** The item acted on, 0–128 bytes; it must be in the catalogue. */
  readonly itemId?: string;
  /** The words searched or written, in any language: 0–8,192 bytes of UTF-8. */
  readonly text?: string;
  /** Stars (0–5), seconds or quantity, by type; left out, the event counts with the type's full weight. */
  readonly value?: number;
  /** When it happened, as a Date or in milliseconds since 1970; left out: when the service receives it. */
  readonly occurredAt?: Date | number;
  /** Unique per user, 0–128 bytes; left out or empty: the client makes one, so that sending twice counts once. */
  readonly eventId?: string;
  /** Where in the product it happened, for example `home`: 0–64 bytes. */
  readonly surface?: string;
  /** `attributionToken` of the reply that showed the item, 0–512 bytes. */
  readonly attributionToken?: string;
}

/** Something that can be recommended. Give `title`, `description` or both: it is understood by its words. */
export interface Item {
  /** 1–128 bytes. */
  readonly itemId: string;
  /** 0–1,024 bytes of UTF-8, any language. */
  readonly title?: string;
  /** 0–16,384 bytes of UTF-8, any language. */
  readonly description?: string;
  /** Names to filter by, at most 32, each 1–128 bytes. */
  readonly categories?: readonly string[];
  /** In the shop's own currency, 0–1e12. */
  readonly price?: number;
  /** True hides the item from recommendations without forgetting it. */
  readonly unavailable?: boolean;
  /** Exact-match filters and what a page needs to show the item: at most 32, values 0–1,024 bytes. */
  readonly attributes?: Readonly<Record<string, string>>;
  /**
   * Thumbnails, read beside the words by models that see: at most 4 files of JPEG, PNG or WebP, each at most 65,536
   * bytes and 1,024 pixels a side. The service keeps them and does not send them back.
   */
  readonly images?: readonly Uint8Array[];
}

/** What a list should look like. */
export interface ListOptions {
  /** Items wanted, 1–100; left out or 0: 10. Fewer come when the filter leaves fewer. */
  readonly pageSize?: number;
  /** Items in any of these categories, at most 32, each 1–128 bytes; empty: all. */
  readonly categories?: readonly string[];
  /** Items with all of these attribute values, at most 8. */
  readonly attributes?: Readonly<Record<string, string>>;
  /** Lowest price, inclusive, 0–1e12; an item without a price does not match. */
  readonly minPrice?: number;
  /** Highest price, inclusive, 0–1e12; an item without a price does not match. */
  readonly maxPrice?: number;
  /** Never these item ids, at most 1,000. */
  readonly exclude?: readonly string[];
  /** True allows items the user has acted on; by default they are left out. */
  readonly includeSeen?: boolean;
  /** True adds the stored item to every recommendation. */
  readonly includeItems?: boolean;
  /** True adds its reasons to every recommendation. */
  readonly explain?: boolean;
  /** Name of the profile to score with, one of those that the service has, 0–64 bytes; empty: its default. */
  readonly profile?: string;
}

/** What goes with every call. */
export interface CallOptions {
  /** Ends the call when it aborts; the call then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Deadline of the call, for a stream that of its first update, in milliseconds above 0; by default the client's.
   * A verb that makes several calls gives it to each.
   */
  readonly timeout?: number | undefined;
}

/** How a user's list is asked for. */
export interface ReadOptions extends CallOptions {
  /**
   * A freshness token of {@link Client.record}: the reply waits, within the deadline, until that write is in it.
   * 0–8,192 bytes; by default, with `readYourWrites`, the token of the user's last write by this client.
   */
  readonly minFreshness?: string;
}

/** How recommendations are asked for. */
export interface RecommendOptions extends ListOptions, ReadOptions {
  /** Where the list will be shown, for attribution: 0–64 bytes. */
  readonly surface?: string;
}

/** How much is on its way at once when many are sent, and how long to wait. */
export interface DeliveryOptions {
  /** Most elements in one request, 1–1,000; by default 100. A request is closed before it grows beyond 1 MiB. */
  readonly batch?: number;
  /** Longest time without any answer while one is due, reconnections included, in milliseconds; by default 60,000. */
  readonly patience?: number;
  /** Ends it when it aborts; what waits then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** How many events are recorded. */
export interface RecordOptions extends DeliveryOptions {
  /** Most events that are not answered, at least `batch`; by default 1,000. */
  readonly window?: number;
}
