package dev.penchant.client;

/** The call was ended from outside: the client was closed, or the thread interrupted. */
public final class CancelledException extends PenchantException {
    private static final long serialVersionUID = 1L;

    CancelledException(Problem problem) {
        super(problem);
    }
}
