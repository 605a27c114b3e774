/**
 * Turns what gRPC and the service say of a failure into the errors of this package. Pure.
 *
 * @module
 */
import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack, type Any } from "@bufbuild/protobuf/wkt";
import { status as codes, type Metadata } from "@grpc/grpc-js";
import {
  Cancelled,
  DeadlineExceeded,
  FailedPrecondition,
  Internal,
  InvalidArgument,
  NotFound,
  Overloaded,
  PermissionDenied,
  Unauthenticated,
  Unavailable,
  Unimplemented,
  type ErrorDetails,
  type PenchantError,
} from "./errors.js";
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { StatusSchema, type Status } from "./gen/google/rpc/status_pb.js";
import { milliseconds } from "./times.js";

type ErrorClass = new (message: string, details?: ErrorDetails) => PenchantError;

const CLASSES: ReadonlyMap<number, ErrorClass> = new Map<number, ErrorClass>([
  [codes.INVALID_ARGUMENT, InvalidArgument],
  [codes.OUT_OF_RANGE, InvalidArgument],
  [codes.NOT_FOUND, NotFound],
  [codes.FAILED_PRECONDITION, FailedPrecondition],
  [codes.ALREADY_EXISTS, FailedPrecondition],
  [codes.ABORTED, FailedPrecondition],
  [codes.UNAUTHENTICATED, Unauthenticated],
  [codes.PERMISSION_DENIED, PermissionDenied],
  [codes.UNIMPLEMENTED, Unimplemented],
  [codes.RESOURCE_EXHAUSTED, Overloaded],
  [codes.UNAVAILABLE, Unavailable],
  [codes.DEADLINE_EXCEEDED, DeadlineExceeded],
  [codes.CANCELLED, Cancelled],
]);

/** Trailing metadata that holds the `google.rpc.Status` of a failed call. */
const STATUS_KEY = "grpc-status-details-bin";

/** What grpc-js says, with code INTERNAL, when the connection ends in the middle of a write. */
const CONNECTION_ENDED = "triggered by internal client error";

/** The part of grpc-js's ServiceError that is read here. */
export interface FailedCall extends Error {
  readonly code: number;
  readonly details: string;
  readonly metadata: Metadata;
}

/** True for the errors with which grpc-js ends a call. */
export function isFailedCall(error: unknown): error is FailedCall {
  return error instanceof Error && "code" in error && typeof error.code === "number" && "metadata" in error;
}

/** Returns the error that a `google.rpc.Status` describes, its known details unpacked. */
export function fromStatus(status: Status, cause?: unknown): PenchantError {
  const Class = CLASSES.get(status.code) ?? Internal;
  return new Class(status.message || (codes[status.code] ?? "UNKNOWN"), { ...unpacked(status.details), cause });
}

/** Returns the error that a failed call stands for; what did not come from grpc-js is returned as it is. */
export function fromCall(error: unknown): unknown {
  if (!isFailedCall(error)) {
    return error;
  }
  if (error.code === codes.INTERNAL && error.details.includes(CONNECTION_ENDED)) {
    return new Unavailable(`the connection ended: ${error.details}`, { cause: error });
  }
  const status = trailing(error.metadata);
  if (status?.code === error.code) {
    return fromStatus(status, error);
  }
  // Without a trailing status, or with one that contradicts the call's: the call's own code is what retries went by.
  const Class = CLASSES.get(error.code) ?? Internal;
  return new Class(error.details || (codes[error.code] ?? "UNKNOWN"), { cause: error });
}

function trailing(metadata: Metadata): Status | undefined {
  const [bytes] = metadata.get(STATUS_KEY);
  if (!(bytes instanceof Uint8Array)) {
    return undefined;
  }
  try {
    return fromBinary(StatusSchema, bytes);
  } catch {
    return undefined; // the call's own code and message say enough
  }
}

function unpacked(details: readonly Any[]): ErrorDetails {
  let reason = "";
  let field = "";
  let retryAfter: number | undefined;
  for (const detail of details) {
    reason = anyUnpack(detail, ErrorInfoSchema)?.reason ?? reason;
    field = anyUnpack(detail, BadRequestSchema)?.fieldViolations[0]?.field ?? field;
    const delay = anyUnpack(detail, RetryInfoSchema)?.retryDelay;
    retryAfter = delay === undefined ? retryAfter : milliseconds(delay);
  }
  return { reason, field, retryAfter };
}
