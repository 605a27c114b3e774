package dev.penchant.client;

import java.util.List;

/**
 * What the service knows of a user.
 *
 * @param interests strongest first
 * @param dislikes what speaks against items: disliked, hidden, rated low. Newest first
 * @param eventCount events in the user's ledger
 * @param freshness how fresh this is
 */
public record Interests(List<Interest> interests, List<Evidence> dislikes, int eventCount, Freshness freshness) {
    /** Copies what could change. */
    public Interests {
        interests = List.copyOf(interests);
        dislikes = List.copyOf(dislikes);
    }
}
