package dev.penchant.client;

import dev.penchant.v1.RecommendationUpdate;
import dev.penchant.v1.StreamRecommendationsRequest;
import dev.penchant.v1.StreamStart;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The list of one stream, across all its connections: applies differences, keeps the newest list until the reader takes it,
 * and knows how to go on. Pure.
 *
 * <p>The service sends the whole order with every update, but details only of items that were not in the update before; so
 * the details of the current order, and no others, are kept. Every update has a sequence number and a resume token. When a
 * connection ends, {@link #opening} asks for a stream that continues after the last update received, with its token and the
 * newest options. The token knows what was shown before that update; what was shown since is told with it. An update whose
 * number is not above the last one is a repetition and is passed over.
 */
final class Following {
    /** Longest list that the contract allows. */
    private static final int MAX_POSITIONS = 100;

    /** How many updates the service remembers of a stream, to know of which one positions were shown. */
    private static final int REMEMBERED = 16;

    private final StreamStart.Builder start;
    private Map<String, Recommendation> details = Map.of();
    private List<String> order = List.of();
    private long sequence;
    private boolean goingAway;

    /** The newest update, which the reader has not taken; null: the reader has it. */
    private Update pending;
    /** The last update that the reader took; null: none yet. */
    private Update taken;

    Following(StreamStart start) {
        this.start = start.toBuilder();
    }

    /** Number of the last update received; 0 before the first. */
    long sequence() {
        return sequence;
    }

    /** True when the service said that it ends the current connection. */
    boolean isGoingAway() {
        return goingAway;
    }

    /** True when the stream can go on where it stopped. */
    boolean isResumable() {
        return !start.getResumeToken().isEmpty();
    }

    boolean hasPending() {
        return pending != null;
    }

    /** Returns how the next connection begins. */
    StreamStart opening() {
        goingAway = false;
        return start.build();
    }

    /** Takes in an update; returns whether it is a new one. Throws Internal when it lacks details of an item. */
    boolean accept(RecommendationUpdate message) {
        if (message.getStreamSequence() == 0) {
            return false; // updates are counted from 1: this is something that a later service says
        }
        goingAway = message.getGoingAway();
        start.setResumeToken(message.getResumeToken());
        start.clearMinFreshness(); // the first update has waited for it
        if (message.getStreamSequence() <= sequence) {
            return false;
        }
        details = detailed(message);
        order = List.copyOf(message.getOrderList());
        sequence = message.getStreamSequence();
        start.clearShownPositions();
        // What moved the list is told even when the update that said so was passed over.
        Trigger earlier = pending == null ? null : pending.trigger();
        pending = new Update(
                List.copyOf(details.values()),
                sequence,
                taken == null || !order.equals(itemIds(taken)),
                message.hasTrigger() ? Decode.trigger(message.getTrigger()) : earlier,
                message.getAttributionToken(),
                Decode.freshness(message.getFreshness()),
                message.getProfile(),
                message.getModel());
        return true;
    }

    /** Returns the newest update; null when the reader has it. */
    Update take() {
        Update newest = pending;
        if (newest != null) {
            taken = newest;
            pending = null;
        }
        return newest;
    }

    /**
     * Keeps in mind that the first so many positions of an update, 0 for the last one taken, are seen. Returns the message
     * that says so; null when the service would no longer understand it.
     */
    StreamRecommendationsRequest shown(int positions, long given) {
        long last = taken == null ? 0 : taken.sequence();
        long of = given == 0 ? last : given;
        if (of < 1 || of > last) {
            throw new IllegalArgumentException("sequence: update " + of + " was not taken, the last one is " + last);
        }
        int most = of == last ? taken.items().size() : MAX_POSITIONS;
        if (positions < 0 || positions > most) {
            throw new IllegalArgumentException("positions: " + positions + " is not within 0–" + most);
        }
        if (of == last && beginsAsTaken(positions)) {
            start.setShownPositions(positions);
        }
        if (sequence - of >= REMEMBERED) {
            return null; // it would end the stream; the reader is about to be given a newer update
        }
        return StreamRecommendationsRequest.newBuilder()
                .setShown(StreamRecommendationsRequest.Shown.newBuilder()
                        .setPositions(positions)
                        .setStreamSequence(of))
                .build();
    }

    /** Keeps in mind what the list should look like from now on; returns the message that says so. */
    StreamRecommendationsRequest change(dev.penchant.v1.ListOptions options) {
        start.setOptions(options).clearShownPositions();
        return StreamRecommendationsRequest.newBuilder().setChange(options).build();
    }

    /** True when the update received last, whose token opens the next connection, has these positions of the one taken. */
    private boolean beginsAsTaken(int positions) {
        return order.size() >= positions
                && order.subList(0, positions).equals(itemIds(taken).subList(0, positions));
    }

    private Map<String, Recommendation> detailed(RecommendationUpdate message) {
        // A snapshot brings all details anew, so it needs no case of its own.
        Map<String, Recommendation> sent = new HashMap<>();
        message.getRecommendationsList().forEach(one -> sent.put(one.getItemId(), Decode.recommendation(one)));
        Map<String, Recommendation> all = new LinkedHashMap<>();
        for (String itemId : message.getOrderList()) {
            Recommendation one = sent.getOrDefault(itemId, details.get(itemId));
            if (one == null) {
                throw Errors.internal(
                        "update " + message.getStreamSequence() + " of the stream has no details of " + itemId, null);
            }
            all.put(itemId, one);
        }
        return all;
    }

    private static List<String> itemIds(Update update) {
        return update.items().stream().map(Recommendation::itemId).toList();
    }
}
