package dev.penchant.client;

/**
 * What became of one event of a stream.
 *
 * @param ordinal position of the event in what was handed over, from 0
 * @param eventId its id, made by the client when the event had none
 * @param unchanged as in {@link Recorded}
 * @param freshnessToken proof of the writes acknowledged so far; empty while there is none
 * @param error why the event was refused, not thrown; it changed nothing. Null: it was recorded
 */
public record Acknowledged(
        long ordinal,
        String eventId,
        boolean unchanged,
        String freshnessToken,
        PenchantException error) {}
