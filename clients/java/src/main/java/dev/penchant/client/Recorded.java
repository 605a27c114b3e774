package dev.penchant.client;

/**
 * An event that is durable.
 *
 * @param eventId its id, made by the client when the event had none
 * @param freshnessToken proof of the write: pass it to {@link ReadOptions#after} to read it
 * @param unchanged true when the event was known already, or older than everything that the user's full ledger keeps
 */
public record Recorded(String eventId, String freshnessToken, boolean unchanged) {}
