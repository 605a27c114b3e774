package dev.penchant.client;

/** The request does not fit the service's state, for example a token that belongs to other data. */
public final class FailedPreconditionException extends PenchantException {
    private static final long serialVersionUID = 1L;

    FailedPreconditionException(Problem problem) {
        super(problem);
    }
}
