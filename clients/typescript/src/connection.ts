/**
 * The connection: channel options, credentials, and the generated stubs.
 *
 * @module
 */
import { setMaxListeners } from "node:events";
import {
  ChannelCredentials,
  Client,
  InterceptingCall,
  connectivityState,
  credentials,
  type ChannelOptions,
  type Interceptor,
} from "@grpc/grpc-js";
import { Cancelled } from "./errors.js";
import { CatalogService } from "./gen/penchant/v1/catalog_pb.js";
import { EventService } from "./gen/penchant/v1/event_pb.js";
import { ModelService } from "./gen/penchant/v1/model_pb.js";
import { RecommendationService } from "./gen/penchant/v1/recommendation_pb.js";
import { UserService } from "./gen/penchant/v1/user_pb.js";
import { serviceConfig } from "./service-config.js";
import { onAbort } from "./signals.js";
import { Stubs, type Stub } from "./stubs.js";

/** A silent connection is probed after this long, so that streams notice a peer that vanished. */
const KEEPALIVE_MS = 60_000;
const KEEPALIVE_TIMEOUT_MS = 10_000;
/** The longest interval that Node.js knows. */
const LONGEST_INTERVAL_MS = 2 ** 31 - 1;

/** TLS with certificates of one's own, each in PEM: the text or the bytes of the file. */
export interface Tls {
  /** Certificates to trust; left out: those that Node.js trusts. */
  readonly ca?: string | Uint8Array;
  /** Own certificate chain, for a service that asks for one; with `key`. */
  readonly cert?: string | Uint8Array;
  /** Key of the own certificate; with `cert`. */
  readonly key?: string | Uint8Array;
}

/** How to reach a service. */
export interface ConnectionOptions {
  /** True: TLS with the certificates that Node.js trusts; {@link Tls} or grpc-js's credentials: TLS with these. */
  readonly tls?: boolean | Tls | ChannelCredentials;
  /** Goes with every call, in the metadata; printable ASCII without spaces. */
  readonly apiKey?: string;
  /** How often a unary call is tried again after UNAVAILABLE, 0–4; by default 3. */
  readonly retries?: number;
}

/** The generated stubs, for calls that the client does not cover. */
export interface RawStubs {
  /** `penchant.v1.EventService`. */
  readonly events: Stub<typeof EventService>;
  /** `penchant.v1.CatalogService`. */
  readonly catalog: Stub<typeof CatalogService>;
  /** `penchant.v1.RecommendationService`. */
  readonly recommendations: Stub<typeof RecommendationService>;
  /** `penchant.v1.UserService`. */
  readonly users: Stub<typeof UserService>;
  /** `penchant.v1.ModelService`; its calls need the operator's key in their metadata. */
  readonly models: Stub<typeof ModelService>;
}

/** One channel and the stubs over it; it connects with the first call. */
export class Connection {
  readonly stubs: RawStubs;
  readonly retries: number;
  readonly #client: Client;
  readonly #closing = new AbortController();
  #connected: Promise<void> | undefined; // when it is waited for

  constructor(target: string, { tls = false, apiKey = "", retries = 3 }: ConnectionOptions) {
    this.retries = retries;
    setMaxListeners(0, this.#closing.signal); // every call under way listens
    const options: ChannelOptions = {
      "grpc.service_config": serviceConfig(retries),
      "grpc.keepalive_time_ms": KEEPALIVE_MS,
      "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
      "grpc.keepalive_permit_without_calls": 0,
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 700,
    };
    this.#client = new Client(target, channelCredentials(tls), { ...options, interceptors: keyed(apiKey) });
    const stubs = new Stubs(this.#client, this.closing);
    this.stubs = {
      events: stubs.of(EventService),
      catalog: stubs.of(CatalogService),
      recommendations: stubs.of(RecommendationService),
      users: stubs.of(UserService),
      models: stubs.of(ModelService),
    };
  }

  /** Aborts, with a {@link Cancelled} for its reason, when the connection is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Resolves when the channel is connected, and sees to it that it will be; rejects with the reason of the signal. */
  async ready(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const awake = setInterval(() => undefined, LONGEST_INTERVAL_MS); // gRPC's own timers let the program end
    let forget = (): void => undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        forget = onAbort(signal, () => reject(signal.reason as Error));
        this.#connected ??= this.#connect().finally(() => (this.#connected = undefined));
        this.#connected.then(resolve, reject);
      });
    } finally {
      clearInterval(awake);
      forget();
    }
  }

  /** Ends all calls and closes the channel; closing again does nothing. */
  close(): void {
    if (!this.closing.aborted) {
      this.#closing.abort(closed());
      this.#client.close();
    }
  }

  async #connect(): Promise<void> {
    const channel = this.#client.getChannel();
    for (;;) {
      this.closing.throwIfAborted();
      const state = channel.getConnectivityState(false);
      if (state === connectivityState.READY) {
        return;
      }
      if (state === connectivityState.IDLE) {
        channel.getConnectivityState(true); // after half an hour without a call gRPC tries no longer
      }
      await new Promise<void>((resolve) => channel.watchConnectivityState(state, Infinity, () => resolve()));
    }
  }
}

/** Returns what calls of a client that was closed end with. */
export function closed(): Cancelled {
  return new Cancelled("the client was closed; make a new one");
}

function channelCredentials(tls: boolean | Tls | ChannelCredentials): ChannelCredentials {
  if (tls instanceof ChannelCredentials) {
    return tls;
  }
  if (typeof tls === "boolean") {
    return tls ? credentials.createSsl() : credentials.createInsecure();
  }
  if ((tls.cert === undefined) !== (tls.key === undefined)) {
    throw new TypeError("tls: cert and key belong together: give both or none");
  }
  return credentials.createSsl(bytes(tls.ca), bytes(tls.key), bytes(tls.cert));
}

function bytes(pem: string | Uint8Array | undefined): Buffer | null {
  return pem === undefined ? null : Buffer.from(pem);
}

/** Adds the key to every call; gRPC's own call credentials would refuse to go over plain text. */
function keyed(apiKey: string): Interceptor[] {
  if (!/^[!-~]*$/.test(apiKey)) {
    // The key itself is not told: the message may end in a log.
    throw new TypeError("apiKey: must be printable ASCII without spaces; was a line break read with it?");
  }
  if (apiKey === "") {
    return [];
  }
  return [
    (options, nextCall) =>
      new InterceptingCall(nextCall(options), {
        start(metadata, listener, next) {
          metadata.set("authorization", `Bearer ${apiKey}`);
          next(metadata, listener);
        },
      }),
  ];
}
