import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import { Metadata, status } from "@grpc/grpc-js";
import { Client, Internal, InvalidArgument, NotFound, PenchantError, Unavailable, fromCall, kafkaRecord } from "penchant";
import { decodeEvent } from "../src/decode.js";
import { encodeEvent, encodeItem, encodeOptions, eventBytes, itemBytes } from "../src/encode.js";
import { ErrorInfoSchema, RetryInfoSchema } from "../src/gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "../src/gen/google/rpc/status_pb.js";
import { ItemSchema } from "../src/gen/penchant/v1/catalog_pb.js";
import { EventSchema } from "../src/gen/penchant/v1/event_pb.js";
import { serviceConfig } from "../src/service-config.js";
import { fromStatus } from "../src/status.js";
import { LastWrites, MAX_USERS } from "../src/writes.js";
import { Refusal, detailed, later } from "./fake.js";

const ROOT = new URL("../../", import.meta.url); // from dist/test

const FULL = {
  eventId: "e1",
  userId: "ada",
  type: "rate",
  itemId: "shoe-1",
  text: "größer als 名前 🙂",
  value: -1.5,
  occurredAt: new Date("1989-03-04T05:06:07.089Z"),
  surface: "home",
  attributionToken: "a1",
};

test("an event keeps all it has, its time to the millisecond, before 1970 too", () => {
  assert.deepEqual(decodeEvent(encodeEvent(FULL)), FULL);
  const early = new Date(-1.25e12 - 1);
  assert.deepEqual(decodeEvent(encodeEvent({ ...FULL, occurredAt: early })).occurredAt, early);
  assert.equal(encodeEvent({ ...FULL, occurredAt: FULL.occurredAt.getTime() }).occurredAt?.nanos, 89_000_000);
});

test("an event without an id gets one of its own", () => {
  const ids = [1, 2].map(() => encodeEvent({ userId: "ada", type: "view", eventId: "" }).eventId);
  assert.notEqual(ids[0], ids[1]);
  assert.match(ids[0] ?? "", /^[0-9a-f-]{36}$/);
  assert.equal(encodeEvent({ userId: "ada", type: "view", value: 0 }).value, 0);
});

test("the largest event that a request has room for is taken, and no larger one", () => {
  const event = { userId: "ada", type: "view", eventId: "e", text: "" };
  const frame = toBinary(EventSchema, encodeEvent({ ...event, text: "x".repeat(1_000_000) })).length - 1_000_000;
  const largest = "x".repeat((1 << 20) - frame);
  assert.equal(toBinary(EventSchema, encodeEvent({ ...event, text: largest })).length, 1 << 20);
  assert.throws(() => encodeEvent({ ...event, text: `${largest}x` }), { name: "InvalidArgument", field: "event" });
});

test("a record for Kafka is the user and the event, with an id", () => {
  const { key, value } = kafkaRecord({ ...FULL, userId: "美" });
  assert.deepEqual([...key], [0xe7, 0xbe, 0x8e]);
  assert.deepEqual(decodeEvent(fromBinary(EventSchema, value)), { ...FULL, userId: "美" });
  const ids = [1, 2].map(() => fromBinary(EventSchema, kafkaRecord({ userId: "ada", type: "view" }).value).eventId);
  assert.match(ids[0] ?? "", /^[0-9a-f-]{36}$/);
  assert.notEqual(ids[0], ids[1]);
  assert.throws(() => kafkaRecord({ userId: "", type: "view" }), { name: "InvalidArgument", field: "event.user_id" });
});

test("values that cannot be sent are refused", () => {
  assert.throws(() => encodeEvent({ userId: "ada", type: "view", occurredAt: new Date("no") }), /occurredAt/);
  assert.throws(() => encodeOptions({ pageSize: -1 }), /pageSize/);
  assert.throws(() => encodeOptions({ pageSize: 1.5 }), /pageSize/);
});

test("sizes are not below those on the wire", () => {
  const event = encodeEvent(FULL);
  const item = encodeItem({
    itemId: "i",
    title: "名".repeat(300),
    categories: Array.from({ length: 32 }, (_, n) => `category ${n}`),
    price: 1,
    unavailable: true,
    attributes: Object.fromEntries(Array.from({ length: 32 }, (_, n) => [`a${n}`, "ö".repeat(n)])),
    images: [new Uint8Array(70_000), new Uint8Array(1)],
  });
  assert.ok(eventBytes(event) >= toBinary(EventSchema, event).length + 8);
  assert.ok(itemBytes(item) >= toBinary(ItemSchema, item).length + 8);
  assert.ok(itemBytes(item) < 2 * toBinary(ItemSchema, item).length);
});

test("a price of 0 is a condition, and none is none", () => {
  const { filter } = encodeOptions({ minPrice: 0 });
  assert.deepEqual([filter?.minPrice, filter?.maxPrice], [0, undefined]);
});

test("the last writes of the newest users are remembered", () => {
  const writes = new LastWrites();
  writes.remember("first", "1");
  writes.remember("second", "2");
  writes.remember("first", "3");
  for (let n = 0; n < MAX_USERS - 1; n += 1) {
    writes.remember(`user ${n}`, String(n));
  }
  assert.deepEqual([writes.of("first"), writes.of("second"), writes.of("user 0")], ["3", "", "0"]);
});

test("the details of an error are unpacked", () => {
  const error = fromStatus(detailed(status.OUT_OF_RANGE, "too far"));
  assert.ok(error instanceof InvalidArgument && error instanceof PenchantError && error instanceof Error);
  const { name, code, message, reason, field, retryAfter } = error;
  assert.deepEqual(
    { name, code, message, reason, field, retryAfter },
    {
      name: "InvalidArgument",
      code: status.INVALID_ARGUMENT,
      message: "too far",
      reason: "SOME_REASON",
      field: "event.type",
      retryAfter: 1_500,
    },
  );
});

test("every code has its class", () => {
  const names = Array.from({ length: 17 }, (_, code) => fromStatus(detailed(code, "")).name);
  assert.deepEqual(names.slice(1), [
    "Cancelled",
    "Internal",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "FailedPrecondition",
    "PermissionDenied",
    "Overloaded",
    "FailedPrecondition",
    "FailedPrecondition",
    "InvalidArgument",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "Internal",
    "Unauthenticated",
  ]);
});

test("details that contradict the call's code, or cannot be read, are left aside", () => {
  const contradicting = new Refusal(status.NOT_FOUND, "not there", detailed(status.INTERNAL, "other"));
  const told = fromCall(Object.assign(contradicting, { details: "not there" }));
  assert.ok(told instanceof NotFound && told.reason === "" && told.message === "not there");
  const metadata = new Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from([255]));
  assert.ok(fromCall(Object.assign(new Error(""), { code: 13, details: "", metadata })) instanceof Internal);
});

test("details, reasons and codes of a later service are passed over, or given as they are", () => {
  const news = { $typeName: "google.protobuf.Any", typeUrl: "later/penchant.v9.News", value: new Uint8Array([255]) } as const;
  const reason = anyPack(ErrorInfoSchema, later(create(ErrorInfoSchema, { reason: "NEWS" })));
  const told = fromStatus(create(StatusSchema, { code: status.NOT_FOUND, message: "m", details: [news, reason] }));
  assert.deepEqual([told.name, told.reason, told.field, told.retryAfter], ["NotFound", "NEWS", "", undefined]);
  assert.equal(fromStatus(create(StatusSchema, { code: 99 })).name, "Internal");
  const atOnce = anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay: {} }));
  assert.equal(fromStatus(create(StatusSchema, { code: 8, details: [atOnce] })).retryAfter, 0);
});

test("a connection that ends in the middle of a write is one that is gone", () => {
  const details = "Received RST_STREAM with code 2 triggered by internal client error: write EPIPE";
  const error = Object.assign(new Error(details), { code: status.INTERNAL, details, metadata: new Metadata() });
  assert.ok(fromCall(error) instanceof Unavailable);
  const other = new Error("of another kind");
  assert.equal(fromCall(other), other);
});

test("retries are the attempts of the service config, less one", () => {
  const attempts = (retries: number): unknown =>
    JSON.parse(serviceConfig(retries)).methodConfig[0]?.retryPolicy.maxAttempts;
  assert.deepEqual([4, 1, 0].map(attempts), [5, 2, undefined]);
  assert.throws(() => serviceConfig(5), /retries: 5/);
  assert.throws(() => serviceConfig(-1), /retries: -1/);
});

const SHARED = new URL("../service_config.json", ROOT);

test("the service config is that of all clients", { skip: !existsSync(SHARED) && "not within the repository" }, () => {
  assert.deepEqual(readFileSync(new URL("service_config.json", ROOT)), readFileSync(SHARED));
});

test("options of a client that cannot be are refused, without telling the key", () => {
  assert.throws(
    () => new Client("h:1", { apiKey: "secret\n" }),
    (error: Error) => !error.message.includes("secret"),
  );
  assert.throws(() => new Client("h:1", { retries: 5 }), RangeError);
  assert.throws(() => new Client("h:1", { timeout: 0 }), RangeError);
  assert.throws(() => new Client("h:1", { tls: { cert: "" } }), /cert and key/);
});
