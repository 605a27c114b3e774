package dev.penchant.client;

import io.grpc.Status;
import java.time.Duration;
import java.util.Optional;

/**
 * What the service answers with instead of a result; one class for each thing a caller may want to do about it.
 *
 * <pre>
 * PenchantException               code, reason, field, message, retryAfter
 * ├── InvalidArgumentException    a value is outside its limits; field names it
 * ├── NotFoundException           the item is not in the catalogue
 * ├── FailedPreconditionException the request does not fit the service's state
 * ├── UnauthenticatedException    the credentials are missing or wrong
 * ├── PermissionDeniedException   the credentials do not allow this
 * ├── UnimplementedException      the service is older than this client
 * ├── OverloadedException         refused before any work; try again after retryAfter
 * ├── UnavailableException        the service cannot be reached; retries are used up
 * ├── DeadlineExceededException   no answer within the deadline; the call may still have had its effect
 * ├── CancelledException          the call was ended from outside, for example by closing the client
 * ├── InternalException           a fault of the service, or an answer that breaks the contract
 * └── UnansweredException         events that a recorder was closed with; its cause says why
 * </pre>
 *
 * <p>Values that cannot be sent, and a misuse of the client, are {@link IllegalArgumentException} and
 * {@link IllegalStateException}, as everywhere in Java.
 */
public abstract sealed class PenchantException extends RuntimeException
        permits InvalidArgumentException, NotFoundException, FailedPreconditionException, UnauthenticatedException,
                PermissionDeniedException, UnimplementedException, OverloadedException, UnavailableException,
                DeadlineExceededException, CancelledException, InternalException, UnansweredException {
    private static final long serialVersionUID = 1L;

    private final Status.Code code;
    private final String reason;
    private final String field;
    private final Duration retryAfter;

    PenchantException(Problem problem) {
        super(problem.message(), problem.cause());
        code = problem.code();
        reason = problem.reason();
        field = problem.field();
        retryAfter = problem.retryAfter();
    }

    /**
     * Returns gRPC's status code.
     *
     * @return the code, never {@code OK}
     */
    public Status.Code code() {
        return code;
    }

    /**
     * Returns a stable name for programs, for example {@code UNKNOWN_ITEM}.
     *
     * @return the name; empty when the service gave none
     */
    public String reason() {
        return reason;
    }

    /**
     * Returns the request's field at fault, for example {@code event.value}.
     *
     * @return the field; empty when the service named none
     */
    public String field() {
        return field;
    }

    /**
     * Returns how long to wait before trying again.
     *
     * @return the time; empty when the service gave no advice
     */
    public Optional<Duration> retryAfter() {
        return Optional.ofNullable(retryAfter);
    }

    /** All that is known of an error. */
    record Problem(
            Status.Code code, String message, String reason, String field, Duration retryAfter, Throwable cause) {
        Problem(Status.Code code, String message, Throwable cause) {
            this(code, message, "", "", null, cause);
        }
    }
}
