package dev.penchant.client;

import com.google.protobuf.MessageLite;
import dev.penchant.v1.CatalogServiceGrpc;
import dev.penchant.v1.DeleteItemsRequest;
import dev.penchant.v1.DeleteItemsResponse;
import dev.penchant.v1.EventServiceGrpc;
import dev.penchant.v1.RecordEventsRequest;
import dev.penchant.v1.RecordEventsResponse;
import dev.penchant.v1.UpsertItemsRequest;
import dev.penchant.v1.UpsertItemsResponse;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.Function;

/** The verbs of a client that send many things, and its recorders that are open. */
final class Sending {
    /** Full requests of items on their way at once. */
    private static final int UPSERTS_AT_ONCE = 4;

    /** Most ids that the contract allows in one request. */
    private static final int DELETE_BATCH = 1_000;

    private final Connection connection;
    private final LastWrites writes;
    private final Set<Recorder> open = ConcurrentHashMap.newKeySet();

    Sending(Connection connection, LastWrites writes) {
        this.connection = connection;
        this.writes = writes;
    }

    Recorder recorder(SendOptions options, Consumer<? super Acknowledged> told) {
        connection.checkOpen();
        Recorder recorder = new Recorder(events(options, told), this::forget);
        open.add(recorder);
        Unclosed.add(recorder);
        return recorder;
    }

    void recordMany(Iterable<Event> events, SendOptions options, Consumer<? super Acknowledged> told) {
        connection.checkOpen();
        deliver(events(options, null), events, Encode::event, told);
    }

    UpsertResult upsertItems(Iterable<Item> items, SendOptions options) {
        connection.checkOpen();
        Delivery<dev.penchant.v1.Item, UpsertItemsRequest, UpsertItemsResponse, UpsertResult> delivery = new Delivery<>(
                options.withWindow(options.batch() * UPSERTS_AT_ONCE), connection.retries, null);
        Carrier.start(
                delivery,
                connection.ready,
                CatalogServiceGrpc.newStub(connection.stubs.channel())::upsertItems,
                ItemExchange::new);
        List<Refused> refused = new ArrayList<>();
        long[] accepted = {0};
        deliver(delivery, items, Encode::item, answer -> {
            accepted[0] += answer.accepted();
            refused.addAll(answer.refused());
        });
        return new UpsertResult(accepted[0], refused);
    }

    DeleteResult deleteItems(List<String> itemIds) {
        long deleted = 0;
        List<String> unknown = new ArrayList<>();
        for (int first = 0; first < itemIds.size(); first += DELETE_BATCH) {
            DeleteItemsRequest request = DeleteItemsRequest.newBuilder()
                    .addAllItemIds(itemIds.subList(first, Math.min(itemIds.size(), first + DELETE_BATCH)))
                    .build();
            DeleteItemsResponse answer =
                    connection.ask(() -> connection.timed(connection.stubs.catalog()).deleteItems(request));
            deleted += answer.getDeleted();
            unknown.addAll(answer.getUnknownItemIdsList());
        }
        return new DeleteResult(deleted, unknown);
    }

    /** Closes the recorders within the client's timeout; throws when events are left over. */
    void close() {
        long over = System.nanoTime() + TimeUnit.NANOSECONDS.convert(connection.timeout);
        List<Event> left = new ArrayList<>();
        RuntimeException reason = null;
        for (Recorder recorder : open) {
            forget(recorder);
            left.addAll(recorder.end(over - System.nanoTime()));
            reason = reason == null ? recorder.failure() : reason;
        }
        if (!left.isEmpty()) {
            throw new UnansweredException(left, reason);
        }
    }

    private void forget(Recorder recorder) {
        open.remove(recorder);
        Unclosed.remove(recorder);
    }

    private Delivery<dev.penchant.v1.Event, RecordEventsRequest, RecordEventsResponse, Acknowledged> events(
            SendOptions options, Consumer<? super Acknowledged> told) {
        Delivery<dev.penchant.v1.Event, RecordEventsRequest, RecordEventsResponse, Acknowledged> delivery =
                new Delivery<>(options, connection.retries, told);
        Carrier.start(
                delivery,
                connection.ready,
                EventServiceGrpc.newStub(connection.stubs.channel())::recordEvents,
                outbox -> new EventExchange(outbox, writes));
        return delivery;
    }

    /** Carries all values and tells their answers, in the caller's thread, so that nothing of the caller's runs on. */
    private static <V, E extends MessageLite, A> void deliver(
            Delivery<E, ?, ?, A> delivery, Iterable<V> values, Function<V, E> encode, Consumer<? super A> told) {
        try {
            List<A> answers = new ArrayList<>();
            for (V value : values) {
                E element = encode.apply(value);
                boolean taken = false;
                while (!taken) {
                    taken = delivery.offer(element, answers);
                    answers.forEach(told);
                    answers.clear();
                }
            }
            delivery.finish();
            do {
                answers.clear();
                delivery.receive(answers);
                answers.forEach(told);
            } while (!answers.isEmpty());
        } finally {
            delivery.abandon(Errors.cancelled("the delivery was left", null));
        }
    }
}
