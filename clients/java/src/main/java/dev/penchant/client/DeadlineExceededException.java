package dev.penchant.client;

/** No answer came within the deadline; the call may still have had its effect. */
public final class DeadlineExceededException extends PenchantException {
    private static final long serialVersionUID = 1L;

    DeadlineExceededException(Problem problem) {
        super(problem);
    }
}
