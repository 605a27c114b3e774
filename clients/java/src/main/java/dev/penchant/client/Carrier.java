package dev.penchant.client;

import com.google.protobuf.MessageLite;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.Function;

/** The thread of a {@link Delivery}: opens its connections one after the other, and writes to them. */
final class Carrier<E extends MessageLite, Q, R, A> implements Runnable {
    private static final AtomicLong COUNT = new AtomicLong();

    private final Delivery<E, Q, R, A> delivery;
    private final Readiness ready;
    private final Consumer<ClientResponseObserver<Q, R>> open;
    private final Function<Outbox<E>, Exchange<Q, R, A>> exchanges;

    private Carrier(
            Delivery<E, Q, R, A> delivery,
            Readiness ready,
            Consumer<ClientResponseObserver<Q, R>> open,
            Function<Outbox<E>, Exchange<Q, R, A>> exchanges) {
        this.delivery = delivery;
        this.ready = ready;
        this.open = open;
        this.exchanges = exchanges;
    }

    /** Begins to carry, until everything is answered and nothing more will be put, or it must give up. */
    static <E extends MessageLite, Q, R, A> void start(
            Delivery<E, Q, R, A> delivery,
            Readiness ready,
            Consumer<ClientResponseObserver<Q, R>> open,
            Function<Outbox<E>, Exchange<Q, R, A>> exchanges) {
        Thread thread = new Thread(
                new Carrier<>(delivery, ready, open, exchanges), "penchant-delivery-" + COUNT.incrementAndGet());
        thread.setDaemon(true);
        thread.start();
    }

    @Override
    public void run() {
        RuntimeException reason = null;
        try {
            converseUntilDelivered();
        } catch (InterruptedException nobodyElses) {
            reason = Errors.interrupted(nobodyElses);
        } catch (RuntimeException failure) {
            reason = failure;
        } catch (Error failure) {
            // Everyone who waits is answered, and the error still reaches the thread's handler.
            reason = Errors.internal("the thread that sends ended", failure);
            throw failure;
        } finally {
            delivery.end(reason);
        }
    }

    private void converseUntilDelivered() throws InterruptedException {
        Backoff backoff = new Backoff();
        Outbox<E> outbox = delivery.outbox;
        while (awaitWork()) {
            awaitConnection();
            long settled = outbox.settled();
            RuntimeException end = converse();
            if (!(end instanceof UnavailableException lost)) {
                throw end;
            }
            delivery.lock.lock();
            try {
                delivery.lose(lost);
                if (outbox.isEmpty()) {
                    continue; // what is put next waits for no connection that nobody needed
                }
                if (outbox.settled() > settled) {
                    backoff.succeeded();
                }
                if (outbox.settled() == 0 && backoff.failures() >= delivery.retries) {
                    throw lost;
                }
                pause(backoff.next());
            } finally {
                delivery.lock.unlock();
            }
        }
    }

    /** Waits until something is to be sent; false: everything was answered and nothing more will be put. */
    private boolean awaitWork() throws InterruptedException {
        delivery.lock.lock();
        try {
            while (delivery.outbox.isEmpty() && !delivery.isFinished()) {
                delivery.awaitChange(Long.MAX_VALUE);
            }
            return !delivery.isDelivered();
        } finally {
            delivery.lock.unlock();
        }
    }

    /** Waits until the channel is connected when the service was heard before, so that pauses do not add up. */
    private void awaitConnection() throws InterruptedException {
        Runnable again = this::wake;
        delivery.lock.lock();
        try {
            while (delivery.outbox.settled() > 0 && !ready.isNow(again)) {
                delivery.awaitChange(Long.MAX_VALUE);
            }
        } finally {
            delivery.lock.unlock();
            ready.forget(again);
        }
    }

    private void wake() {
        delivery.lock.lock();
        try {
            delivery.changed.signalAll();
        } finally {
            delivery.lock.unlock();
        }
    }

    private void pause(long nanos) throws InterruptedException {
        long over = System.nanoTime() + nanos;
        for (long left = nanos; left > 0; left = over - System.nanoTime()) {
            delivery.awaitChange(left);
        }
    }

    /** Speaks on one connection, and returns how it ended. */
    private RuntimeException converse() throws InterruptedException {
        Conversation conversation = new Conversation();
        try {
            open.accept(conversation);
            boolean open = true;
            while (true) {
                Q request;
                delivery.lock.lock();
                try {
                    while (conversation.end == null && !(open && conversation.canSpeak())) {
                        delivery.awaitChange(Long.MAX_VALUE);
                    }
                    if (conversation.end != null) {
                        return conversation.end;
                    }
                    request = delivery.outbox.isWaiting() ? conversation.exchange.request() : null;
                } finally {
                    delivery.lock.unlock();
                }
                if (request == null) {
                    open = false;
                    conversation.call.onCompleted();
                } else {
                    conversation.call.onNext(request);
                }
            }
        } finally {
            conversation.leave();
        }
    }

    /** One connection. */
    private final class Conversation implements ClientResponseObserver<Q, R> {
        /** Made under the lock, so that the connection before can no longer touch the outbox. */
        private final Exchange<Q, R, A> exchange;

        private ClientCallStreamObserver<Q> call;
        /** How it ended; null: it has not. Needs the lock, which also makes it visible. */
        private RuntimeException end;

        Conversation() {
            delivery.lock.lock();
            try {
                exchange = exchanges.apply(delivery.outbox);
            } finally {
                delivery.lock.unlock();
            }
        }

        /** There is something to say, and gRPC would not have to keep it. */
        boolean canSpeak() {
            return delivery.outbox.isWaiting()
                    ? delivery.outbox.canTake() && call.isReady()
                    : delivery.isFinished();
        }

        void leave() {
            end(Errors.cancelled("the connection was left", null));
            if (call != null) { // gRPC may have refused to open it
                call.cancel("left", null);
            }
        }

        @Override
        public void beforeStart(ClientCallStreamObserver<Q> stream) {
            call = stream;
            stream.setOnReadyHandler(Carrier.this::wake);
        }

        @Override
        public void onNext(R response) {
            try {
                delivery.hear(exchange, response, () -> end == null);
            } catch (RuntimeException failure) { // an answer that breaks the contract, or what the caller's listener threw
                end(failure);
            }
        }

        @Override
        public void onError(Throwable failure) {
            end(Errors.of(failure));
        }

        @Override
        public void onCompleted() {
            end(Errors.unavailable("the service ended the stream before it had answered everything"));
        }

        private void end(RuntimeException reason) {
            delivery.lock.lock();
            try {
                end = end == null ? reason : end;
                delivery.changed.signalAll();
            } finally {
                delivery.lock.unlock();
            }
        }
    }
}
