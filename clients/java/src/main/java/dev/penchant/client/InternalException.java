package dev.penchant.client;

/** A fault of the service, or an answer that breaks the contract. */
public final class InternalException extends PenchantException {
    private static final long serialVersionUID = 1L;

    InternalException(Problem problem) {
        super(problem);
    }
}
