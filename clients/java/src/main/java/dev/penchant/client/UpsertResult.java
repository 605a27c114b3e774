package dev.penchant.client;

import java.util.List;

/**
 * What became of the items of an upsert.
 *
 * @param accepted items that are now in the catalogue as sent
 * @param refused the others, in order
 */
public record UpsertResult(long accepted, List<Refused> refused) {
    /** Copies what could change. */
    public UpsertResult {
        refused = List.copyOf(refused);
    }
}
