package dev.penchant.client;

/** Refused before any work was done; try again after {@link #retryAfter}. The client does not do this by itself. */
public final class OverloadedException extends PenchantException {
    private static final long serialVersionUID = 1L;

    OverloadedException(Problem problem) {
        super(problem);
    }
}
