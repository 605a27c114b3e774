package dev.penchant.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.penchant.v1.RecommendationUpdate;
import dev.penchant.v1.StreamStart;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class FollowingTest {
    private final Following following =
            new Following(StreamStart.newBuilder().setUserId("ann").setMinFreshness("f1").build());

    /** Returns an update whose items are described as the number of the update, where they are. */
    static RecommendationUpdate update(long sequence, String order, String described) {
        RecommendationUpdate.Builder message =
                RecommendationUpdate.newBuilder().setStreamSequence(sequence).setResumeToken("r" + sequence);
        order.chars().forEach(one -> message.addOrder(Character.toString(one)));
        described.chars().forEach(one -> message.addRecommendationsBuilder()
                .setItemId(Character.toString(one))
                .setScore(sequence));
        return message.build();
    }

    static String order(Update update) {
        StringBuilder order = new StringBuilder();
        update.forEach(one -> order.append(one.itemId()));
        return order.toString();
    }

    @Test
    void anySequenceOfListsComesOutAsItWentIn() {
        Random random = new Random(7);
        Map<String, Double> scores = new HashMap<>();
        String before = "";
        for (int sequence = 1; sequence <= 500; sequence++) {
            List<String> letters = new ArrayList<>(List.of("a", "b", "c", "d", "e", "f"));
            java.util.Collections.shuffle(letters, random);
            String order = String.join("", letters.subList(0, random.nextInt(letters.size())));
            String known = before;
            StringBuilder described = new StringBuilder();
            order.chars().filter(one -> known.indexOf(one) < 0).forEach(described::appendCodePoint);
            for (char one : described.toString().toCharArray()) {
                scores.put(String.valueOf(one), (double) sequence);
            }
            assertTrue(following.accept(update(sequence, order, described.toString())));
            boolean read = random.nextBoolean();
            if (read) {
                Update update = following.take();
                assertEquals(order, order(update));
                update.forEach(one -> assertEquals(scores.get(one.itemId()), one.score()));
            }
            if (random.nextInt(3) == 0) { // a connection ends, and the next one repeats the last update
                assertEquals("r" + sequence, following.opening().getResumeToken());
                assertFalse(following.accept(update(sequence, order, order)));
            }
            before = order;
        }
    }

    @Test
    void aSlowReaderIsGivenTheNewestListAndWhatMovedItAndChangesSinceItsOwn() {
        following.accept(update(1, "ab", "ab"));
        assertTrue(following.take().changed());
        RecommendationUpdate.Builder moved = update(2, "ba", "").toBuilder();
        moved.getTriggerBuilder().setEventId("e2");
        following.accept(moved.build());
        following.accept(update(3, "ab", ""));
        Update newest = following.take();
        assertEquals(3, newest.sequence());
        assertFalse(newest.changed(), "the reader had this list");
        assertEquals("e2", newest.trigger().eventId());
        assertNull(following.take());
    }

    @Test
    void anItemThatComesBackWithoutDetailsIsTheServicesFault() {
        following.accept(update(1, "ab", "ab"));
        following.accept(update(2, "b", ""));
        assertThrows(InternalException.class, () -> following.accept(update(3, "ba", "")));
    }

    @Test
    void anUpdateWithoutANumberChangesNothing() {
        following.accept(update(1, "ab", "ab"));
        assertFalse(following.accept(RecommendationUpdate.newBuilder().setGoingAway(true).build()));
        assertFalse(following.isGoingAway());
        assertEquals("r1", following.opening().getResumeToken());
    }

    @Test
    void theNextConnectionContinuesWithTheNewestOptionsAndWhatWasShownLast() {
        assertEquals("f1", following.opening().getMinFreshness());
        following.accept(update(1, "ab", "ab"));
        following.take();
        following.change(dev.penchant.v1.ListOptions.newBuilder().setPageSize(2).build());
        following.shown(1, 0);
        StreamStart opening = following.opening();
        assertEquals("", opening.getMinFreshness(), "the first update has waited for it");
        assertEquals(2, opening.getOptions().getPageSize());
        assertEquals("r1", opening.getResumeToken());
        assertEquals(1, opening.getShownPositions());
        following.accept(update(2, "ba", "")); // its token knows what was shown of the first
        assertEquals(0, following.opening().getShownPositions());
    }

    @Test
    void whatIsShownOfAnOlderListCountsWhereTheNewestBeginsAlike() {
        following.accept(update(1, "abc", "abc"));
        following.take();
        following.accept(update(2, "acb", ""));
        following.shown(1, 1);
        assertEquals(1, following.opening().getShownPositions());
        following.shown(2, 1);
        assertEquals(1, following.opening().getShownPositions(), "the second position is another");
    }

    @Test
    void positionsThatWereNotReadCannotBeShown() {
        assertThrows(IllegalArgumentException.class, () -> following.shown(0, 0));
        following.accept(update(1, "ab", "ab"));
        assertThrows(IllegalArgumentException.class, () -> following.shown(1, 1), "received, but not read");
        following.take();
        following.shown(2, 1);
        assertThrows(IllegalArgumentException.class, () -> following.shown(3, 1));
        assertThrows(IllegalArgumentException.class, () -> following.shown(-1, 1));
        assertThrows(IllegalArgumentException.class, () -> following.shown(1, 2));
    }

    @Test
    void ofAnUpdateThatTheServiceHasForgottenNothingIsTold() {
        following.accept(update(1, "ab", "ab"));
        following.take();
        following.accept(update(16, "ab", ""));
        assertEquals(1, following.shown(1, 0).getShown().getStreamSequence());
        following.accept(update(17, "ab", ""));
        assertNull(following.shown(1, 0));
    }
}
