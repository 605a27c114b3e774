/**
 * From the caller's values to the contract's messages. Pure; values that cannot be sent throw before anything is.
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import { create, toBinary } from "@bufbuild/protobuf";
import { TimestampSchema, type Timestamp } from "@bufbuild/protobuf/wkt";
import { InvalidArgument } from "./errors.js";
import { ItemSchema, type Item as ItemMessage } from "./gen/penchant/v1/catalog_pb.js";
import { EventSchema, type Event as EventMessage } from "./gen/penchant/v1/event_pb.js";
import {
  ListOptionsSchema,
  StreamStartSchema,
  type ListOptions as ListOptionsMessage,
  type StreamStart,
} from "./gen/penchant/v1/recommendation_pb.js";
import type { Event, Item, ListOptions } from "./model.js";
import { REQUEST_BYTES } from "./outbox.js";
import { fromMilliseconds } from "./times.js";

const MAX_UINT32 = 2 ** 32 - 1;

/**
 * Returns the event's message, with an id in any case, so that a retry counts once. Throws {@link InvalidArgument} for an
 * event that no request has room for: it would only be found out in the middle of a stream, to the harm of all else on it.
 */
export function encodeEvent(event: Event): EventMessage {
  const message = create(EventSchema, {
    eventId: event.eventId || randomUUID(),
    userId: event.userId,
    type: event.type,
    itemId: event.itemId ?? "",
    text: event.text ?? "",
    surface: event.surface ?? "",
    attributionToken: event.attributionToken ?? "",
  });
  if (event.value !== undefined) {
    message.value = event.value;
  }
  if (event.occurredAt !== undefined) {
    message.occurredAt = encodeTime(event.occurredAt);
  }
  if (eventBytes(message) > REQUEST_BYTES) {
    const size = toBinary(EventSchema, message).length;
    if (size > REQUEST_BYTES) {
      const told = { reason: "INVALID_FIELD", field: "event" };
      throw new InvalidArgument(`event: ${size} bytes, a request takes at most ${REQUEST_BYTES}`, told);
    }
  }
  return message;
}

function encodeTime(time: Date | number): Timestamp {
  const since = Number(time);
  if (!Number.isFinite(since)) {
    throw new RangeError("occurredAt: is not a time");
  }
  return create(TimestampSchema, fromMilliseconds(since));
}

/** Returns the item's message. */
export function encodeItem(item: Item): ItemMessage {
  const message = create(ItemSchema, {
    itemId: item.itemId,
    title: item.title ?? "",
    description: item.description ?? "",
    categories: [...(item.categories ?? [])],
    unavailable: item.unavailable ?? false,
    attributes: { ...item.attributes },
    images: (item.images ?? []).map((image) => Uint8Array.from(image)),
  });
  if (item.price !== undefined) {
    message.price = item.price;
  }
  return message;
}

/** Returns the message for a list's options; throws RangeError for a page size that cannot be sent. */
export function encodeOptions(options: ListOptions): ListOptionsMessage {
  const pageSize = options.pageSize ?? 0;
  if (!Number.isInteger(pageSize) || pageSize < 0 || pageSize > MAX_UINT32) {
    throw new RangeError(`pageSize: ${pageSize} is not a whole number of 0–100`);
  }
  return create(ListOptionsSchema, {
    pageSize,
    filter: {
      categories: [...(options.categories ?? [])],
      attributes: { ...options.attributes },
      ...(options.minPrice !== undefined && { minPrice: options.minPrice }),
      ...(options.maxPrice !== undefined && { maxPrice: options.maxPrice }),
      excludeItemIds: [...(options.exclude ?? [])],
      includeSeen: options.includeSeen ?? false,
    },
    includeItems: options.includeItems ?? false,
    explain: options.explain ?? false,
    profile: options.profile ?? "",
  });
}

/** Returns how a stream of a user's list begins. */
export function encodeStart(userId: string, options: ListOptions, surface: string, minFreshness: string): StreamStart {
  return create(StreamStartSchema, { userId, options: encodeOptions(options), surface, minFreshness });
}

/** Most bytes that a string takes on the wire: its UTF-8, and at most 8 for tag and length. */
function stringBytes(text: string): number {
  return Buffer.byteLength(text) + 8;
}

/** Returns a number of bytes that the event does not exceed on the wire, without the cost of encoding it. */
export function eventBytes(event: EventMessage): number {
  const texts = [event.eventId, event.userId, event.type, event.itemId, event.text, event.surface];
  return texts.reduce((sum, text) => sum + stringBytes(text), stringBytes(event.attributionToken) + 64);
}

/** Returns a number of bytes that the item does not exceed on the wire. */
export function itemBytes(item: ItemMessage): number {
  const attributes = Object.entries(item.attributes).flat();
  const texts = [item.itemId, item.title, item.description, ...item.categories, ...attributes];
  const images = item.images.reduce((sum, image) => sum + image.length + 8, 0);
  return texts.reduce((sum, text) => sum + stringBytes(text), images + 8 * attributes.length + 64);
}
