package dev.penchant.client;

import java.time.Duration;

/**
 * How many events or items are sent over one stream.
 *
 * @param batch most of them in one request, 1–1,000. Requests are filled with what is there, up to 1 MiB, without waiting
 *     for more
 * @param window most events that may be unanswered, at least {@code batch}; items have four batches in its place
 * @param patience longest time without any answer while one is due, reconnections included, above 0; after it sending
 *     gives up
 */
public record SendOptions(int batch, int window, Duration patience) {
    /** 100 in a request, 1,000 unanswered, a minute. */
    public static final SendOptions DEFAULTS = new SendOptions(100, 1_000, Duration.ofSeconds(60));

    /** Checks the ranges. */
    public SendOptions {
        if (batch < 1 || batch > Outbox.MAX_BATCH) {
            throw new IllegalArgumentException("batch: " + batch + " is not within 1–" + Outbox.MAX_BATCH);
        }
        if (window < batch) {
            throw new IllegalArgumentException("window: " + window + " is below batch, " + batch);
        }
        if (patience.isNegative() || patience.isZero()) {
            throw new IllegalArgumentException("patience: " + patience + " is not above 0");
        }
    }

    /**
     * Returns a copy with other requests; the window grows with them where it must.
     *
     * @param batch 1–1,000
     * @return the copy
     */
    public SendOptions withBatch(int batch) {
        return new SendOptions(batch, Math.max(window, batch), patience);
    }

    /**
     * Returns a copy with another window.
     *
     * @param window at least {@code batch}
     * @return the copy
     */
    public SendOptions withWindow(int window) {
        return new SendOptions(batch, window, patience);
    }

    /**
     * Returns a copy with another patience.
     *
     * @param patience above 0
     * @return the copy
     */
    public SendOptions withPatience(Duration patience) {
        return new SendOptions(batch, window, patience);
    }
}
