package dev.penchant.client;

import java.util.LinkedHashMap;
import java.util.Map;

/** Remembers the last freshness token of each user, so that reads can wait for it; the oldest go when there are many. */
final class LastWrites {
    /** Bounds what reading one's own writes costs: some 2 MB. */
    static final int MOST_USERS = 10_000;

    private final boolean remembers;
    private final Map<String, String> tokens = new LinkedHashMap<>();

    LastWrites(boolean remembers) {
        this.remembers = remembers;
    }

    synchronized void remember(String userId, String token) {
        if (!remembers || token.isEmpty()) {
            return;
        }
        tokens.remove(userId); // so that it goes to the end
        tokens.put(userId, token);
        if (tokens.size() > MOST_USERS) {
            tokens.remove(tokens.keySet().iterator().next());
        }
    }

    /** Returns how a user is read: as it was asked, waiting for the user's last write where nothing else was said. */
    synchronized ReadOptions reading(String userId, ReadOptions asked) {
        String token = tokens.getOrDefault(userId, "");
        return asked.minFreshness().isEmpty() && !token.isEmpty() ? new ReadOptions(token, asked.surface()) : asked;
    }
}
