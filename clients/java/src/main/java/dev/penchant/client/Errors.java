package dev.penchant.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import com.google.rpc.RetryInfo;
import dev.penchant.client.PenchantException.Problem;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;

/** From gRPC's errors to the client's, and the client's own. Pure. */
final class Errors {
    private Errors() {}

    /** Returns the error that a failed call stands for, with the details of its trailers. */
    static PenchantException of(Throwable failed) {
        if (failed instanceof PenchantException ours) {
            return ours;
        }
        Status status = Status.fromThrowable(failed);
        String message = status.getDescription() == null ? "" : status.getDescription();
        com.google.rpc.Status told =
                com.google.rpc.Status.newBuilder().setCode(status.getCode().value()).setMessage(message).build();
        try {
            com.google.rpc.Status detailed = StatusProto.fromThrowable(failed);
            return of(detailed == null ? told : detailed, failed);
        } catch (IllegalArgumentException unfit) {
            // Details that contradict the call, or cannot be read: the call's own code is what retries went by.
            return of(told, failed);
        }
    }

    /** Returns the error that a message describes, the details unpacked that the client knows; the cause may be null. */
    static PenchantException of(com.google.rpc.Status told, Throwable cause) {
        Status.Code code = Status.fromCodeValue(told.getCode()).getCode();
        String reason = "";
        String field = "";
        Duration retryAfter = null;
        for (Any detail : told.getDetailsList()) {
            try {
                if (detail.is(ErrorInfo.class)) {
                    reason = detail.unpack(ErrorInfo.class).getReason();
                } else if (detail.is(BadRequest.class)) {
                    BadRequest bad = detail.unpack(BadRequest.class);
                    field = bad.getFieldViolationsCount() == 0 ? "" : bad.getFieldViolations(0).getField();
                } else if (detail.is(RetryInfo.class)) {
                    retryAfter = Decode.duration(detail.unpack(RetryInfo.class).getRetryDelay());
                }
            } catch (InvalidProtocolBufferException unreadable) {
                continue; // the rest still says more than nothing
            }
        }
        String message = told.getMessage().isEmpty() ? code.name() : told.getMessage();
        return of(new Problem(code, message, reason, field, retryAfter, cause));
    }

    private static PenchantException of(Problem problem) {
        return switch (problem.code()) {
            case INVALID_ARGUMENT, OUT_OF_RANGE -> new InvalidArgumentException(problem);
            case NOT_FOUND -> new NotFoundException(problem);
            case FAILED_PRECONDITION, ALREADY_EXISTS, ABORTED -> new FailedPreconditionException(problem);
            case UNAUTHENTICATED -> new UnauthenticatedException(problem);
            case PERMISSION_DENIED -> new PermissionDeniedException(problem);
            case UNIMPLEMENTED -> new UnimplementedException(problem);
            case RESOURCE_EXHAUSTED -> new OverloadedException(problem);
            case UNAVAILABLE -> new UnavailableException(problem);
            case DEADLINE_EXCEEDED -> new DeadlineExceededException(problem);
            case CANCELLED -> new CancelledException(problem);
            default -> new InternalException(problem);
        };
    }

    /** Returns what the service would answer, so that a caller need not know who refused. */
    static PenchantException invalid(String field, String message) {
        return of(new Problem(
                Status.Code.INVALID_ARGUMENT, field + ": " + message, "INVALID_FIELD", field, null, null));
    }

    static PenchantException internal(String message, Throwable cause) {
        return of(new Problem(Status.Code.INTERNAL, message, cause));
    }

    static PenchantException unavailable(String message) {
        return of(new Problem(Status.Code.UNAVAILABLE, message, null));
    }

    static PenchantException deadlineExceeded(String message) {
        return of(new Problem(Status.Code.DEADLINE_EXCEEDED, message, null));
    }

    static PenchantException cancelled(String message, Throwable cause) {
        return of(new Problem(Status.Code.CANCELLED, message, cause));
    }

    /** Returns the error of a thread that was interrupted while it waited; it stays interrupted. */
    static PenchantException interrupted(InterruptedException cause) {
        Thread.currentThread().interrupt();
        return cancelled("the thread was interrupted", cause);
    }
}
