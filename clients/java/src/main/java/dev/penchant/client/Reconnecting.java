package dev.penchant.client;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;

/**
 * Makes a channel that lost its service knock again after 100 ms, growing to 0.7 s.
 *
 * <p>gRPC for Java has no setting for it: by itself it waits 1 s after the first failure and up to two minutes later. So
 * while the channel says that it fails, its waiting is cut short from here; to one that is just connecting that does nothing.
 *
 * <p>It also decides what a retry will meet when the attempt before it fails, not after the pause: three retries see the
 * channel for 0.4 s and not for 1.3. So that a call in the second after a restart works, a call that meets a failing channel
 * lets it knock at once, or 100 ms after it did last.
 */
final class Reconnecting implements ClientInterceptor {
    private static final long FIRST = TimeUnit.MILLISECONDS.toNanos(100);
    private static final long LONGEST = TimeUnit.MILLISECONDS.toNanos(700);
    private static final double GROWTH = 1.6;

    private final ManagedChannel channel;
    private final ScheduledExecutorService scheduler;
    /** The knock to come; null: the channel does not fail. */
    private ScheduledFuture<?> next;
    /** When it knocked last, by {@link System#nanoTime}. */
    private long last = System.nanoTime() - LONGEST;

    Reconnecting(ManagedChannel channel, ScheduledExecutorService scheduler) {
        this.channel = channel;
        this.scheduler = scheduler;
        watch();
    }

    @Override
    public <Q, R> ClientCall<Q, R> interceptCall(MethodDescriptor<Q, R> method, CallOptions options, Channel through) {
        if (channel.getState(false) == ConnectivityState.TRANSIENT_FAILURE) {
            hurry();
        }
        return through.newCall(method, options);
    }

    private synchronized void watch() {
        next = null;
        ConnectivityState state = channel.getState(false);
        if (state == ConnectivityState.TRANSIENT_FAILURE) {
            knockAfter(FIRST, FIRST);
        } else if (state != ConnectivityState.SHUTDOWN) {
            channel.notifyWhenStateChanged(state, this::watch);
        }
    }

    private synchronized void hurry() {
        if (next != null && next.cancel(false)) {
            knockAfter(Math.max(0, last + FIRST - System.nanoTime()), FIRST);
        }
    }

    private void knockAfter(long delay, long wait) {
        // Shortened by up to a fifth, so that clients that lost one service spread out.
        long shortened = (long) (delay * (1 - ThreadLocalRandom.current().nextDouble() / 5));
        try {
            next = scheduler.schedule(() -> knock(wait), shortened, TimeUnit.NANOSECONDS);
        } catch (RejectedExecutionException closing) {
            next = null; // nobody needs the channel any more
        }
    }

    private synchronized void knock(long waited) {
        if (channel.getState(false) == ConnectivityState.TRANSIENT_FAILURE) {
            last = System.nanoTime();
            channel.resetConnectBackoff();
            long wait = Math.min(LONGEST, (long) (waited * GROWTH));
            knockAfter(wait, wait);
        } else {
            watch();
        }
    }
}
