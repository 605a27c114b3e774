package dev.penchant.client;

/** The service cannot be reached, and the client's retries are used up. */
public final class UnavailableException extends PenchantException {
    private static final long serialVersionUID = 1L;

    UnavailableException(Problem problem) {
        super(problem);
    }
}
