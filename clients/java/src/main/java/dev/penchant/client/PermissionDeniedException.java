package dev.penchant.client;

/** The credentials do not allow this. */
public final class PermissionDeniedException extends PenchantException {
    private static final long serialVersionUID = 1L;

    PermissionDeniedException(Problem problem) {
        super(problem);
    }
}
