package dev.penchant.client;

import dev.penchant.v1.Filter;
import dev.penchant.v1.StreamStart;
import java.util.UUID;

/** From the caller's values to the contract's messages. Pure; the reverse of {@link Decode}. */
final class Encode {
    private Encode() {}

    /**
     * Returns the event's message, with an id in any case: sending it again then counts once. Throws InvalidArgument for one
     * that no request has room for: on a stream it would end all others.
     */
    static dev.penchant.v1.Event event(Event value) {
        dev.penchant.v1.Event.Builder message = dev.penchant.v1.Event.newBuilder()
                .setEventId(value.eventId().isEmpty() ? UUID.randomUUID().toString() : value.eventId())
                .setUserId(value.userId())
                .setType(value.type())
                .setItemId(value.itemId())
                .setText(value.text())
                .setSurface(value.surface())
                .setAttributionToken(value.attributionToken());
        if (value.value() != null) {
            message.setValue(value.value());
        }
        if (value.occurredAt() != null) {
            message.getOccurredAtBuilder()
                    .setSeconds(value.occurredAt().getEpochSecond())
                    .setNanos(value.occurredAt().getNano());
        }
        dev.penchant.v1.Event event = message.build();
        if (event.getSerializedSize() > Outbox.REQUEST_BYTES) {
            throw Errors.invalid("event", event.getSerializedSize() + " bytes, a request takes at most "
                    + Outbox.REQUEST_BYTES);
        }
        return event;
    }

    static dev.penchant.v1.Item item(Item value) {
        dev.penchant.v1.Item.Builder message = dev.penchant.v1.Item.newBuilder()
                .setItemId(value.itemId())
                .setTitle(value.title())
                .setDescription(value.description())
                .addAllCategories(value.categories())
                .setUnavailable(value.unavailable())
                .putAllAttributes(value.attributes())
                .addAllImages(value.images());
        if (value.price() != null) {
            message.setPrice(value.price());
        }
        return message.build();
    }

    static dev.penchant.v1.ListOptions options(ListOptions value) {
        Filter.Builder filter = Filter.newBuilder()
                .addAllCategories(value.categories())
                .putAllAttributes(value.attributes())
                .addAllExcludeItemIds(value.exclude())
                .setIncludeSeen(value.includeSeen());
        if (value.minPrice() != null) {
            filter.setMinPrice(value.minPrice());
        }
        if (value.maxPrice() != null) {
            filter.setMaxPrice(value.maxPrice());
        }
        return dev.penchant.v1.ListOptions.newBuilder()
                .setPageSize(value.pageSize())
                .setFilter(filter)
                .setIncludeItems(value.includeItems())
                .setExplain(value.explain())
                .setProfile(value.profile())
                .build();
    }

    static StreamStart start(String userId, ListOptions options, ReadOptions reads) {
        return StreamStart.newBuilder()
                .setUserId(userId)
                .setOptions(options(options))
                .setSurface(reads.surface())
                .setMinFreshness(reads.minFreshness())
                .build();
    }
}
