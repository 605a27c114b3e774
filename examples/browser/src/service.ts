/** The service behind its proxy: clients of the calls that pages may make, and errors in words. */
import { Code, ConnectError, createClient, type Client, type Interceptor } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { ErrorInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { EventService } from "./gen/penchant/v1/event_pb.js";
import { RecommendationService } from "./gen/penchant/v1/recommendation_pb.js";

/** Milliseconds that a call with one answer may take. */
const PATIENCE_MS = 5_000;

export interface Service {
  readonly events: Client<typeof EventService>;
  readonly lists: Client<typeof RecommendationService>;
}

/**
 * Opens a service at an address such as https://reco.example.com. Nothing is sent before the first call. What proves a
 * session goes with every call, for a proxy that asks; it is no key of the service.
 */
export function opened(baseUrl: string, protocol: "grpc-web" | "connect", session?: string): Service {
  const proving: Interceptor = (next) => (request) => {
    if (session !== undefined) request.header.set("authorization", `Bearer ${session}`);
    return next(request);
  };
  const options = { baseUrl, defaultTimeoutMs: PATIENCE_MS, interceptors: [proving] };
  // The service speaks protobuf and no JSON, whatever the proxy translates.
  const transport =
    protocol === "connect"
      ? createConnectTransport({ ...options, useBinaryFormat: true })
      : createGrpcWebTransport(options);
  return { events: createClient(EventService, transport), lists: createClient(RecommendationService, transport) };
}

/** What a caller may want to know of an error. */
export interface Fault {
  readonly code: Code;
  /** For programs: INVALID_FIELD, UNKNOWN_ITEM …; empty where the proxy or the browser tells, not the service. */
  readonly reason: string;
  readonly message: string;
  /** Milliseconds after which to come again, where the service says so. */
  readonly retryAfter: number | undefined;
}

export function fault(error: unknown): Fault {
  const told = ConnectError.from(error);
  const delay = told.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return {
    code: told.code,
    reason: told.findDetails(ErrorInfoSchema)[0]?.reason ?? "",
    message: told.rawMessage,
    retryAfter: delay && Number(delay.seconds) * 1_000 + delay.nanos / 1e6,
  };
}

/** Returns an id that nobody guesses: who knows a user's id may ask for the user's list. */
export function unguessable(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
