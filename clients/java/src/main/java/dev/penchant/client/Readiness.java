package dev.penchant.client;

import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Tells when the channel is connected, so that what was interrupted goes on then and not before.
 *
 * <p>One watch of the channel serves all who wait, and costs no thread; the channel keeps on connecting while somebody waits.
 */
final class Readiness {
    private final ManagedChannel channel;
    private final Set<Runnable> waiting = new LinkedHashSet<>();
    /** The channel will tell of its next change. */
    private boolean watching;

    Readiness(ManagedChannel channel) {
        this.channel = channel;
    }

    /**
     * Returns whether the channel is connected. Where it is not, something short runs once, in another thread, when it is
     * time to ask again, unless it is forgotten before. Throws Cancelled once the channel was shut down.
     */
    synchronized boolean isNow(Runnable again) {
        waiting.add(again);
        ConnectivityState state = channel.getState(true);
        if (!isSettled(state)) {
            watch(state);
            return false;
        }
        waiting.remove(again);
        if (state == ConnectivityState.SHUTDOWN) {
            throw Errors.cancelled("the client was closed", null);
        }
        return true;
    }

    /** Takes back what would run; that which runs at this moment goes on. */
    synchronized void forget(Runnable again) {
        waiting.remove(again);
    }

    private static boolean isSettled(ConnectivityState state) {
        return state == ConnectivityState.READY || state == ConnectivityState.SHUTDOWN;
    }

    private void watch(ConnectivityState state) {
        if (!watching) {
            watching = true;
            channel.notifyWhenStateChanged(state, this::changed);
        }
    }

    private void changed() {
        List<Runnable> due;
        synchronized (this) {
            watching = false;
            if (waiting.isEmpty()) {
                return;
            }
            ConnectivityState state = channel.getState(true);
            if (!isSettled(state)) {
                watch(state);
                return;
            }
            due = List.copyOf(waiting);
            waiting.clear();
        }
        due.forEach(Runnable::run); // they take locks of their own, under which others ask here
    }
}
