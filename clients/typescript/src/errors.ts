/**
 * Errors of the client, one class for each thing a caller may want to do about it.
 *
 * @module
 */
import { status } from "@grpc/grpc-js";
import type { Event } from "./model.js";

/** What the service tells about an error beside its code and message. */
export interface ErrorDetails {
  /** Stable name for programs, for example `UNKNOWN_ITEM`. */
  readonly reason?: string;
  /** The request's field at fault. */
  readonly field?: string;
  /** Milliseconds to wait before trying again, not negative. */
  readonly retryAfter?: number | undefined;
  /** What it was made from. */
  readonly cause?: unknown;
}

/** Base of everything that comes instead of a result, other than a mistake in the use of the client. */
export abstract class PenchantError extends Error {
  /** The gRPC status code that the class stands for. */
  abstract readonly code: status;
  /** Stable name for programs, for example `UNKNOWN_ITEM`; empty when the service gave none. */
  readonly reason: string;
  /** The request's field at fault, for example `event.type`; empty when the service named none. */
  readonly field: string;
  /** Milliseconds to wait before trying again; undefined when the service gave no advice. */
  readonly retryAfter: number | undefined;

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.reason = details.reason ?? "";
    this.field = details.field ?? "";
    this.retryAfter = details.retryAfter;
  }
}

/** A value is outside its limits; nothing was changed. `field` names it. */
export class InvalidArgument extends PenchantError {
  override readonly name = "InvalidArgument";
  override readonly code = status.INVALID_ARGUMENT;
}

/** The item is not in the catalogue. */
export class NotFound extends PenchantError {
  override readonly name = "NotFound";
  override readonly code = status.NOT_FOUND;
}

/** The request does not fit the service's state, for example a token that belongs to other data. */
export class FailedPrecondition extends PenchantError {
  override readonly name = "FailedPrecondition";
  override readonly code = status.FAILED_PRECONDITION;
}

/** The credentials are missing or wrong. */
export class Unauthenticated extends PenchantError {
  override readonly name = "Unauthenticated";
  override readonly code = status.UNAUTHENTICATED;
}

/** The credentials do not allow this. */
export class PermissionDenied extends PenchantError {
  override readonly name = "PermissionDenied";
  override readonly code = status.PERMISSION_DENIED;
}

/** The service does not know this call: it is older than the client. */
export class Unimplemented extends PenchantError {
  override readonly name = "Unimplemented";
  override readonly code = status.UNIMPLEMENTED;
}

/** Refused before any work was done; try again after `retryAfter` milliseconds. */
export class Overloaded extends PenchantError {
  override readonly name = "Overloaded";
  override readonly code = status.RESOURCE_EXHAUSTED;
}

/** The service cannot be reached and the client's retries are used up. */
export class Unavailable extends PenchantError {
  override readonly name = "Unavailable";
  override readonly code = status.UNAVAILABLE;
}

/** No answer came within the deadline; the call may still have had its effect. */
export class DeadlineExceeded extends PenchantError {
  override readonly name = "DeadlineExceeded";
  override readonly code = status.DEADLINE_EXCEEDED;
}

/** The client was closed, and in its time not all that its recorders held was answered. */
export class UnansweredEvents extends DeadlineExceeded {
  /** Those events, with their ids: another recorder may be given them without counting any twice. */
  readonly events: readonly Event[];

  constructor(events: readonly Event[], cause?: unknown) {
    super(`the client was closed with ${events.length} events that are not answered`, { cause });
    this.events = events;
  }
}

/** The call was ended from outside, for example by closing the client. */
export class Cancelled extends PenchantError {
  override readonly name = "Cancelled";
  override readonly code = status.CANCELLED;
}

/** A fault of the service, or an answer that breaks the contract. */
export class Internal extends PenchantError {
  override readonly name = "Internal";
  override readonly code = status.INTERNAL;
}
