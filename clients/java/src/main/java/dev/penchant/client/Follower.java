package dev.penchant.client;

import dev.penchant.v1.RecommendationUpdate;
import dev.penchant.v1.StreamRecommendationsRequest;
import dev.penchant.v1.StreamStart;
import io.grpc.Context;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Reads the updates of one stream as they come, and opens the next connection where the last one ended.
 *
 * <p>A stream that breaks before its first update is tried again as often as a unary call. After an update with a resume
 * token it goes on until it is closed, whenever the service is unavailable or said that it goes away, and as soon as the
 * channel is connected. It has no thread of its own: gRPC's bring the updates, and of those that the reader has not taken
 * {@link Following} keeps the newest.
 */
final class Follower {
    /** Opens a connection that begins so. */
    interface Connector {
        Line open(StreamStart start, Listener listener);
    }

    /** One connection. */
    interface Line {
        /** Says something; where it only listens, there is nothing to say. */
        void say(StreamRecommendationsRequest message);

        void leave();
    }

    /** Hears of one connection; null: the service ended it without an error. */
    interface Listener {
        void heard(RecommendationUpdate update);

        void ended(PenchantException failure);
    }

    private final Connector connector;
    private final Connection connection;
    /** Told once, when no more updates will come. */
    private final Consumer<Follower> over;

    private final ReentrantLock lock = new ReentrantLock();
    private final Condition changed = lock.newCondition();
    private final Following following;
    private final Backoff backoff = new Backoff();
    /** One object, so that it can be forgotten where it waits. */
    private final Runnable proceeding = this::proceed;
    private Runnable listener = () -> {};
    /** Who is listened to; null: there is no connection at the moment. */
    private Ear ear;

    private ScheduledFuture<?> firstDue;
    private boolean ended;
    private PenchantException failure;

    Follower(StreamStart start, Connector connector, Connection connection, Consumer<Follower> over) {
        following = new Following(start);
        this.connector = connector;
        this.connection = connection;
        this.over = over;
    }

    void start() {
        lock.lock();
        try {
            firstDue = connection.scheduler.schedule(
                    () -> end(Errors.deadlineExceeded(
                            "no first update within " + connection.timeout.toMillis() + " ms")),
                    TimeUnit.NANOSECONDS.convert(connection.timeout),
                    TimeUnit.NANOSECONDS);
            proceed();
        } catch (RejectedExecutionException closing) {
            end(Errors.cancelled("the client is closed; make a new one", null));
        } finally {
            lock.unlock();
        }
    }

    /** Returns what a look at the stream gives, under its lock. */
    <T> T look(Function<Following, T> at) {
        lock.lock();
        try {
            return at.apply(following);
        } finally {
            lock.unlock();
        }
    }

    /** Waits for an update that was not taken, or the end, for so many nanoseconds; returns whether there is an update. */
    boolean await(long nanos) {
        lock.lock();
        try {
            long left = nanos;
            while (!following.hasPending() && !ended && left > 0) {
                left = changed.awaitNanos(left);
            }
            return following.hasPending();
        } catch (InterruptedException interrupt) {
            throw Errors.interrupted(interrupt);
        } finally {
            lock.unlock();
        }
    }

    /** True when no more updates will come. */
    boolean isEnded() {
        lock.lock();
        try {
            return ended;
        } finally {
            lock.unlock();
        }
    }

    /** How it ended; null: without an error. */
    PenchantException failure() {
        lock.lock();
        try {
            return failure;
        } finally {
            lock.unlock();
        }
    }

    /** Says something on the connection that there is. Without one, the opening of the next one says it. */
    void tell(Function<Following, StreamRecommendationsRequest> say) {
        lock.lock();
        try {
            StreamRecommendationsRequest message = say.apply(following);
            if (message != null && ear != null) {
                ear.line.say(message);
            }
        } finally {
            lock.unlock();
        }
    }

    /** Runs something whenever an update came, or the end. */
    void listen(Runnable listener) {
        lock.lock();
        try {
            this.listener = listener;
        } finally {
            lock.unlock();
        }
        listener.run();
    }

    /** Ends the stream; null: without an error. Ending it again does nothing. */
    void end(PenchantException reason) {
        lock.lock();
        try {
            if (ended) {
                return;
            }
            ended = true;
            failure = reason;
            if (firstDue != null) {
                firstDue.cancel(false);
            }
            connection.ready.forget(proceeding);
            leave();
            changed.signalAll();
        } finally {
            lock.unlock();
        }
        over.accept(this);
        listener.run();
    }

    /** Opens the next connection: of a stream that can go on where it stopped, once the channel is connected. */
    private void proceed() {
        lock.lock();
        try {
            if (!ended && (!following.isResumable() || connection.ready.isNow(proceeding))) {
                connect();
            }
        } catch (RuntimeException refused) { // the client was closed, or an interceptor threw
            ear = null;
            end(Errors.of(refused));
        } finally {
            lock.unlock();
        }
    }

    private void connect() {
        ear = new Ear();
        // Not the caller's context: a stream outlives the call within which it was opened.
        Context.ROOT.run(() -> ear.line = connector.open(following.opening(), ear));
    }

    private void leave() {
        if (ear != null) {
            Line line = ear.line;
            ear = null;
            line.leave();
        }
    }

    private void goOn() {
        leave();
        try {
            connection.scheduler.schedule(proceeding, backoff.next(), TimeUnit.NANOSECONDS);
        } catch (RejectedExecutionException closing) {
            end(Errors.cancelled("the client was closed", null));
        }
    }

    private final class Ear implements Listener {
        private Line line;

        @Override
        public void heard(RecommendationUpdate update) {
            lock.lock();
            try {
                if (ear != this || !following.accept(update)) {
                    return;
                }
                firstDue.cancel(false);
                if (!following.isGoingAway()) {
                    backoff.succeeded();
                }
                changed.signalAll();
            } catch (PenchantException broken) {
                end(broken);
            } finally {
                lock.unlock();
            }
            listener.run();
        }

        @Override
        public void ended(PenchantException reason) {
            lock.lock();
            try {
                if (ear != this) {
                    return;
                }
                boolean untold = following.sequence() == 0 && backoff.failures() < connection.retries;
                boolean again = reason == null
                        ? following.isGoingAway()
                        : reason instanceof UnavailableException && (following.isResumable() || untold);
                if (again) {
                    goOn();
                } else {
                    end(reason);
                }
            } finally {
                lock.unlock();
            }
        }
    }
}
