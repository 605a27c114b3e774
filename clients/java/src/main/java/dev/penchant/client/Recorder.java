package dev.penchant.client;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * Sends events over one long stream, in order, without a wait for each answer; made by {@link Client#recorder()}. When the
 * stream breaks, all that is unanswered is sent again on the next one; events have ids, so none counts twice. It is safe for
 * use by many threads at once. Close it when done.
 *
 * <p>It gives up when the service was never heard after the client's retries, or answers nothing for
 * {@link SendOptions#patience}; everything throws the reason then, and {@link #unanswered} has what is left.
 */
public final class Recorder implements AutoCloseable {
    private final Delivery<dev.penchant.v1.Event, ?, ?, Acknowledged> delivery;
    /** Told when it was closed by its owner, who then knows what is left. */
    private final Consumer<Recorder> closed;

    Recorder(Delivery<dev.penchant.v1.Event, ?, ?, Acknowledged> delivery, Consumer<Recorder> closed) {
        this.delivery = delivery;
        this.closed = closed;
    }

    /**
     * Hands an event over, waiting while {@link SendOptions#window} events are unanswered. It is sent in the background, and
     * recorded when {@link #flush} has returned.
     *
     * @param event the event
     * @throws PenchantException what ended the stream; {@link CancelledException} when the thread is interrupted
     * @throws InvalidArgumentException when the event is larger than a request, 1 MiB; that ends nothing
     * @throws IllegalStateException when the recorder is closed
     */
    public void put(Event event) {
        delivery.put(Encode.event(event));
    }

    /**
     * Waits until everything put is answered.
     *
     * @return what became of each event since the last flush, refused ones included, in order. They are kept until then:
     *     flush now and then. None from a recorder with a listener, which has heard of all by now
     * @throws PenchantException what ended the stream; {@link CancelledException} when the thread is interrupted
     */
    public List<Acknowledged> flush() {
        return delivery.flush();
    }

    /**
     * Returns the events that were put and are not answered, the oldest first. They have ids: another recorder may be given
     * them without counting any twice.
     *
     * @return the events
     */
    public List<Event> unanswered() {
        return delivery.unanswered().stream().map(Decode::event).toList();
    }

    /**
     * Flushes and ends the stream, as far as {@link SendOptions#patience} allows. Closing again does nothing.
     *
     * @throws UnansweredException when events are left over
     */
    @Override
    public void close() {
        close(delivery.options.patience());
    }

    /**
     * As {@link #close()}, within a time.
     *
     * @param within longest time that it takes, 0 or more
     * @throws UnansweredException when events are left over
     */
    public void close(Duration within) {
        closed.accept(this);
        List<Event> left = end(TimeUnit.NANOSECONDS.convert(within));
        if (!left.isEmpty()) {
            throw new UnansweredException(left, delivery.failure());
        }
    }

    /** Ends it within so many nanoseconds, and returns what is unanswered then. */
    List<Event> end(long nanos) {
        delivery.finish();
        try {
            delivery.awaitEnd(nanos);
        } finally {
            delivery.abandon(Errors.cancelled("the recorder was closed before everything was answered", null));
        }
        return unanswered();
    }

    /** Why it gave up; null: it did not. */
    RuntimeException failure() {
        return delivery.failure();
    }
}
