package dev.penchant.client;

import java.util.List;

/**
 * What became of the ids of a deletion.
 *
 * @param deleted items that were there and are gone
 * @param unknown ids that were not in the catalogue; after a retry also ids that an earlier attempt deleted
 */
public record DeleteResult(long deleted, List<String> unknown) {
    /** Copies what could change. */
    public DeleteResult {
        unknown = List.copyOf(unknown);
    }
}
