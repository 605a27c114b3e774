package dev.penchant.client;

/** The service does not know this call: it is older than the client. */
public final class UnimplementedException extends PenchantException {
    private static final long serialVersionUID = 1L;

    UnimplementedException(Problem problem) {
        super(problem);
    }
}
