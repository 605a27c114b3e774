package dev.penchant.client;

import java.util.List;

/**
 * One direction of a user's taste.
 *
 * @param share its part of all interests, 0–1; the shares add up to 1
 * @param evidence the events it rests on, heaviest first
 */
public record Interest(double share, List<Evidence> evidence) {
    /** Copies what could change. */
    public Interest {
        evidence = List.copyOf(evidence);
    }
}
