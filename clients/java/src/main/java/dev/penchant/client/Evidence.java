package dev.penchant.client;

import java.time.Instant;

/**
 * An event and how much it counts now.
 *
 * @param eventId the event
 * @param type its type
 * @param itemId its item; empty when it had none
 * @param text its words, at most 200 characters
 * @param occurredAt when it happened
 * @param weight its part of all weights, 0–1 for interests and −1–0 for dislikes
 */
public record Evidence(String eventId, String type, String itemId, String text, Instant occurredAt, double weight) {}
