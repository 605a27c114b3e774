/**
 * From the driver's JSON to what the client takes.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import type { ClientOptions, Event, Item, ListOptions, RecordOptions } from "penchant";

/** An object of a request or an answer. */
export type Json = Record<string, unknown>;

/** The driver is asked what it does not know. */
export class Unsupported extends Error {}

/** No update came within the time. */
export class NoUpdate extends Error {}

/** Returns the members of an object under the client's names; what is left out or null is left out. */
function renamed<T>(from: unknown, names: Readonly<Record<string, keyof T & string>>): T {
  const given = (from ?? {}) as Json;
  const unknown = Object.keys(given).find((name) => !(name in names));
  if (unknown !== undefined) {
    throw new Unsupported(`"${unknown}" is not known`);
  }
  const entries = Object.entries(given).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(entries.map(([name, value]) => [names[name], value])) as T;
}

/** Returns the event of a request. */
export function event(from: unknown): Event {
  return renamed<Event>(from, {
    user_id: "userId",
    type: "type",
    event_id: "eventId",
    item_id: "itemId",
    text: "text",
    value: "value",
    occurred_at: "occurredAt",
    surface: "surface",
    attribution_token: "attributionToken",
  });
}

/** Returns the item of a request. */
export function item(from: unknown): Item {
  const { images, ...rest } = renamed<Omit<Item, "images"> & { images?: readonly string[] }>(from, {
    item_id: "itemId",
    title: "title",
    description: "description",
    categories: "categories",
    price: "price",
    unavailable: "unavailable",
    attributes: "attributes",
    images: "images",
  });
  return { ...rest, ...(images && { images: images.map((image) => Buffer.from(image, "base64")) }) };
}

/** Returns the options of a list. */
export function options(from: unknown): ListOptions {
  return renamed<ListOptions>(from, {
    page_size: "pageSize",
    explain: "explain",
    include_items: "includeItems",
    include_seen: "includeSeen",
    categories: "categories",
    attributes: "attributes",
    min_price: "minPrice",
    max_price: "maxPrice",
    exclude: "exclude",
    profile: "profile",
  });
}

/** Returns the limits of a delivery, those that the request has. */
export function limits({ batch, window }: Json): RecordOptions {
  return { ...(batch != null && { batch: Number(batch) }), ...(window != null && { window: Number(window) }) };
}

/** Returns the token to wait for, when the request has one. */
export function freshness({ min_freshness: token }: Json): { minFreshness?: string } {
  return token == null ? {} : { minFreshness: String(token) };
}

/** Returns how to connect. */
export function clientOptions({ timeout, retries, api_key, tls, read_your_writes }: Json): ClientOptions {
  return {
    ...(timeout != null && { timeout: Number(timeout) }),
    ...(retries != null && { retries: Number(retries) }),
    ...(api_key != null && { apiKey: String(api_key) }),
    ...(read_your_writes != null && { readYourWrites: Boolean(read_your_writes) }),
    ...(tls != null && { tls: typeof tls === "object" ? files(tls as Json) : Boolean(tls) }),
  };
}

function files(paths: Json): Record<string, Buffer> {
  const given = Object.entries(paths).filter(([, path]) => path != null);
  return Object.fromEntries(given.map(([name, path]) => [name, readFileSync(String(path))]));
}
