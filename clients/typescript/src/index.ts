/**
 * Client of Penchant: real-time recommendations over gRPC.
 *
 * @module
 */
export { Client, DEFAULT_TARGET, type ClientOptions, type RecorderOptions } from "./client.js";
export type { ConnectionOptions, RawStubs, Tls } from "./connection.js";
export * from "./errors.js";
export { kafkaRecord, type KafkaRecord } from "./kafka.js";
export type * from "./model.js";
export type * from "./results.js";
export type { Recorder } from "./recorder.js";
export type { RecommendationStream, UpdateStream } from "./stream.js";
export type { Stub, StubMethod, StubOptions } from "./stubs.js";
export { fromCall } from "./status.js";
