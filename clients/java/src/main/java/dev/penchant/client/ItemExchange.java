package dev.penchant.client;

import dev.penchant.v1.UpsertItemsRequest;
import dev.penchant.v1.UpsertItemsResponse;
import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;

/** UpsertItems: every request is answered as a whole. */
final class ItemExchange implements Exchange<UpsertItemsRequest, UpsertItemsResponse, UpsertResult> {
    private final Outbox<dev.penchant.v1.Item> outbox;
    /** Items in each request in flight. */
    private final Queue<Integer> sizes = new ArrayDeque<>();

    ItemExchange(Outbox<dev.penchant.v1.Item> outbox) {
        outbox.rewind();
        this.outbox = outbox;
    }

    @Override
    public UpsertItemsRequest request() {
        List<dev.penchant.v1.Item> items = outbox.take();
        sizes.add(items.size());
        return UpsertItemsRequest.newBuilder().addAllItems(items).build();
    }

    @Override
    public void hear(UpsertItemsResponse response, List<UpsertResult> answers) {
        if (sizes.isEmpty()) {
            throw Errors.internal("the service answered more requests than were sent", null);
        }
        long first = outbox.settled();
        for (int left = sizes.remove(); left > 0; left--) {
            outbox.settle();
        }
        List<Refused> refused = response.getRefusedList().stream()
                .map(one -> new Refused(
                        first + one.getIndex(), one.getItemId(), Errors.of(one.getError(), null)))
                .toList();
        answers.add(new UpsertResult(response.getAccepted(), refused));
    }
}
