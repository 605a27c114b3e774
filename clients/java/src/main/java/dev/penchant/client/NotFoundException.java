package dev.penchant.client;

/** The item is not in the catalogue. */
public final class NotFoundException extends PenchantException {
    private static final long serialVersionUID = 1L;

    NotFoundException(Problem problem) {
        super(problem);
    }
}
