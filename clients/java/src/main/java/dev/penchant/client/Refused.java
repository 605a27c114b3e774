package dev.penchant.client;

/**
 * An item that could not be placed; it changed nothing.
 *
 * @param index position of the item in what was handed over, from 0
 * @param itemId its id as sent
 * @param error why, not thrown
 */
public record Refused(long index, String itemId, PenchantException error) {}
