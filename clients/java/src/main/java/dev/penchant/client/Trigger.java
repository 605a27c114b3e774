package dev.penchant.client;

/**
 * The event that moved a list.
 *
 * @param eventId its id
 * @param type its type
 * @param itemId its item; empty when it had none
 * @param text its words, at most 200 characters
 */
public record Trigger(String eventId, String type, String itemId, String text) {}
