package dev.penchant.client;

import java.util.Iterator;
import java.util.List;

/**
 * The whole current list of a stream, best first; differences are already applied. Iterates over its items.
 *
 * @param items the items
 * @param sequence counts the updates of a stream from 1, resumed ones included; numbers are missing where the reader
 *     was slow
 * @param changed true when the items or their order differ from the update that the reader was given before
 * @param trigger the newest event that the update follows; null when it was not an event
 * @param attributionToken send it back on events that come of this list
 * @param freshness how fresh the list is
 * @param profile profile that the list was scored with, as {@code name@version}; empty: the service's own settings
 * @param model encoder that the list was made with; empty from a service that does not say
 */
public record Update(
        List<Recommendation> items,
        long sequence,
        boolean changed,
        Trigger trigger,
        String attributionToken,
        Freshness freshness,
        String profile,
        String model)
        implements Iterable<Recommendation> {
    /** Copies what could change. */
    public Update {
        items = List.copyOf(items);
    }

    @Override
    public Iterator<Recommendation> iterator() {
        return items.iterator();
    }
}
