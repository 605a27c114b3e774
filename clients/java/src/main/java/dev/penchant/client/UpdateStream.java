package dev.penchant.client;

import java.time.Duration;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.concurrent.Executor;
import java.util.concurrent.Flow;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.TimeUnit;

/**
 * A list that follows a user, whole, whenever it changes; made by {@link Client#watch}. Read it by one of: a {@code for}
 * loop, {@link #poll}, {@link #publisher}.
 *
 * <p>It connects at once, and goes on by itself when the connection breaks or the service restarts; it never gives the same
 * update twice. A reader that is slow is given the newest list and not those between, so that nothing piles up. Close it
 * when done: it is no less a connection to the service than a client is.
 */
public sealed class UpdateStream implements Iterator<Update>, Iterable<Update>, AutoCloseable
        permits RecommendationStream {
    private static final long FOREVER = Long.MAX_VALUE;

    final Follower follower;
    private volatile boolean closed;

    UpdateStream(Follower follower) {
        this.follower = follower;
    }

    /**
     * Returns this stream, so that {@code for} can read it: it goes on where it was left.
     *
     * @return this
     */
    @Override
    public Iterator<Update> iterator() {
        return this;
    }

    /**
     * Waits for the next update, or the end of the stream.
     *
     * @return false when the stream has ended, because it was closed or the service ended it
     * @throws PenchantException what broke the stream; {@link DeadlineExceededException} when no first update comes within
     *     the client's timeout; {@link CancelledException} when the client was closed or the thread is interrupted
     */
    @Override
    public boolean hasNext() {
        return awaited(FOREVER);
    }

    /**
     * Waits for the next update and returns the newest one.
     *
     * @return the update
     * @throws NoSuchElementException when the stream has ended
     * @throws PenchantException as {@link #hasNext}
     */
    @Override
    public Update next() {
        Update newest = hasNext() ? take() : null;
        if (newest == null) {
            throw new NoSuchElementException("the stream has ended");
        }
        return newest;
    }

    /**
     * Waits for the next update within a time.
     *
     * @param within longest wait, 0 or more
     * @return the newest update; empty when none came in time, or the stream has ended
     * @throws PenchantException as {@link #hasNext}
     */
    public Optional<Update> poll(Duration within) {
        return Optional.ofNullable(awaited(TimeUnit.NANOSECONDS.convert(within)) ? take() : null);
    }

    /**
     * Returns a view of this stream for reactive code, run by {@link ForkJoinPool#commonPool}.
     *
     * @return the publisher, as {@link #publisher(Executor)}
     */
    public Flow.Publisher<Update> publisher() {
        return publisher(ForkJoinPool.commonPool());
    }

    /**
     * Returns a view of this stream for reactive code. It serves one subscriber, which is given the newest list for each
     * that it requests; cancelling the subscription closes the stream.
     *
     * @param executor runs the subscriber
     * @return the publisher
     */
    public Flow.Publisher<Update> publisher(Executor executor) {
        return new UpdatePublisher(this, executor);
    }

    /** Ends the stream: a loop over it ends without an error. Closing again does nothing. */
    @Override
    public void close() {
        closed = true;
        follower.end(null);
    }

    /** The newest update; null when it was taken. */
    Update take() {
        return follower.look(Following::take);
    }

    private boolean awaited(long nanos) {
        boolean found = follower.await(nanos);
        if (closed || found) {
            return !closed;
        }
        if (follower.failure() != null) {
            throw follower.failure();
        }
        return false;
    }
}
