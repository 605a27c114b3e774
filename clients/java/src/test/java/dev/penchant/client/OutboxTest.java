package dev.penchant.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.penchant.v1.Acknowledgement;
import dev.penchant.v1.RecordEventsResponse;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class OutboxTest {
    private final Outbox<dev.penchant.v1.Event> outbox = new Outbox<>(3, 6);

    private static dev.penchant.v1.Event event(String id, int bytes) {
        return dev.penchant.v1.Event.newBuilder().setEventId(id).setText("x".repeat(bytes)).build();
    }

    private static List<String> ids(List<dev.penchant.v1.Event> events) {
        return events.stream().map(dev.penchant.v1.Event::getEventId).toList();
    }

    private void put(String... ids) {
        for (String id : ids) {
            outbox.put(event(id, 0));
        }
    }

    @Test
    void requestsAreFilledUpToTheBatch() {
        put("a", "b", "c", "d");
        assertEquals(List.of("a", "b", "c"), ids(outbox.take()));
        assertEquals(List.of("d"), ids(outbox.take()));
        assertFalse(outbox.isWaiting());
        assertEquals(4, outbox.size());
    }

    @Test
    void requestsAreClosedBeforeTheyGrowTooLargeButTakeOneInAnyCase() {
        outbox.put(event("a", Outbox.REQUEST_BYTES * 2));
        outbox.put(event("b", Outbox.REQUEST_BYTES / 2));
        outbox.put(event("c", Outbox.REQUEST_BYTES / 2));
        assertEquals(List.of("a"), ids(outbox.take()));
        assertEquals(List.of("b"), ids(outbox.take()));
        assertEquals(List.of("c"), ids(outbox.take()));
    }

    @Test
    void asManyRequestsAreUnansweredAsFullOnesWouldFillTheWindow() {
        put("a", "b");
        assertTrue(outbox.canTake());
        outbox.take();
        put("c");
        outbox.take();
        put("d");
        assertFalse(outbox.canTake());
        outbox.settle();
        assertFalse(outbox.canTake(), "half a request is answered");
        outbox.settle();
        assertTrue(outbox.canTake());
        outbox.take();
        put("e");
        assertFalse(outbox.canTake());
        outbox.rewind();
        assertTrue(outbox.canTake());
        assertEquals(List.of("c", "d", "e"), ids(outbox.take()));
    }

    @Test
    void whatWasInFlightIsSentAgainInOrderAndKeepsItsNumbers() {
        put("a", "b", "c", "d");
        outbox.take();
        assertEquals("a", outbox.settle().getEventId());
        EventExchange next = new EventExchange(outbox, new LastWrites(false));
        assertEquals(List.of("b", "c", "d"), ids(outbox.unanswered()));
        assertEquals(List.of("b", "c", "d"), ids(next.request().getEventsList()));
        List<Acknowledged> answers = new ArrayList<>();
        next.hear(acknowledged(0), answers);
        assertEquals(1, answers.get(0).ordinal());
    }

    @Test
    void anAnswerThatSkipsAnEventBreaksTheContractAndThoseBeforeItCount() {
        put("a", "b", "c");
        EventExchange exchange = new EventExchange(outbox, new LastWrites(false));
        exchange.request();
        List<Acknowledged> answers = new ArrayList<>();
        assertThrows(InternalException.class, () -> exchange.hear(acknowledged(0, 2), answers));
        assertEquals(1, answers.size());
        assertEquals(List.of("b", "c"), ids(outbox.unanswered()));
    }

    @Test
    void anAnswerToNothingBreaksTheContract() {
        EventExchange exchange = new EventExchange(outbox, new LastWrites(false));
        assertThrows(InternalException.class, () -> exchange.hear(acknowledged(0), new ArrayList<>()));
    }

    @Test
    void onlyRecordedEventsAreReadAsOnesOwnWrites() {
        LastWrites writes = new LastWrites(true);
        outbox.put(dev.penchant.v1.Event.newBuilder().setUserId("ann").build());
        outbox.put(dev.penchant.v1.Event.newBuilder().setUserId("bob").build());
        EventExchange exchange = new EventExchange(outbox, writes);
        exchange.request();
        RecordEventsResponse.Builder response = acknowledged(0, 1).toBuilder().setFreshnessToken("f1");
        response.getAcknowledgementsBuilder(1).getErrorBuilder().setCode(5);
        exchange.hear(response.build(), new ArrayList<>());
        assertEquals("f1", writes.reading("ann", ReadOptions.DEFAULTS).minFreshness());
        assertEquals("", writes.reading("bob", ReadOptions.DEFAULTS).minFreshness());
    }

    private static RecordEventsResponse acknowledged(int... ordinals) {
        RecordEventsResponse.Builder response = RecordEventsResponse.newBuilder();
        for (int ordinal : ordinals) {
            response.addAcknowledgements(Acknowledgement.newBuilder().setOrdinal(ordinal));
        }
        return response.build();
    }
}
