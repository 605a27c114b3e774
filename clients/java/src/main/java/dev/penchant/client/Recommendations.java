package dev.penchant.client;

import java.util.Iterator;
import java.util.List;

/**
 * One ranked list, best first; iterates over its items.
 *
 * @param items the items
 * @param attributionToken send it back on events that come of this list
 * @param freshness how fresh the list is
 * @param profile profile that the list was scored with, as {@code name@version}; empty: the service's own settings
 * @param model encoder that the list was made with; empty from a service that does not say
 */
public record Recommendations(
        List<Recommendation> items,
        String attributionToken,
        Freshness freshness,
        String profile,
        String model)
        implements Iterable<Recommendation> {
    /** Copies what could change. */
    public Recommendations {
        items = List.copyOf(items);
    }

    @Override
    public Iterator<Recommendation> iterator() {
        return items.iterator();
    }
}
