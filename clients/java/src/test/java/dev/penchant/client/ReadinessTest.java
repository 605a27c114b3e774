package dev.penchant.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.grpc.ConnectivityState;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

class ReadinessTest {
    private final FakeChannel channel = new FakeChannel();
    private final Readiness ready = new Readiness(channel);
    private final List<String> told = new ArrayList<>();

    @Test
    void whoWaitsIsToldOnceWhenTheChannelIsConnected() {
        Runnable one = () -> told.add("one");
        Runnable other = () -> told.add("other");
        assertFalse(ready.isNow(one));
        assertFalse(ready.isNow(one));
        assertFalse(ready.isNow(other));
        assertEquals(1, channel.watches.size(), "one watch is for all");
        channel.become(ConnectivityState.CONNECTING);
        channel.become(ConnectivityState.TRANSIENT_FAILURE);
        assertEquals(List.of(), told);
        channel.become(ConnectivityState.READY);
        assertEquals(List.of("one", "other"), told);
        assertTrue(ready.isNow(one));
        channel.become(ConnectivityState.TRANSIENT_FAILURE);
        channel.become(ConnectivityState.READY);
        assertEquals(2, told.size());
    }

    @Test
    void aChannelThatFellAsleepIsAskedToConnect() {
        assertFalse(ready.isNow(() -> {}));
        channel.become(ConnectivityState.IDLE);
        assertEquals(1, channel.asked);
    }

    @Test
    void whoNoLongerWaitsIsForgotten() {
        Runnable one = () -> told.add("one");
        assertFalse(ready.isNow(one));
        ready.forget(one);
        channel.become(ConnectivityState.IDLE);
        assertEquals(0, channel.asked, "nobody needs it");
        assertEquals(List.of(), channel.watches);
        channel.become(ConnectivityState.READY);
        assertEquals(List.of(), told);
    }

    @Test
    void whoWaitsIsToldWhenTheClientIsClosed() {
        Runnable one = () -> told.add("one");
        assertFalse(ready.isNow(one));
        channel.shutdown();
        assertEquals(List.of("one"), told);
        assertThrows(CancelledException.class, () -> ready.isNow(one));
    }

    @Test
    void theChannelKnocksAgainAfter100MillisecondsGrowingTo700() {
        Later scheduler = new Later();
        new Reconnecting(channel, scheduler);
        List<Double> longest = List.of(100.0, 160.0, 256.0, 409.6, 655.36, 700.0, 700.0);
        for (int number = 0; number < longest.size(); number++) {
            double delay = scheduler.delay / 1e6;
            double most = longest.get(number);
            assertTrue(delay <= most && delay >= 0.8 * most - 0.001, () -> delay + " ms of " + most);
            assertEquals(number, channel.knocks);
            scheduler.next.run();
        }
        scheduler.shutdown();
    }

    /** Keeps what must happen later. */
    private static final class Later extends ScheduledThreadPoolExecutor {
        private Runnable next;
        private long delay;

        Later() {
            super(1);
        }

        @Override
        public ScheduledFuture<?> schedule(Runnable work, long delay, TimeUnit unit) {
            next = work;
            this.delay = unit.toNanos(delay);
            return null;
        }
    }
}
