package dev.penchant.client;

import java.time.Instant;
import java.util.Objects;

/**
 * One thing a user did or said. Give {@code itemId}, {@code text} or both:
 * {@code Event.of("ada", "view").withItemId("shoe-1") }
 *
 * @param userId who: 1–128 bytes; an anonymous visitor's session id serves as well
 * @param type what happened, for example {@code view}, {@code purchase}, {@code search}, {@code hide}: 1–64 bytes
 * @param itemId the item acted on, 0–128 bytes; it must be in the catalogue
 * @param text the words searched or written, in any language: 0–8,192 bytes of UTF-8
 * @param value stars (0–5), seconds or quantity, by type; null counts with the type's full weight
 * @param occurredAt when it happened; null: when the service receives it. Kept to the millisecond
 * @param eventId unique per user, 0–128 bytes; empty: the client makes one, so that sending twice counts once
 * @param surface where in the product it happened, for example {@code home}: 0–64 bytes
 * @param attributionToken that of the reply which showed the item, 0–512 bytes
 */
public record Event(
        String userId,
        String type,
        String itemId,
        String text,
        Double value,
        Instant occurredAt,
        String eventId,
        String surface,
        String attributionToken) {

    /** Checks that nothing but {@code value} and {@code occurredAt} is null. */
    public Event {
        Objects.requireNonNull(userId, "userId");
        Objects.requireNonNull(type, "type");
        Objects.requireNonNull(itemId, "itemId");
        Objects.requireNonNull(text, "text");
        Objects.requireNonNull(eventId, "eventId");
        Objects.requireNonNull(surface, "surface");
        Objects.requireNonNull(attributionToken, "attributionToken");
    }

    /**
     * Returns an event of which no more is known than who and what.
     *
     * @param userId who: 1–128 bytes
     * @param type what happened: 1–64 bytes
     * @return the event; give it an item or words before it is recorded
     */
    public static Event of(String userId, String type) {
        return new Event(userId, type, "", "", null, null, "", "", "");
    }

    /**
     * Returns a copy that acts on an item.
     *
     * @param itemId 1–128 bytes
     * @return the copy
     */
    public Event withItemId(String itemId) {
        return new Event(userId, type, itemId, text, value, occurredAt, eventId, surface, attributionToken);
    }

    /**
     * Returns a copy with the words searched or written.
     *
     * @param text 0–8,192 bytes of UTF-8
     * @return the copy
     */
    public Event withText(String text) {
        return new Event(userId, type, itemId, text, value, occurredAt, eventId, surface, attributionToken);
    }

    /**
     * Returns a copy with stars (0–5), seconds (0–86,400) or a quantity (0–1,000,000), by type.
     *
     * @param value finite
     * @return the copy
     */
    public Event withValue(double value) {
        return new Event(userId, type, itemId, text, value, occurredAt, eventId, surface, attributionToken);
    }

    /**
     * Returns a copy that happened at a time.
     *
     * @param occurredAt from 1990 to five minutes from now
     * @return the copy
     */
    public Event withOccurredAt(Instant occurredAt) {
        return new Event(userId, type, itemId, text, value, occurredAt, eventId, surface, attributionToken);
    }

    /**
     * Returns a copy with an id of its own, by which the service knows it again.
     *
     * @param eventId 1–128 bytes, unique per user
     * @return the copy
     */
    public Event withEventId(String eventId) {
        return new Event(userId, type, itemId, text, value, occurredAt, eventId, surface, attributionToken);
    }

    /**
     * Returns a copy that happened somewhere in the product.
     *
     * @param surface for example {@code home}: 0–64 bytes
     * @return the copy
     */
    public Event withSurface(String surface) {
        return new Event(userId, type, itemId, text, value, occurredAt, eventId, surface, attributionToken);
    }

    /**
     * Returns a copy that came of a list.
     *
     * @param attributionToken the list's
     * @return the copy
     */
    public Event withAttributionToken(String attributionToken) {
        return new Event(userId, type, itemId, text, value, occurredAt, eventId, surface, attributionToken);
    }
}
