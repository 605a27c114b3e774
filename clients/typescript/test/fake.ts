/**
 * A small service in this process: a real gRPC server whose methods are written by the test.
 *
 * @module
 */
import { create, toBinary, type DescMethod, type Message, type MessageInitShape, type MessageShape } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import {
  Metadata,
  Server,
  ServerCredentials,
  status,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
} from "@grpc/grpc-js";
import { Client, type ClientOptions } from "penchant";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "../src/gen/google/rpc/error_details_pb.js";
import { StatusSchema, type Status } from "../src/gen/google/rpc/status_pb.js";
import { CatalogService } from "../src/gen/penchant/v1/catalog_pb.js";
import { EventService } from "../src/gen/penchant/v1/event_pb.js";
import { RecommendationService } from "../src/gen/penchant/v1/recommendation_pb.js";
import { UserService } from "../src/gen/penchant/v1/user_pb.js";
import { wire, type ServiceDescription } from "../src/stubs.js";

/** How a method answers, by its kind. A unary one throws a {@link Refusal} to refuse. */
type Handler<M extends DescMethod> = M["methodKind"] extends "unary"
  ? (
      request: MessageShape<M["input"]>,
      metadata: Metadata,
    ) => MessageInitShape<M["output"]> | Promise<MessageInitShape<M["output"]>>
  : M["methodKind"] extends "server_streaming"
    ? (call: ServerWritableStream<MessageShape<M["input"]>, MessageShape<M["output"]>>) => void
    : (call: ServerDuplexStream<MessageShape<M["input"]>, MessageShape<M["output"]>>) => void;

type Handlers<S extends ServiceDescription> = { [Name in keyof S["method"]]?: Handler<S["method"][Name]> };

export interface Methods {
  readonly events?: Handlers<typeof EventService>;
  readonly catalog?: Handlers<typeof CatalogService>;
  readonly recommendations?: Handlers<typeof RecommendationService>;
  readonly users?: Handlers<typeof UserService>;
}

/** An error of the service: a code, and how it is told on the wire. */
export class Refusal extends Error {
  readonly code: status;
  readonly metadata = new Metadata();

  constructor(code: status, message: string, details?: Status) {
    super(message);
    this.code = code;
    if (details !== undefined) {
      this.metadata.set("grpc-status-details-bin", Buffer.from(toBinary(StatusSchema, details)));
    }
  }
}

/** Returns a status as the service tells it, with all the details that it knows. */
export function detailed(code: status, message: string): Status {
  return create(StatusSchema, {
    code,
    message,
    details: [
      anyPack(ErrorInfoSchema, create(ErrorInfoSchema, { reason: "SOME_REASON", domain: "penchant" })),
      anyPack(BadRequestSchema, create(BadRequestSchema, { fieldViolations: [{ field: "event.type" }] })),
      anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay: { seconds: 1n, nanos: 500_000_000 } })),
    ],
  });
}

/** Adds a field of a later contract to a message. */
export function later<M extends Message>(message: M): M {
  message.$unknown = [{ no: 1_000, wireType: 2, data: new Uint8Array([4, ...Buffer.from("news")]) }];
  return message;
}

/** The service going away in the middle of a stream. */
export function broken(): Refusal {
  return new Refusal(status.UNAVAILABLE, "gone");
}

/** A server and a client of it; `using` ends both. */
export class Fake implements Disposable {
  readonly client: Client;
  readonly target: string;
  readonly #server: Server;

  private constructor(server: Server, target: string, options: ClientOptions) {
    this.#server = server;
    this.target = target;
    this.client = new Client(target, options);
  }

  static async start(methods: Methods, options: ClientOptions = {}, credentials = ServerCredentials.createInsecure()) {
    const server = new Server();
    register(server, EventService, methods.events);
    register(server, CatalogService, methods.catalog);
    register(server, RecommendationService, methods.recommendations);
    register(server, UserService, methods.users);
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync("localhost:0", credentials, (error, bound) => (error ? reject(error) : resolve(bound))),
    );
    return new Fake(server, `localhost:${port}`, options);
  }

  [Symbol.dispose](): void {
    void this.client.close().catch(() => undefined); // a test that cares for its outcome has closed it before
    this.#server.forceShutdown();
  }
}

type AnyHandler = (first: unknown, second?: unknown) => unknown;

function register(server: Server, service: ServiceDescription, handlers: object = {}): void {
  for (const [name, method] of Object.entries(service.method)) {
    const handler = (handlers as Record<string, AnyHandler>)[name];
    if (handler === undefined) {
      continue;
    }
    const { path, serializeResponse, deserializeRequest } = wire(service.typeName, method);
    if (method.methodKind === "unary") {
      const answer = async (call: ServerUnaryCall<unknown, never>, callback: sendUnaryData<never>): Promise<void> => {
        try {
          const response = await handler(call.request, call.metadata);
          callback(null, create(method.output, response as MessageInitShape<typeof method.output>) as never);
        } catch (error) {
          callback(error as Refusal);
        }
      };
      server.register(path, answer, serializeResponse, deserializeRequest, "unary");
    } else {
      const kind = method.methodKind === "bidi_streaming" ? "bidi" : "serverStream";
      server.register(path, handler, serializeResponse, deserializeRequest, kind);
    }
  }
}

/** Resolves with the first value that it is told. */
export class Told<T> {
  readonly #promise: Promise<T>;
  tell!: (value: T) => void;

  constructor() {
    this.#promise = new Promise((resolve) => (this.tell = resolve));
  }

  then: Promise<T>["then"] = (fulfilled, rejected) => this.#promise.then(fulfilled, rejected);
}
