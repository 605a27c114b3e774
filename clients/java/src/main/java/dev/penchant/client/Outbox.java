package dev.penchant.client;

import com.google.protobuf.MessageLite;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Queue;

/**
 * What was handed over for a stream and is not yet answered: in order, ready to be sent again. Pure.
 *
 * <p>The service answers in the order of the requests, so an answer always settles the oldest elements in flight. When a
 * connection breaks, everything in flight waits again, at the front; the service knows the events and items that it has
 * already taken by their ids, so that sending them twice changes nothing.
 */
final class Outbox<E extends MessageLite> {
    /** Most elements that the contract allows in one request. */
    static final int MAX_BATCH = 1_000;

    /** Closes a request before it grows beyond this; servers refuse messages above 4 MiB by default. */
    static final int REQUEST_BYTES = 1 << 20;

    private final int batch;
    private final int most;
    private final Deque<E> waiting = new ArrayDeque<>();
    private final Deque<E> inFlight = new ArrayDeque<>();
    /** How many elements are answered when the requests in flight are, one after the other. */
    private final Queue<Long> requests = new ArrayDeque<>();

    private long settled;

    Outbox(int batch, int window) {
        this.batch = batch;
        most = window / batch;
    }

    /** Elements that are not answered. */
    int size() {
        return waiting.size() + inFlight.size();
    }

    boolean isEmpty() {
        return size() == 0;
    }

    /** True when something is to be sent. */
    boolean isWaiting() {
        return !waiting.isEmpty();
    }

    /**
     * True when something is to be sent, and not so many requests are unanswered as full ones would fill the window. Without
     * that bound small requests would bring small answers, and those room for small requests.
     */
    boolean canTake() {
        return !waiting.isEmpty() && requests.size() < most;
    }

    /** Elements answered so far: the position of the oldest one that was not. */
    long settled() {
        return settled;
    }

    /** Adds an element behind all others. */
    void put(E element) {
        waiting.add(element);
    }

    /** Returns the next elements to send; something must be waiting. They are in flight from now on. */
    List<E> take() {
        List<E> taken = new ArrayList<>(Math.min(batch, waiting.size()));
        long bytes = 0;
        while (!waiting.isEmpty() && taken.size() < batch) {
            bytes += waiting.peek().getSerializedSize();
            if (!taken.isEmpty() && bytes > REQUEST_BYTES) {
                break;
            }
            taken.add(waiting.remove());
        }
        inFlight.addAll(taken);
        requests.add(settled + inFlight.size());
        return taken;
    }

    /** Lets go of the oldest element in flight and returns it. */
    E settle() {
        if (inFlight.isEmpty()) {
            throw Errors.internal("the service answered more than was sent", null);
        }
        settled++;
        if (requests.peek() == settled) {
            requests.remove();
        }
        return inFlight.remove();
    }

    /** Lets everything in flight wait again, in the same order. */
    void rewind() {
        requests.clear();
        while (!inFlight.isEmpty()) {
            waiting.addFirst(inFlight.removeLast());
        }
    }

    /** Everything that is not answered, the oldest first. */
    List<E> unanswered() {
        List<E> all = new ArrayList<>(inFlight);
        all.addAll(waiting);
        return all;
    }
}
