/**
 * The generated service descriptions as stubs of grpc-js.
 *
 * @module
 */
import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethod,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import {
  Metadata,
  type CallOptions,
  type Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  type ClientUnaryCall,
} from "@grpc/grpc-js";
import { onAbort } from "./signals.js";

/** A generated service description. */
export interface ServiceDescription {
  readonly typeName: string;
  readonly method: Readonly<Record<string, DescMethod>>;
}

/** What goes with one call of a stub. */
export interface StubOptions {
  /** Metadata of the call; the API key is added. */
  readonly metadata?: Metadata;
  /** When the call ends at the latest, in milliseconds from now; left out: never. */
  readonly timeout?: number | undefined;
  /** Ends the call when it aborts. */
  readonly signal?: AbortSignal | undefined;
}

/** How a method is called: by its kind. */
export type StubMethod<M extends DescMethod> = M["methodKind"] extends "unary"
  ? (request: MessageInitShape<M["input"]>, options?: StubOptions) => Promise<MessageShape<M["output"]>>
  : M["methodKind"] extends "server_streaming"
    ? (request: MessageInitShape<M["input"]>, options?: StubOptions) => ClientReadableStream<MessageShape<M["output"]>>
    : M["methodKind"] extends "bidi_streaming"
      ? (options?: StubOptions) => ClientDuplexStream<MessageShape<M["input"]>, MessageShape<M["output"]>>
      : never;

/** All methods of a service; failed calls end with grpc-js's `ServiceError`. */
export type Stub<S extends ServiceDescription> = {
  readonly [Name in keyof S["method"]]: StubMethod<S["method"][Name]>;
};

/** Returns the path, and how requests and responses become bytes, of a method. */
export function wire<M extends DescMethod>(service: string, method: M) {
  return {
    path: `/${service}/${method.name}`,
    serializeRequest: serialize<M["input"]>(method.input),
    deserializeRequest: deserialize<M["input"]>(method.input),
    serializeResponse: serialize<M["output"]>(method.output),
    deserializeResponse: deserialize<M["output"]>(method.output),
  };
}

function serialize<D extends DescMessage>(schema: D): (message: MessageShape<D>) => Buffer {
  return (message) => {
    const bytes = toBinary(schema, message);
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
}

function deserialize<D extends DescMessage>(schema: D): (bytes: Uint8Array) => MessageShape<D> {
  return (bytes) => fromBinary(schema, bytes);
}

/** Makes stubs over one channel; `closing` ends all their calls. */
export class Stubs {
  readonly #client: Client;
  readonly #closing: AbortSignal;

  constructor(client: Client, closing: AbortSignal) {
    this.#client = client;
    this.#closing = closing;
  }

  /** Returns the stub of a service. */
  of<S extends ServiceDescription>(service: S): Stub<S> {
    const methods = Object.entries(service.method).map(([name, method]) => [name, this.#method(service, method)]);
    return Object.fromEntries(methods) as Stub<S>;
  }

  #method(service: ServiceDescription, method: DescMethod): unknown {
    const { path, serializeRequest, deserializeResponse } = wire(service.typeName, method);
    switch (method.methodKind) {
      case "unary":
        return (request: MessageInitShape<DescMessage>, options: StubOptions = {}) =>
          new Promise<unknown>((resolve, reject) => {
            this.#refuseEnded(options);
            const call = this.#client.makeUnaryRequest(
              path,
              serializeRequest,
              deserializeResponse,
              create(method.input, request),
              metadata(options),
              callOptions(options),
              (error, response) => (error ? reject(this.#reason(options) ?? error) : resolve(response)),
            );
            this.#watch(call, options);
          });
      case "server_streaming":
        return (request: MessageInitShape<DescMessage>, options: StubOptions = {}) => {
          this.#refuseEnded(options);
          const call = this.#client.makeServerStreamRequest(
            path,
            serializeRequest,
            deserializeResponse,
            create(method.input, request),
            metadata(options),
            callOptions(options),
          );
          return this.#watch(call, options);
        };
      case "bidi_streaming":
        return (options: StubOptions = {}) => {
          this.#refuseEnded(options);
          const call = this.#client.makeBidiStreamRequest(
            path,
            serializeRequest,
            deserializeResponse,
            metadata(options),
            callOptions(options),
          );
          return this.#watch(call, options);
        };
      case "client_streaming":
        throw new Error(`${path}: the contract has no calls of this kind`);
    }
  }

  #refuseEnded({ signal }: StubOptions): void {
    signal?.throwIfAborted();
    this.#closing.throwIfAborted();
  }

  /** Returns why a call was ended from here; undefined when it was not. */
  #reason({ signal }: StubOptions): unknown {
    return [signal, this.#closing].find((one) => one?.aborted)?.reason as unknown;
  }

  #watch<C extends ClientUnaryCall | ClientReadableStream<unknown>>(call: C, { signal }: StubOptions): C {
    const forget = [signal, this.#closing].map((one) => onAbort(one, () => call.cancel()));
    call.on("status", () => forget.forEach((take) => take()));
    return call;
  }
}

function metadata({ metadata: given }: StubOptions): Metadata {
  return given ?? new Metadata();
}

function callOptions({ timeout }: StubOptions): CallOptions {
  return timeout === undefined ? {} : { deadline: Date.now() + timeout };
}
