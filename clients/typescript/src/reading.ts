/**
 * Reads a call of grpc-js to its end.
 *
 * @module
 */
import type { ClientReadableStream } from "@grpc/grpc-js";
import { fromCall } from "./status.js";

/**
 * Hands every message to `hear`, as soon as it is there; resolves when the call ends well, rejects with this package's
 * error when it fails, and with what `hear` throws, which ends the call.
 */
export function reading<Message>(call: ClientReadableStream<Message>, hear: (message: Message) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let failure: { readonly error: unknown } | undefined;
    call.on("data", (message: Message) => {
      if (failure !== undefined) {
        return;
      }
      try {
        hear(message);
      } catch (error) {
        failure = { error };
        call.cancel();
      }
    });
    call.on("error", (error) => (failure ??= { error: fromCall(error) }));
    // The end comes behind the last message, and after the error when there is one.
    call.on("end", () => (failure === undefined ? resolve() : reject(failure.error)));
  });
}
