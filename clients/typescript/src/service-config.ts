/**
 * How gRPC itself retries: the service config that all clients of Penchant share.
 *
 * @module
 */
import { readFileSync } from "node:fs";

/** gRPC allows five attempts. */
const MAX_RETRIES = 4;

interface ServiceConfig {
  readonly loadBalancingConfig: unknown;
  readonly methodConfig: readonly { readonly retryPolicy: { readonly maxAttempts: number } }[];
}

/** Returns the service config, as JSON, that retries every unary call up to `retries` times, 0–4. */
export function serviceConfig(retries: number): string {
  if (!Number.isInteger(retries) || retries < 0 || retries > MAX_RETRIES) {
    throw new RangeError(`retries: ${retries} is not a whole number of 0–${MAX_RETRIES}`);
  }
  const shared = JSON.parse(
    readFileSync(new URL("../../service_config.json", import.meta.url), "utf8"),
  ) as ServiceConfig;
  return JSON.stringify({
    ...shared,
    // A policy with a single attempt is not valid: not to retry is to have none.
    methodConfig: shared.methodConfig.flatMap((method) =>
      retries === 0 ? [] : [{ ...method, retryPolicy: { ...method.retryPolicy, maxAttempts: retries + 1 } }],
    ),
  });
}
