package dev.penchant.client;

import dev.penchant.v1.GetInterestsRequest;
import dev.penchant.v1.GetItemRequest;
import dev.penchant.v1.RecommendRequest;
import dev.penchant.v1.RecordEventRequest;
import dev.penchant.v1.SearchItemsRequest;
import dev.penchant.v1.SimilarItemsRequest;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * A connection to Penchant, a service of real-time recommendations; opened by its first call, safe for use by many threads,
 * and to be closed when done.
 *
 * <p>Calls throw a {@link PenchantException}: {@link DeadlineExceededException} when they are not answered within the
 * client's timeout, {@link UnavailableException} when the service cannot be reached and the retries are used up,
 * {@link InvalidArgumentException} for values outside the contract's limits, {@link CancelledException} when the client is
 * closed or the thread interrupted.
 */
public final class Client implements AutoCloseable {
    private final Connection connection;
    private final LastWrites writes;
    private final Sending sending;
    private final Streams streams;

    Client(Connection connection, LastWrites writes) {
        this.connection = connection;
        this.writes = writes;
        sending = new Sending(connection, writes);
        streams = new Streams(connection, writes);
    }

    /**
     * Begins to make a client.
     *
     * @param target gRPC's target, for example {@code host:port}
     * @return the builder
     */
    public static ClientBuilder builder(String target) {
        return new ClientBuilder(target);
    }

    /**
     * Returns a client with all defaults, in plain text.
     *
     * @param target gRPC's target, for example {@code host:port}
     * @return the client; it makes no call yet
     */
    public static Client connect(String target) {
        return builder(target).build();
    }

    /**
     * Records one event. An event without an id is given one before it is sent, so that a retry counts once.
     *
     * @param event the event
     * @return its id and the proof that it is durable
     * @throws NotFoundException when its item is not in the catalogue
     * @throws InvalidArgumentException also when the event is larger than a request, 1 MiB
     */
    public Recorded record(Event event) {
        RecordEventRequest request = RecordEventRequest.newBuilder().setEvent(Encode.event(event)).build();
        Recorded recorded = Decode.recorded(
                connection.ask(() -> connection.timed(connection.stubs.events()).recordEvent(request)));
        writes.remember(event.userId(), recorded.freshnessToken());
        return recorded;
    }

    /**
     * Records many events over one stream, as {@link #recordMany(Iterable, SendOptions, Consumer)} with the defaults.
     *
     * @param events the events, in order
     * @return what became of each, in order
     */
    public List<Acknowledged> recordMany(Iterable<Event> events) {
        return recordMany(events, SendOptions.DEFAULTS);
    }

    /**
     * Records many events over one stream, as {@link #recordMany(Iterable, SendOptions, Consumer)}.
     *
     * @param events the events, in order
     * @param options how they are sent
     * @return what became of each, in order
     */
    public List<Acknowledged> recordMany(Iterable<Event> events, SendOptions options) {
        Stream.Builder<Acknowledged> answers = Stream.builder();
        recordMany(events, options, answers);
        return answers.build().toList();
    }

    /**
     * Records many events over one stream and returns when all are answered. What is unanswered when the service goes away
     * is sent again, in order; an event that had arrived then comes back as unchanged.
     *
     * @param events the events, in order; read in this thread, as there is room
     * @param options how they are sent
     * @param acknowledged told in this thread what became of each event, refused ones included, in order
     * @throws UnavailableException when the service was never heard after the client's retries, or for the patience
     */
    public void recordMany(Iterable<Event> events, SendOptions options, Consumer<? super Acknowledged> acknowledged) {
        sending.recordMany(events, options, acknowledged);
    }

    /**
     * Returns a recorder with the defaults: one long stream for events as they come.
     *
     * @return the recorder; close it when done
     */
    public Recorder recorder() {
        return recorder(SendOptions.DEFAULTS);
    }

    /**
     * Returns a recorder whose {@link Recorder#flush} tells what became of the events.
     *
     * @param options how they are sent
     * @return the recorder; it connects when there is something to send
     */
    public Recorder recorder(SendOptions options) {
        return sending.recorder(options, null);
    }

    /**
     * Returns a recorder that tells a listener what became of the events.
     *
     * @param options how they are sent
     * @param acknowledged told what became of each event, refused ones included, in order and from one thread at a time.
     *     While it runs no further answers are read, and it must not call the recorder. What it throws ends the recorder
     * @return the recorder; it connects when there is something to send
     */
    public Recorder recorder(SendOptions options, Consumer<? super Acknowledged> acknowledged) {
        return sending.recorder(options, acknowledged);
    }

    /**
     * Adds items or replaces those with the same id; refused ones are reported and stop nothing.
     *
     * @param items the items
     * @return what became of them
     */
    public UpsertResult upsertItems(Iterable<Item> items) {
        return upsertItems(items, SendOptions.DEFAULTS);
    }

    /**
     * Adds items or replaces those with the same id; refused ones are reported and stop nothing. Sending resumes as in
     * {@link #recordMany}; after an exception some items may be in the catalogue, and sending all of them again is safe.
     *
     * @param items the items; read in this thread, as there is room
     * @param options how they are sent
     * @return what became of them
     */
    public UpsertResult upsertItems(Iterable<Item> items, SendOptions options) {
        return sending.upsertItems(items, options);
    }

    /**
     * Removes items; users' events on them count again if an item comes back.
     *
     * @param itemIds their ids, each 1–128 bytes; sent 1,000 at a time
     * @return what became of them
     */
    public DeleteResult deleteItems(List<String> itemIds) {
        return sending.deleteItems(itemIds);
    }

    /**
     * Returns one item.
     *
     * @param itemId 1–128 bytes
     * @return the item as stored, its text normalised
     * @throws NotFoundException when it is not in the catalogue
     */
    public Item getItem(String itemId) {
        GetItemRequest request = GetItemRequest.newBuilder().setItemId(itemId).build();
        return Decode.item(connection.ask(() -> connection.timed(connection.stubs.catalog()).getItem(request)).getItem());
    }

    /**
     * Returns all items of the catalogue, in a fixed order, asking for the next page when it is needed.
     *
     * @return the items; reading them throws as other calls do
     */
    public Iterable<Item> listItems() {
        return () -> new ItemPages(connection);
    }

    /**
     * Returns one ranked list for a user with the default options; for a user without events, what is popular now.
     *
     * @param userId 1–128 bytes
     * @return the list
     */
    public Recommendations recommend(String userId) {
        return recommend(userId, ListOptions.DEFAULTS);
    }

    /**
     * Returns one ranked list for a user; for a user without events, what is popular now.
     *
     * @param userId 1–128 bytes
     * @param options what it should look like
     * @return the list
     */
    public Recommendations recommend(String userId, ListOptions options) {
        return recommend(userId, options, ReadOptions.DEFAULTS);
    }

    /**
     * Returns one ranked list for a user; for a user without events, what is popular now.
     *
     * @param userId 1–128 bytes
     * @param options what it should look like
     * @param reads what it waits for, and where it will be shown
     * @return the list
     */
    public Recommendations recommend(String userId, ListOptions options, ReadOptions reads) {
        ReadOptions reading = writes.reading(userId, reads);
        RecommendRequest request = RecommendRequest.newBuilder()
                .setUserId(userId)
                .setOptions(Encode.options(options))
                .setSurface(reading.surface())
                .setMinFreshness(reading.minFreshness())
                .build();
        return Decode.recommendations(
                connection.ask(() -> connection.timed(connection.stubs.recommendations()).recommend(request)));
    }

    /**
     * Returns items like one item, most alike first, by its words and by what people went on to.
     *
     * @param itemId 1–128 bytes
     * @param options what the list should look like
     * @return the list
     * @throws NotFoundException when the item is not in the catalogue
     */
    public List<Recommendation> similar(String itemId, ListOptions options) {
        SimilarItemsRequest request = SimilarItemsRequest.newBuilder()
                .setItemId(itemId)
                .setOptions(Encode.options(options))
                .build();
        return Decode.recommended(connection
                .ask(() -> connection.timed(connection.stubs.recommendations()).similarItems(request))
                .getRecommendationsList());
    }

    /**
     * Returns items by meaning, closest first.
     *
     * @param query 1–8,192 bytes of UTF-8, any language
     * @param options what the list should look like
     * @return the list
     */
    public List<Recommendation> search(String query, ListOptions options) {
        SearchItemsRequest request = SearchItemsRequest.newBuilder()
                .setQuery(query)
                .setOptions(Encode.options(options))
                .build();
        return Decode.recommended(connection
                .ask(() -> connection.timed(connection.stubs.recommendations()).searchItems(request))
                .getRecommendationsList());
    }

    /**
     * Returns the user's interests and the events they rest on; a user never heard of has none.
     *
     * @param userId 1–128 bytes
     * @return what the service knows
     */
    public Interests interests(String userId) {
        return interests(userId, ReadOptions.DEFAULTS);
    }

    /**
     * Returns the user's interests and the events they rest on; a user never heard of has none.
     *
     * @param userId 1–128 bytes
     * @param reads what it waits for
     * @return what the service knows
     */
    public Interests interests(String userId, ReadOptions reads) {
        GetInterestsRequest request = GetInterestsRequest.newBuilder()
                .setUserId(userId)
                .setMinFreshness(writes.reading(userId, reads).minFreshness())
                .build();
        return Decode.interests(
                connection.ask(() -> connection.timed(connection.stubs.users()).getInterests(request)));
    }

    /**
     * Follows a user's list, to be steered.
     *
     * @param userId 1–128 bytes
     * @param options what the list should look like
     * @return the stream; close it when done
     */
    public RecommendationStream stream(String userId, ListOptions options) {
        return stream(userId, options, ReadOptions.DEFAULTS);
    }

    /**
     * Follows a user's list, to be steered.
     *
     * @param userId 1–128 bytes
     * @param options what the list should look like
     * @param reads what the first update waits for, and where the list will be shown
     * @return the stream; close it when done
     */
    public RecommendationStream stream(String userId, ListOptions options, ReadOptions reads) {
        return new RecommendationStream(streams.follow(Lines::steered, userId, options, reads));
    }

    /**
     * Follows a user's list, for code that only listens.
     *
     * @param userId 1–128 bytes
     * @param options what the list should look like
     * @return the stream; close it when done
     */
    public UpdateStream watch(String userId, ListOptions options) {
        return watch(userId, options, ReadOptions.DEFAULTS);
    }

    /**
     * Follows a user's list, for code that only listens.
     *
     * @param userId 1–128 bytes
     * @param options what the list should look like
     * @param reads what the first update waits for, and where the list will be shown
     * @return the stream; close it when done
     */
    public UpdateStream watch(String userId, ListOptions options, ReadOptions reads) {
        return new UpdateStream(streams.follow(Lines::watching, userId, options, reads));
    }

    /**
     * Returns the generated stubs, for calls that the client does not cover.
     *
     * @return the stubs; they close with the client
     */
    public Stubs raw() {
        return connection.stubs;
    }

    /**
     * Closes the recorders that are open, for at most the client's timeout, then the streams and the connection; calls under
     * way throw {@link CancelledException}. Closing again does nothing.
     *
     * @throws UnansweredException when events are left over in recorders; the connection is closed all the same
     */
    @Override
    public void close() {
        try {
            sending.close();
        } finally {
            streams.close();
            connection.close();
        }
    }
}
