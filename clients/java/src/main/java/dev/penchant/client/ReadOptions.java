package dev.penchant.client;

import java.util.Objects;

/**
 * How a user is read: {@code ReadOptions.after(recorded.freshnessToken()) }
 *
 * @param minFreshness a freshness token, 0–8,192 bytes: the reply waits, within the deadline, until that write is in it;
 *     empty: it does not wait, unless the client reads its own writes
 * @param surface where the list will be shown, for attribution: 0–64 bytes; interests have none
 */
public record ReadOptions(String minFreshness, String surface) {
    /** Waits for nothing that the client does not know of. */
    public static final ReadOptions DEFAULTS = new ReadOptions("", "");

    /** Checks that nothing is null. */
    public ReadOptions {
        Objects.requireNonNull(minFreshness, "minFreshness");
        Objects.requireNonNull(surface, "surface");
    }

    /**
     * Returns options of a read that waits for a write.
     *
     * @param freshnessToken what the write gave
     * @return the options
     */
    public static ReadOptions after(String freshnessToken) {
        return new ReadOptions(freshnessToken, "");
    }

    /**
     * Returns a copy for a list that will be shown somewhere.
     *
     * @param surface for example {@code home}: 0–64 bytes
     * @return the copy
     */
    public ReadOptions withSurface(String surface) {
        return new ReadOptions(minFreshness, surface);
    }
}
