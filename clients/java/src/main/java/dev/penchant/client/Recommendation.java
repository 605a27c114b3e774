package dev.penchant.client;

import java.util.List;

/**
 * One item of a list.
 *
 * @param itemId the item
 * @param score comparable within one list; higher is better, may be negative
 * @param interest which of the user's interests it serves most, from 0, the strongest
 * @param item the stored item, when the options include it; otherwise null
 * @param reasons why it has its score, strongest first, when the options explain; otherwise empty
 * @param propensity probability, 0–1, that the item stands in this list where the service explores; 0: it does not
 */
public record Recommendation(
        String itemId,
        double score,
        int interest,
        Item item,
        List<Reason> reasons,
        double propensity) {
    /** Copies what could change. */
    public Recommendation {
        reasons = List.copyOf(reasons);
    }
}
