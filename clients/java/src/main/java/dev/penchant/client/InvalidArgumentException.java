package dev.penchant.client;

/** A value is outside its limits; nothing was changed. {@link #field} names it. */
public final class InvalidArgumentException extends PenchantException {
    private static final long serialVersionUID = 1L;

    InvalidArgumentException(Problem problem) {
        super(problem);
    }
}
