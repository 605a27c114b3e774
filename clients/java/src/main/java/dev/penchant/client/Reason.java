package dev.penchant.client;

/**
 * One part of a score; the parts add up to the score (to 1e-4).
 *
 * @param kind the kind of evidence
 * @param contribution its part of the score; negative when it speaks against the item
 * @param eventId the event behind it; empty for popularity and for what is learned
 * @param eventType the event's type; empty as {@code eventId}
 * @param itemId the event's item; empty when it had none
 * @param text the event's words, at most 200 characters; empty when the reason is not its words
 */
public record Reason(
        ReasonKind kind,
        double contribution,
        String eventId,
        String eventType,
        String itemId,
        String text) {}
