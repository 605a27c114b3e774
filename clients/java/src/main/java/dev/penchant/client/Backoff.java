package dev.penchant.client;

import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.function.DoubleSupplier;

/**
 * Delays that double up to a longest one, each shortened at random so that clients spread out. Pure.
 *
 * <p>They pace streams only: unary calls are tried again by gRPC itself, which cannot know where a stream stopped.
 */
final class Backoff {
    private static final long FIRST = TimeUnit.MILLISECONDS.toNanos(50);
    private static final long LONGEST = TimeUnit.SECONDS.toNanos(5);

    private final DoubleSupplier draw;
    private int failures;

    Backoff() {
        this(() -> ThreadLocalRandom.current().nextDouble());
    }

    /** {@code draw} returns numbers in [0, 1). */
    Backoff(DoubleSupplier draw) {
        this.draw = draw;
    }

    /** Delays taken since the last success. */
    int failures() {
        return failures;
    }

    /** Returns how long to wait before the next attempt, in nanoseconds: 50 ms to 5 s, shortened by up to a half. */
    long next() {
        // Beyond ten doublings the limit holds anyway, and a shift would overflow in the end.
        long longest = Math.min(LONGEST, FIRST << Math.min(failures, 10));
        failures++;
        return (long) (longest * (1 - draw.getAsDouble() / 2));
    }

    /** Begins again with the shortest delay. */
    void succeeded() {
        failures = 0;
    }
}
