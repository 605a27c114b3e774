package dev.penchant.client;

import com.google.protobuf.MessageLite;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;

/**
 * Carries elements (E) over a stream of requests (Q) and responses (R) until all have their answers (A), through as many
 * connections as it takes.
 *
 * <p>The rules: at most a window of elements is unanswered; requests are filled with what is there; UNAVAILABLE, or a stream
 * that the service ends early, opens the next connection, which begins with the oldest element that was not answered: once
 * the service was heard, as soon as the channel is connected and not before. It gives up when the service was never heard
 * after so many retries, or when something waits for an answer for longer than its patience. Without anything to send it
 * asks for no connection.
 *
 * <p>This is what callers and the connection share; a thread of its own, the {@link Carrier}, owns the connection.
 */
final class Delivery<E extends MessageLite, Q, R, A> {
    /** Where the answers go as they come; null: they are kept for {@link #collect}. */
    private final Consumer<? super A> told;

    final SendOptions options;
    final int retries;
    final ReentrantLock lock = new ReentrantLock();
    /** Signalled whenever something below changes that somebody may wait for. */
    final Condition changed = lock.newCondition();

    final Outbox<E> outbox;
    private List<A> answers = new ArrayList<>();
    private boolean telling;
    /** Nothing more will be put. */
    private boolean finished;
    /** The carrier has ended; {@link #failure} says how. */
    private boolean ended;

    private RuntimeException failure;
    /** Why the carrier must end. */
    private RuntimeException abandoned;
    /** Why there is no connection at the moment. */
    private PenchantException lost;
    /** When patience ends, by {@link System#nanoTime}; meaningless while nothing is awaited. */
    private long due;

    Delivery(SendOptions options, int retries, Consumer<? super A> told) {
        this.options = options;
        this.retries = retries;
        this.told = told;
        outbox = new Outbox<>(options.batch(), options.window());
    }

    /** Waits for room and hands an element over. */
    void put(E element) {
        locked(() -> {
            await(this::hasRoom);
            add(element);
        });
    }

    /** As {@link #put} for one who also takes the answers: adds those that came, and returns whether there was room. */
    boolean offer(E element, List<A> into) {
        lock.lock();
        try {
            await(() -> !answers.isEmpty() || hasRoom());
            boolean taken = hasRoom();
            if (taken) {
                add(element);
            }
            collect(into);
            return taken;
        } finally {
            lock.unlock();
        }
    }

    /** Waits for answers and adds them; adds none when everything was answered. */
    void receive(List<A> into) {
        locked(() -> {
            await(() -> !answers.isEmpty() || ended && failure == null);
            collect(into);
        });
    }

    /** Waits until nothing put is unanswered and all answers were told; returns those that are kept. */
    List<A> flush() {
        List<A> kept = new ArrayList<>();
        locked(() -> {
            await(() -> outbox.isEmpty() && !telling);
            collect(kept);
        });
        return kept;
    }

    /** Says that nothing more will be put. */
    void finish() {
        locked(() -> {
            if (!finished) {
                finished = true;
                expectAnswer();
                changed.signalAll();
            }
        });
    }

    /** Waits until the carrier has ended, for so many nanoseconds at most; returns whether it has. */
    boolean awaitEnd(long nanos) {
        lock.lock();
        try {
            long left = nanos;
            while (!ended && left > 0) {
                left = changed.awaitNanos(left);
            }
            return ended;
        } catch (InterruptedException interrupt) {
            throw Errors.interrupted(interrupt);
        } finally {
            lock.unlock();
        }
    }

    /** Ends carrying, whatever is still on its way. */
    void abandon(RuntimeException reason) {
        locked(() -> {
            abandoned = abandoned == null ? reason : abandoned;
            failure = failure == null && !ended ? reason : failure;
            changed.signalAll();
        });
    }

    /** Everything that is not answered, the oldest first. */
    List<E> unanswered() {
        lock.lock();
        try {
            return outbox.unanswered();
        } finally {
            lock.unlock();
        }
    }

    /** Why it gave up; null: it did not. */
    RuntimeException failure() {
        lock.lock();
        try {
            return failure;
        } finally {
            lock.unlock();
        }
    }

    // What follows is the carrier's. All but end and hear need the lock held.

    boolean isFinished() {
        return finished;
    }

    boolean isDelivered() {
        return finished && outbox.isEmpty();
    }

    void lose(PenchantException reason) {
        lost = reason;
    }

    /** Waits for a change, for at most so many nanoseconds; throws when the delivery must end. */
    void awaitChange(long nanos) throws InterruptedException {
        if (abandoned != null) {
            throw abandoned;
        }
        if (outbox.isEmpty() && !finished) {
            changed.awaitNanos(nanos);
            return;
        }
        long left = due - System.nanoTime();
        if (left <= 0) {
            throw lost != null ? lost : Errors.deadlineExceeded("no answer for " + options.patience().toMillis()
                    + " ms, " + outbox.size() + " elements are not answered");
        }
        changed.awaitNanos(Math.min(left, nanos));
    }

    /** Takes in a response of the current connection; throws when it breaks the contract. */
    void hear(Exchange<Q, R, A> exchange, R response, BooleanSupplier current) {
        List<A> heard = new ArrayList<>();
        RuntimeException broken = null;
        lock.lock();
        try {
            if (!current.getAsBoolean()) {
                return; // what was in flight there is on its way again
            }
            try {
                exchange.hear(response, heard);
            } catch (RuntimeException failure) {
                broken = failure;
            }
            lost = null;
            expectAnswer();
            if (told == null) {
                answers.addAll(heard);
            }
            telling = told != null;
            changed.signalAll(); // there is room again, even while the caller is busy with the answers
        } finally {
            lock.unlock();
        }
        tell(heard);
        if (broken != null) {
            throw broken;
        }
    }

    private void tell(List<A> heard) {
        if (told != null) {
            try {
                heard.forEach(told);
            } finally {
                locked(() -> {
                    telling = false;
                    changed.signalAll();
                });
            }
        }
    }

    /** Says that the carrier has ended, and why; null: everything was answered. */
    void end(RuntimeException reason) {
        locked(() -> {
            // Once everything was answered it does not matter how the last connection ended.
            failure = isDelivered() ? null : failure == null ? reason : failure;
            ended = true;
            changed.signalAll();
        });
    }

    private boolean hasRoom() {
        if (failure != null) {
            return false; // nobody would carry it
        }
        if (finished) {
            throw new IllegalStateException("the recorder is closed; make a new one");
        }
        return outbox.size() < options.window();
    }

    private void add(E element) {
        boolean idle = !outbox.isWaiting();
        outbox.put(element);
        if (outbox.size() == 1) {
            expectAnswer();
        }
        if (idle) {
            changed.signalAll(); // a carrier that had something to send needs no call
        }
    }

    private void collect(List<A> into) {
        into.addAll(answers);
        answers = new ArrayList<>();
    }

    /** Gives the service its full time anew. */
    private void expectAnswer() {
        due = System.nanoTime() + TimeUnit.NANOSECONDS.convert(options.patience());
    }

    /** Waits until something is so; throws what ended the waiting. */
    private void await(BooleanSupplier ready) {
        try {
            while (!ready.getAsBoolean()) {
                if (failure != null) {
                    throw failure;
                }
                changed.await();
            }
        } catch (InterruptedException interrupt) {
            throw Errors.interrupted(interrupt);
        }
    }

    private void locked(Runnable work) {
        lock.lock();
        try {
            work.run();
        } finally {
            lock.unlock();
        }
    }
}
