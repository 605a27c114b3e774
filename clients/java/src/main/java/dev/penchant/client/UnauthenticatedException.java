package dev.penchant.client;

/** The credentials are missing or wrong. */
public final class UnauthenticatedException extends PenchantException {
    private static final long serialVersionUID = 1L;

    UnauthenticatedException(Problem problem) {
        super(problem);
    }
}
