package dev.penchant.client;

import dev.penchant.v1.ListItemsRequest;
import dev.penchant.v1.ListItemsResponse;
import java.util.Collections;
import java.util.Iterator;
import java.util.NoSuchElementException;

/** The catalogue, page by page. */
final class ItemPages implements Iterator<Item> {
    private final Connection connection;
    private Iterator<Item> page = Collections.emptyIterator();
    /** Asks for the next page; null: there is none. */
    private String token = "";

    ItemPages(Connection connection) {
        this.connection = connection;
    }

    @Override
    public boolean hasNext() {
        while (!page.hasNext() && token != null) {
            ListItemsRequest request = ListItemsRequest.newBuilder().setPageToken(token).build();
            ListItemsResponse found =
                    connection.ask(() -> connection.timed(connection.stubs.catalog()).listItems(request));
            page = found.getItemsList().stream().map(Decode::item).iterator();
            token = found.getNextPageToken().isEmpty() ? null : found.getNextPageToken();
        }
        return page.hasNext();
    }

    @Override
    public Item next() {
        if (!hasNext()) {
            throw new NoSuchElementException("the catalogue has no more items");
        }
        return page.next();
    }
}
